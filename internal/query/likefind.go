package query

import (
	"bytes"
	"slices"
)

const (
	// maxWildPart bounds, in bytes, a part of a LIKE pattern that has _ in it and
	// can be anywhere: finding one costs its length over 64 for each byte of text.
	maxWildPart = 8 << 10
	// shortWildPart is the length up to which trying at each place is quick.
	shortWildPart = 64
)

// find returns the end of the first match in s, -1 if there is none. The part
// begins with a literal character, or is empty.
func (p *likePart) find(s []byte) int {
	switch {
	case len(p.any) == 0:
		i := bytes.Index(s, p.text)
		if i < 0 {
			return -1
		}
		return i + len(p.text)
	case p.wild != nil:
		return p.wild.find(s)
	}
	for i := 0; ; i++ {
		next := bytes.IndexByte(s[i:], p.text[0])
		if next < 0 {
			return -1
		}
		i += next
		if n := p.prefix(s[i:]); n >= 0 {
			return i + n
		}
	}
}

// wildFinder finds a long part with _ in it by Shift-And (Baeza-Yates and
// Gonnet): a bit for each byte of the part says that the part up to there ends
// here. Texts and parts are UTF-8, so a _ that has taken the first byte of a
// character stays where it is for the others. It is safe for concurrent use.
type wildFinder struct {
	class [256]uint16 // row of each byte
	rows  [][]uint64  // which bytes of the part a byte can be; row 0 is for those that are not in it
	any   []uint64    // where the part has _
	size  int         // of the part
}

func newWildFinder(p *likePart) *wildFinder {
	words := (len(p.text) + 63) / 64
	f := &wildFinder{rows: [][]uint64{make([]uint64, words), make([]uint64, words)}, any: make([]uint64, words), size: len(p.text)}
	for c := 0x80; c < 0xC0; c++ {
		f.class[c] = 1 // row 1 is for the further bytes of a character
	}
	for _, at := range p.any {
		f.any[at/64] |= 1 << (at % 64)
	}
	copy(f.rows[0], f.any)
	for i, c := range p.text {
		if f.any[i/64]>>(i%64)&1 != 0 {
			continue
		}
		if f.class[c] < 2 {
			row := slices.Clone(f.rows[f.class[c]])
			f.class[c] = uint16(len(f.rows))
			f.rows = append(f.rows, row)
		}
		f.rows[f.class[c]][i/64] |= 1 << (i % 64)
	}
	return f
}

// find returns the end of the first match in s, -1 if there is none.
func (f *wildFinder) find(s []byte) int {
	state := make([]uint64, len(f.any))
	used := 0 // words of state that are not 0 are below it
	for at, c := range s {
		row, carry := f.rows[f.class[c]], uint64(1)
		stay := uint64(0)
		if c&0xC0 == 0x80 {
			stay = ^stay
		}
		most := min(used+1, len(state))
		used = 0
		for w := range most {
			d := state[w]
			next := (d<<1|carry)&row[w] | d&f.any[w]&stay
			carry = d >> 63
			if state[w] = next; next != 0 {
				used = w + 1
			}
		}
		if last := f.size - 1; state[last/64]>>(last%64)&1 != 0 {
			return at + 1
		}
	}
	return -1
}
