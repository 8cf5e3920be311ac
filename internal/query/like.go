package query

import (
	"bytes"
	"unicode/utf8"
)

// compileLike compiles a LIKE pattern: % is any text, _ one character, a
// backslash takes what follows as it is. With fold the case of ASCII letters
// does not count, as ILIKE has it with collation "C".
//
// A pattern that ends in a backslash is refused here; PostgreSQL does so only
// when a row gets that far.
func compileLike(pattern string, fold bool) (func([]byte) bool, error) {
	l, err := parseLike(pattern, fold)
	if err != nil {
		return nil, err
	}
	if !fold {
		return l.match, nil
	}
	return func(s []byte) bool {
		var buf [128]byte
		return l.match(appendLowerASCII(buf[:0], s))
	}, nil
}

// like is a pattern cut at its percent signs: the text begins with the first
// part, ends with the last, and has the others between, in order.
type like struct{ parts []likePart }

// likePart is a run of characters, any marking those that stand for any one.
type likePart struct {
	text []byte // what is literal; one byte for each _
	any  []int  // offsets of _ in text
}

func parseLike(pattern string, fold bool) (*like, error) {
	l := &like{parts: make([]likePart, 1)}
	for i := 0; i < len(pattern); i++ {
		part := &l.parts[len(l.parts)-1]
		c := pattern[i]
		switch c {
		case '%':
			l.parts = append(l.parts, likePart{})
			continue
		case '_':
			part.any = append(part.any, len(part.text))
		case '\\':
			if i++; i >= len(pattern) {
				return nil, errorf(codeBadEscape, "LIKE pattern must not end with escape character")
			}
			c = pattern[i]
		}
		if fold && 'A' <= c && c <= 'Z' {
			c |= 0x20
		}
		part.text = append(part.text, c)
	}
	return l, nil
}

func (l *like) match(s []byte) bool {
	first, last := &l.parts[0], &l.parts[len(l.parts)-1]
	n := first.prefix(s)
	if n < 0 {
		return false
	}
	if len(l.parts) == 1 {
		return n == len(s)
	}
	s = s[n:]
	for i := 1; i < len(l.parts)-1; i++ {
		end := l.parts[i].find(s)
		if end < 0 {
			return false
		}
		s = s[end:]
	}
	return last.suffix(s)
}

// prefix returns how many bytes at the start of s the part matches, -1 if it does not.
func (p *likePart) prefix(s []byte) int {
	n, from := 0, 0
	for _, at := range p.any {
		lit := p.text[from:at]
		if !bytes.HasPrefix(s[n:], lit) {
			return -1
		}
		if n += len(lit); n >= len(s) {
			return -1
		}
		_, size := utf8.DecodeRune(s[n:])
		n += size
		from = at + 1
	}
	if !bytes.HasPrefix(s[n:], p.text[from:]) {
		return -1
	}
	return n + len(p.text) - from
}

// find returns the end of the first match in s, -1 if there is none.
func (p *likePart) find(s []byte) int {
	if len(p.any) == 0 {
		i := bytes.Index(s, p.text)
		if i < 0 {
			return -1
		}
		return i + len(p.text)
	}
	for i := 0; i <= len(s); {
		if n := p.prefix(s[i:]); n >= 0 {
			return i + n
		}
		if i == len(s) {
			break
		}
		_, size := utf8.DecodeRune(s[i:])
		i += size
	}
	return -1
}

// suffix says whether s ends with a match.
func (p *likePart) suffix(s []byte) bool {
	if len(p.any) == 0 {
		return bytes.HasSuffix(s, p.text)
	}
	want := utf8.RuneCount(p.text)
	have := utf8.RuneCount(s)
	if have < want {
		return false
	}
	for ; have > want; have-- {
		_, size := utf8.DecodeRune(s)
		s = s[size:]
	}
	return p.prefix(s) == len(s)
}

func appendLowerASCII(dst, s []byte) []byte {
	for _, c := range s {
		if 'A' <= c && c <= 'Z' {
			c |= 0x20
		}
		dst = append(dst, c)
	}
	return dst
}
