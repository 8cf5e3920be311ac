package remote

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Pattern writes times as Java's DateTimeFormatter.ofPattern does, in English.
// It knows the letters that names are made of: y u M L d D E H h K k m s S n a
// Q q w Y, and text in quotes.
type Pattern struct{ parts []patternPart }

type patternPart struct {
	letter byte   // 0: text
	n      int    // how often
	text   string // of letter 0
}

const patternLetters = "yuMLdDEHhKkmsSnaQqYw"

// ParsePattern reads a pattern such as 'audit'-yyyy-MM-dd.
func ParsePattern(s string) (*Pattern, error) {
	p := &Pattern{}
	for i := 0; i < len(s); {
		c := s[i]
		switch {
		case c == '\'':
			text, n, err := quoted(s[i:])
			if err != nil {
				return nil, err
			}
			p.parts = append(p.parts, patternPart{text: text})
			i += n
		case c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z':
			n := 1
			for i+n < len(s) && s[i+n] == c {
				n++
			}
			if strings.IndexByte(patternLetters, c) < 0 || n > maxLetters(c) {
				return nil, fmt.Errorf("%q at character %d is no letter of a date: put text in single quotes, as in 'audit'-yyyy-MM-dd", s[i:i+n], i+1)
			}
			p.parts = append(p.parts, patternPart{letter: c, n: n})
			i += n
		case strings.IndexByte("[]{}#", c) >= 0:
			return nil, fmt.Errorf("%q at character %d has a meaning of its own: put it in single quotes", string(c), i+1)
		default:
			p.parts = append(p.parts, patternPart{text: string(c)})
			i++
		}
	}
	return p, nil
}

// quoted reads text in single quotes; two of them are one.
func quoted(s string) (string, int, error) {
	if strings.HasPrefix(s, "''") {
		return "'", 2, nil
	}
	var b strings.Builder
	for i := 1; i < len(s); i++ {
		switch {
		case s[i] != '\'':
			b.WriteByte(s[i])
		case i+1 < len(s) && s[i+1] == '\'':
			b.WriteByte('\'')
			i++
		default:
			return b.String(), i + 1, nil
		}
	}
	return "", 0, fmt.Errorf("a single quote has no end")
}

func maxLetters(c byte) int {
	switch c {
	case 'S', 'n', 'y', 'u', 'Y':
		return 9
	case 'M', 'L', 'E', 'Q', 'q':
		return 4
	case 'D':
		return 3
	case 'a':
		return 1
	}
	return 2
}

// Append appends t, which should be in UTC.
func (p *Pattern) Append(dst []byte, t time.Time) []byte {
	for _, part := range p.parts {
		if part.letter == 0 {
			dst = append(dst, part.text...)
			continue
		}
		dst = part.append(dst, t)
	}
	return dst
}

func (p patternPart) append(dst []byte, t time.Time) []byte {
	switch p.letter {
	case 'y', 'u':
		return appendYear(dst, t.Year(), p.n)
	case 'Y':
		y, _ := t.ISOWeek()
		return appendYear(dst, y, p.n)
	case 'M', 'L':
		return appendNamed(dst, int(t.Month()), t.Month().String(), p.n)
	case 'E':
		name := t.Weekday().String()
		if p.n < 4 {
			name = name[:3]
		}
		return append(dst, name...)
	case 'Q', 'q':
		q := (int(t.Month()) + 2) / 3
		if p.n == 3 {
			return append(dst, 'Q', byte('0'+q))
		}
		return appendNamed(dst, q, [...]string{"1st", "2nd", "3rd", "4th"}[q-1]+" quarter", p.n)
	case 'a':
		return append(dst, t.Format("PM")...)
	case 'S':
		return append(dst, fmt.Sprintf("%09d", t.Nanosecond())[:p.n]...)
	}
	return appendPadded(dst, p.number(t), p.n)
}

// number returns the fields that are just numbers.
func (p patternPart) number(t time.Time) int {
	h := t.Hour()
	switch p.letter {
	case 'd':
		return t.Day()
	case 'D':
		return t.YearDay()
	case 'H':
		return h
	case 'h':
		return (h+11)%12 + 1
	case 'K':
		return h % 12
	case 'k':
		return (h+23)%24 + 1
	case 'm':
		return t.Minute()
	case 's':
		return t.Second()
	case 'n':
		return t.Nanosecond()
	}
	_, week := t.ISOWeek()
	return week
}

func appendYear(dst []byte, y, n int) []byte {
	if n == 2 {
		return appendPadded(dst, y%100, 2)
	}
	return appendPadded(dst, y, n)
}

// appendNamed appends a number with n up to 2, else its name, cut to three
// letters with n of 3.
func appendNamed(dst []byte, v int, name string, n int) []byte {
	switch {
	case n <= 2:
		return appendPadded(dst, v, n)
	case n == 3:
		return append(dst, name[:3]...)
	}
	return append(dst, name...)
}

func appendPadded(dst []byte, v, n int) []byte {
	s := strconv.Itoa(v)
	for range n - len(s) {
		dst = append(dst, '0')
	}
	return append(dst, s...)
}
