package template

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// layout is a format of times, as .NET's DateTimeOffset takes it, in pieces.
type layout struct {
	pieces []piece
	utc    bool // print the time in UTC
}

// piece is n times the specifier c, or text where c is 0.
type piece struct {
	c    byte
	n    int
	text string
}

// The formats of one letter, in the invariant culture.
var standardLayouts = map[byte]string{
	'd': "MM/dd/yyyy",
	'D': "dddd, dd MMMM yyyy",
	'f': "dddd, dd MMMM yyyy HH:mm",
	'F': "dddd, dd MMMM yyyy HH:mm:ss",
	'g': "MM/dd/yyyy HH:mm",
	'G': "MM/dd/yyyy HH:mm:ss",
	'm': "MMMM dd", 'M': "MMMM dd",
	'o': "yyyy'-'MM'-'dd'T'HH':'mm':'ss.fffffffK", 'O': "yyyy'-'MM'-'dd'T'HH':'mm':'ss.fffffffK",
	'r': "ddd, dd MMM yyyy HH':'mm':'ss 'GMT'", 'R': "ddd, dd MMM yyyy HH':'mm':'ss 'GMT'",
	's': "yyyy'-'MM'-'dd'T'HH':'mm':'ss",
	't': "HH:mm",
	'T': "HH:mm:ss",
	'u': "yyyy'-'MM'-'dd HH':'mm':'ss'Z'",
	'y': "yyyy MMMM", 'Y': "yyyy MMMM",
}

// layoutOr returns the layout of a format, that of a time without one where .NET
// would not take it.
func layoutOr(format string) *layout {
	l, err := parseLayout(format)
	if err != nil {
		l, _ = parseLayout("")
	}
	return l
}

// parseLayout reads a format. It fails where .NET throws a FormatException.
func parseLayout(format string) (*layout, error) {
	l := &layout{}
	switch len(format) {
	case 0:
		format = "MM/dd/yyyy HH:mm:ss zzz" // DateTimeOffset's own
	case 1:
		c := format[0]
		custom, ok := standardLayouts[c]
		if !ok {
			return nil, fmt.Errorf("%q is no format of a time: write %%%s for the one part of a time, or a whole one such as yyyy-MM-dd HH:mm:ss", format, format)
		}
		l.utc = strings.IndexByte("rRu", c) >= 0
		format = custom
	}
	for i := 0; i < len(format); {
		n, err := l.next(format[i:])
		if err != nil {
			return nil, err
		}
		i += n
	}
	return l, nil
}

// specifiers has the letters of custom formats.
const specifiers = "dfFghHKmMstyz:/"

// next reads one piece and returns its length.
func (l *layout) next(s string) (int, error) {
	c := s[0]
	switch {
	case c == '\'' || c == '"':
		text, n, ok := unquote(s)
		if !ok {
			return 0, fmt.Errorf("the quote in %q is not closed", s)
		}
		l.literal(text)
		return n, nil
	case c == '\\':
		if len(s) == 1 {
			return 0, fmt.Errorf("nothing follows the backslash")
		}
		l.literal(s[1:2])
		return 2, nil
	case c == '%':
		if len(s) == 1 || s[1] == '%' {
			return 0, fmt.Errorf("no part of a time follows %%")
		}
		return 1, nil
	case strings.IndexByte(specifiers, c) < 0:
		l.literal(s[:1])
		return 1, nil
	}
	n := 1
	for n < len(s) && s[n] == c {
		n++
	}
	switch c {
	case 'f', 'F':
		if n > 7 {
			return 0, fmt.Errorf("%q: a second has no more than seven digits after the point", s[:n])
		}
	case ':', '/', 'K':
		n = 1
	}
	l.pieces = append(l.pieces, piece{c: c, n: n})
	return n, nil
}

func (l *layout) literal(s string) {
	if k := len(l.pieces) - 1; k >= 0 && l.pieces[k].c == 0 {
		l.pieces[k].text += s
		return
	}
	l.pieces = append(l.pieces, piece{text: s})
}

// unquote reads quoted text, in which a backslash takes the next character as it is.
func unquote(s string) (text string, n int, ok bool) {
	var b strings.Builder
	for i := 1; i < len(s); i++ {
		switch {
		case s[i] == s[0]:
			return b.String(), i + 1, true
		case s[i] == '\\' && i+1 < len(s):
			i++
		}
		b.WriteByte(s[i])
	}
	return "", 0, false
}

