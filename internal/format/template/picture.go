package template

import "strings"

// picture is one section of a custom format of numbers, such as #,##0.00.
type picture struct {
	parts    []pictureChar
	whole    int // places before the point
	zeros    int // of them, from the first 0 on
	places   int // places after the point
	fixed    int // of them, up to the last 0
	group    bool
	scale    int // powers of ten, of percent and commas
	exponent int // least digits of the exponent; 0 for none
	plus     bool
}

// pictureChar is a place of a digit (0 or #), the point, an exponent (E), or text.
type pictureChar struct {
	c    byte
	text string
}

// appendPicture appends d in a custom format: up to three sections, for positive
// numbers, negative ones and zero.
func appendPicture(dst []byte, d decimal, format string) []byte {
	sections := pictureSections(format)
	section, neg := sections[0], d.neg
	switch {
	case d.zero() && len(sections) > 2:
		section, neg = sections[2], false
	case d.neg && len(sections) > 1 && sections[1] != "":
		section, neg = sections[1], false
	}
	p := parsePicture(section)
	d.neg = false
	exponent := 0
	if p.exponent > 0 && !d.zero() {
		d.digits = strings.TrimLeft(d.digits, "0")
		exponent = d.point - max(p.whole, 1)
		d.point = max(p.whole, 1)
	}
	d = d.scale(p.scale).round(p.places)
	if d.zero() && len(sections) > 2 && section != sections[2] {
		return appendPicture(dst, decimal{digits: "0", point: 1}, format)
	}
	if neg && !d.zero() {
		dst = append(dst, '-')
	}
	return p.append(dst, d, exponent)
}

// pictureSections splits a format at its semicolons, those in quotes apart.
func pictureSections(s string) []string {
	var out []string
	start := 0
	for i := 0; i < len(s); i++ {
		switch s[i] {
		case '\\':
			i++
		case '\'', '"':
			if end := strings.IndexByte(s[i+1:], s[i]); end >= 0 {
				i += end + 1
			}
		case ';':
			out = append(out, s[start:i])
			start = i + 1
		}
	}
	return append(out, s[start:])
}

// parsePicture reads one section.
func parsePicture(s string) *picture {
	p := &picture{}
	point, commas := false, 0
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '0' || c == '#':
			p.place(c, point)
			if commas > 0 && !point {
				p.group = true
			}
			commas = 0
		case c == ',':
			if !point && p.whole > 0 {
				commas++
			}
		case c == '.':
			if !point {
				point = true
				p.scale -= 3 * commas
				commas = 0
				p.parts = append(p.parts, pictureChar{c: '.'})
			}
		case c == '%':
			p.scale += 2
			p.text("%")
		case strings.HasPrefix(s[i:], "‰"):
			p.scale += 3
			p.text("‰")
			i += len("‰") - 1
		case c == 'E' || c == 'e':
			n, digits := exponentOf(s[i:])
			if digits == 0 {
				p.text(s[i : i+1])
				break
			}
			p.exponent, p.plus = digits, s[i+1] == '+'
			p.parts = append(p.parts, pictureChar{c: 'E', text: s[i : i+1]})
			i += n - 1
		case c == '\\' && i+1 < len(s):
			i++
			p.text(s[i : i+1])
		case c == '\'' || c == '"':
			end := strings.IndexByte(s[i+1:], c)
			if end < 0 {
				end = len(s) - i - 1
			}
			p.text(s[i+1 : i+1+end])
			i += end + 1
		default:
			p.text(s[i : i+1])
		}
	}
	p.scale -= 3 * commas
	return p
}

func (p *picture) text(s string) { p.parts = append(p.parts, pictureChar{text: s}) }

// place adds a place of a digit.
func (p *picture) place(c byte, afterPoint bool) {
	p.parts = append(p.parts, pictureChar{c: c})
	if afterPoint {
		p.places++
		if c == '0' {
			p.fixed = p.places
		}
		return
	}
	p.whole++
	if c == '0' || p.zeros > 0 {
		p.zeros++
	}
}

// exponentOf returns the length of an exponent such as E+00 at the beginning of
// s, and how many digits it has; none is no exponent.
func exponentOf(s string) (n, digits int) {
	n = 1
	if n < len(s) && (s[n] == '+' || s[n] == '-') {
		n++
	}
	for n < len(s) && s[n] == '0' {
		n++
		digits++
	}
	return n, digits
}

// append prints d, whose digits fit, into the places of p.
func (p *picture) append(dst []byte, d decimal, exponent int) []byte {
	whole, part := d.whole(), d.part()
	if whole == "0" {
		whole = ""
	}
	for len(whole) < p.zeros {
		whole = "0" + whole
	}
	for len(part) < p.fixed {
		part += "0"
	}
	place, after, first := 0, 0, true
	point := false
	for _, c := range p.parts {
		switch {
		case c.c == 'E':
			dst = appendExponent(append(dst, c.text...), exponent, p.exponent, p.plus)
		case c.c == '.':
			point = true
			if first && p.whole == 0 {
				dst = p.digits(dst, whole, len(whole))
			}
			if part != "" {
				dst = append(dst, '.')
			}
		case c.c == 0:
			dst = append(dst, c.text...)
		case point:
			if after < len(part) {
				dst = append(dst, part[after])
			}
			after++
		default:
			place++
			// The first place takes every digit that has no place of its own.
			left := p.whole - place // places to come
			if n := len(whole) - left; n > 0 {
				dst = p.digits(dst, whole, n)
				whole = whole[n:]
			}
			first = false
		}
	}
	return dst
}

// digits appends the first n digits of whole, with commas where p groups.
func (p *picture) digits(dst []byte, whole string, n int) []byte {
	for i := range n {
		dst = append(dst, whole[i])
		if left := len(whole) - i - 1; p.group && left > 0 && left%3 == 0 {
			dst = append(dst, ',')
		}
	}
	return dst
}
