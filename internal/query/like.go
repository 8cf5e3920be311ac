package query

import (
	"bytes"
	"unicode/utf8"
)

// maxLike bounds a LIKE pattern, in bytes. PostgreSQL has no bound of its own.
const maxLike = 1 << 20

// compileLike compiles a LIKE pattern: % is any text, _ one character, a
// backslash takes what follows as it is. With fold the case of ASCII letters
// does not count, as ILIKE has it with collation "C".
//
// A pattern that ends in a backslash is refused here; PostgreSQL does so only
// when a row gets that far. So are patterns longer than a mebibyte, and those
// with _ in a part of more than [maxWildPart] bytes that can be anywhere in the
// text. What is accepted takes time in proportion to the text, times the length
// of such a part over 64.
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

// like is a pattern cut at its runs of % and _ that have a percent sign: the
// text begins with the first part, ends with the last, and has the others
// between, in order.
type like struct{ parts []likePart }

// likePart is a run of characters, any marking those that stand for any one.
// Between other parts it begins and ends with a character that is literal.
type likePart struct {
	gap  int    // there are at least so many characters before it
	text []byte // what is literal; one byte for each _
	any  []int  // offsets of _ in text
	wild *wildFinder
}

func parseLike(pattern string, fold bool) (*like, error) {
	if len(pattern) > maxLike {
		e := errorf(codeLimit, "LIKE pattern is too long")
		e.Details = "The longest pattern that this store takes has 1048576 bytes."
		return nil, e
	}
	l := &like{parts: make([]likePart, 1)}
	run := 0 // how many _ stand at the end of the last part
	for i := 0; i < len(pattern); i++ {
		part := &l.parts[len(l.parts)-1]
		c := pattern[i]
		switch c {
		case '%':
			part.cut(run)
			if len(l.parts) == 1 || len(part.text) > 0 { // not in a run
				l.parts = append(l.parts, likePart{gap: run})
			}
			run = 0
			continue
		case '_':
			if len(l.parts) > 1 && len(part.text) == 0 {
				part.gap++
				continue
			}
			part.any = append(part.any, len(part.text))
			part.text = append(part.text, c)
			run++
			continue
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
		run = 0
	}
	return l, l.prepare()
}

// cut takes the n characters _ at the end of a part away.
func (p *likePart) cut(n int) {
	p.text, p.any = p.text[:len(p.text)-n], p.any[:len(p.any)-n]
}

// prepare makes the finders of the parts that can be anywhere.
func (l *like) prepare() error {
	for i := 1; i < len(l.parts)-1; i++ {
		p := &l.parts[i]
		if len(p.any) == 0 || len(p.text) <= shortWildPart {
			continue
		}
		if len(p.text) > maxWildPart {
			e := errorf(codeLimit, "LIKE pattern is too complex")
			e.Details = "There are more than 8192 bytes with _ between them that can be anywhere in the text."
			return e
		}
		p.wild = newWildFinder(p)
	}
	return nil
}

func (l *like) match(s []byte) bool {
	first, last := &l.parts[0], &l.parts[len(l.parts)-1]
	n := first.prefix(s)
	if n < 0 {
		return false
	}
	s = s[n:]
	if len(l.parts) == 1 {
		return len(s) == 0
	}
	if n = last.suffix(s); n < 0 {
		return false
	}
	s = s[:n]
	for i := 1; i < len(l.parts); i++ {
		p := &l.parts[i]
		if n = skipRunes(s, p.gap); n < 0 {
			return false
		}
		s = s[n:]
		if p == last {
			break
		}
		if n = p.find(s); n < 0 {
			return false
		}
		s = s[n:]
	}
	return true
}

// skipRunes returns where the first n characters of s end, -1 if it has fewer.
func skipRunes(s []byte, n int) int {
	i := 0
	for ; n > 0; n-- {
		if i >= len(s) {
			return -1
		}
		_, size := utf8.DecodeRune(s[i:])
		i += size
	}
	return i
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

// suffix returns where the match at the end of s begins, -1 if there is none.
func (p *likePart) suffix(s []byte) int {
	start := len(s) - len(p.text)
	if len(p.any) > 0 {
		start = len(s)
		for range utf8.RuneCount(p.text) {
			if start == 0 {
				return -1
			}
			_, size := utf8.DecodeLastRune(s[:start])
			start -= size
		}
	}
	if start < 0 || p.prefix(s[start:]) != len(s)-start {
		return -1
	}
	return start
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