// append appends t; zulu says that K is Z, as for a DateTime in UTC.
func (l *layout) append(dst []byte, t time.Time, zulu bool) []byte {
	if l.utc {
		t = t.UTC()
	}
	for i, p := range l.pieces {
		switch p.c {
		case 0:
			dst = append(dst, p.text...)
		case 'f':
			dst = fraction(dst, t, p.n)
		case 'F':
			dst = l.shortFraction(dst, t, p.n, i)
		case 'K', 'z':
			dst = offset(dst, t, p, zulu)
		case 'd', 'M', 'y':
			dst = date(dst, t, p)
		default:
			dst = clock(dst, t, p)
		}
	}
	return dst
}

// date appends a part of the calendar date.
func date(dst []byte, t time.Time, p piece) []byte {
	switch {
	case p.c == 'd' && p.n <= 2:
		return digits(dst, t.Day(), p.n)
	case p.c == 'd' && p.n == 3:
		return append(dst, t.Weekday().String()[:3]...)
	case p.c == 'd':
		return append(dst, t.Weekday().String()...)
	case p.c == 'M' && p.n <= 2:
		return digits(dst, int(t.Month()), p.n)
	case p.c == 'M' && p.n == 3:
		return append(dst, t.Month().String()[:3]...)
	case p.c == 'M':
		return append(dst, t.Month().String()...)
	case p.n <= 2:
		return digits(dst, t.Year()%100, p.n)
	}
	return digits(dst, t.Year(), p.n)
}

// clock appends a part of the time of day, the era, or a separator.
func clock(dst []byte, t time.Time, p piece) []byte {
	two := min(p.n, 2)
	switch p.c {
	case 'h':
		h := t.Hour() % 12
		if h == 0 {
			h = 12
		}
		return digits(dst, h, two)
	case 'H':
		return digits(dst, t.Hour(), two)
	case 'm':
		return digits(dst, t.Minute(), two)
	case 's':
		return digits(dst, t.Second(), two)
	case 't':
		half := "AM"
		if t.Hour() >= 12 {
			half = "PM"
		}
		return append(dst, half[:two]...)
	case 'g':
		return append(dst, "A.D."...)
	}
	return append(dst, p.c) // : and / are themselves in the invariant culture
}

// digits appends n with at least width digits.
func digits(dst []byte, n, width int) []byte {
	for limit := 10; width > 1; width-- {
		if n < limit {
			for range width - 1 {
				dst = append(dst, '0')
			}
			break
		}
		limit *= 10
	}
	return strconv.AppendInt(dst, int64(n), 10)
}

// fraction appends the first n digits after the point of the second.
func fraction(dst []byte, t time.Time, n int) []byte {
	ticks := t.Nanosecond() / 100
	for range 7 - n {
		ticks /= 10
	}
	start := len(dst)
	for range n {
		dst = append(dst, '0')
	}
	for i := len(dst) - 1; i >= start; i-- {
		dst[i] = byte('0' + ticks%10)
		ticks /= 10
	}
	return dst
}

// shortFraction is fraction without zeros at the end; if nothing is left, a
// point before it goes as well.
func (l *layout) shortFraction(dst []byte, t time.Time, n, at int) []byte {
	start := len(dst)
	dst = fraction(dst, t, n)
	for len(dst) > start && dst[len(dst)-1] == '0' {
		dst = dst[:len(dst)-1]
	}
	if len(dst) == start && at > 0 && l.pieces[at-1].c == 0 && strings.HasSuffix(l.pieces[at-1].text, ".") {
		dst = dst[:len(dst)-1]
	}
	return dst
}

// offset appends the offset from UTC.
func offset(dst []byte, t time.Time, p piece, zulu bool) []byte {
	if p.c == 'K' && zulu {
		return append(dst, 'Z')
	}
	_, seconds := t.Zone()
	sign := byte('+')
	if seconds < 0 {
		sign, seconds = '-', -seconds
	}
	dst = append(dst, sign)
	hours := seconds / 3600
	if p.c == 'z' && p.n == 1 {
		return digits(dst, hours, 1)
	}
	dst = digits(dst, hours, 2)
	if p.c == 'z' && p.n == 2 {
		return dst
	}
	return digits(append(dst, ':'), seconds/60%60, 2)
}
