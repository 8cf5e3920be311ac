package query

import "strings"

// element is one element of an array literal.
type element struct {
	text string
	null bool
}

// parseArray reads a one-dimensional PostgreSQL array literal of texts, such as
// {a,"b c",NULL}. Arrays of arrays are refused.
func parseArray(s string) ([]element, error) {
	p := arrayParser{in: s}
	return p.parse()
}

type arrayParser struct {
	in string
	i  int
}

func (p *arrayParser) fail(details string) error {
	e := errorf(codeBadText, "malformed array literal: \"%s\"", cut(p.in))
	e.Details = details
	return e
}

func arraySpace(c byte) bool { return c == ' ' || '\t' <= c && c <= '\r' }

func (p *arrayParser) space() {
	for p.i < len(p.in) && arraySpace(p.in[p.i]) {
		p.i++
	}
}

const arrayEnded = "Unexpected end of input."

func (p *arrayParser) parse() ([]element, error) {
	p.space()
	if p.i >= len(p.in) || p.in[p.i] != '{' {
		if p.i < len(p.in) && p.in[p.i] == '[' {
			return nil, errorf(codeUnsupported, "array literals with explicit bounds are not supported by this store")
		}
		return nil, p.fail(`Array value must start with "{" or dimension information.`)
	}
	p.i++
	var out []element
	for p.space(); ; p.space() {
		if p.i >= len(p.in) {
			return nil, p.fail(arrayEnded)
		}
		if p.in[p.i] == '}' && len(out) == 0 {
			break
		}
		e, err := p.element()
		if err != nil {
			return nil, err
		}
		out = append(out, e)
		if p.i >= len(p.in) {
			return nil, p.fail(arrayEnded)
		}
		if p.in[p.i] == '}' {
			break
		}
		p.i++ // a comma
	}
	p.i++
	if p.space(); p.i < len(p.in) {
		return nil, p.fail("Junk after closing right brace.")
	}
	return out, nil
}

// element reads one element, up to the comma or brace behind it.
func (p *arrayParser) element() (element, error) {
	switch p.in[p.i] {
	case '{':
		return element{}, errorf(codeUnsupported, "arrays of arrays are not supported by this store")
	case '"':
		return p.quoted()
	}
	var b strings.Builder
	keep, escaped := 0, false // white space at the end does not count, unless it is escaped
	for ; p.i < len(p.in); p.i++ {
		switch c := p.in[p.i]; c {
		case ',', '}':
			text := b.String()[:keep]
			if text == "" {
				return element{}, p.fail(`Unexpected "` + string(c) + `" character.`)
			}
			return element{text: text, null: !escaped && strings.EqualFold(text, "null")}, nil
		case '"':
			return element{}, p.fail("Unexpected array element.")
		case '{':
			return element{}, p.fail(`Unexpected "{" character.`)
		case '\\':
			if p.i++; p.i >= len(p.in) {
				return element{}, p.fail(arrayEnded)
			}
			b.WriteByte(p.in[p.i])
			keep, escaped = b.Len(), true
		default:
			b.WriteByte(c)
			if !arraySpace(c) {
				keep = b.Len()
			}
		}
	}
	return element{}, p.fail(arrayEnded)
}

func (p *arrayParser) quoted() (element, error) {
	var b strings.Builder
	for p.i++; p.i < len(p.in) && p.in[p.i] != '"'; p.i++ {
		if p.in[p.i] == '\\' {
			if p.i++; p.i >= len(p.in) {
				break
			}
		}
		b.WriteByte(p.in[p.i])
	}
	if p.i >= len(p.in) {
		return element{}, p.fail(arrayEnded)
	}
	p.i++
	if p.space(); p.i < len(p.in) && p.in[p.i] != ',' && p.in[p.i] != '}' {
		return element{}, p.fail("Unexpected array element.")
	}
	return element{text: b.String()}, nil
}

// appendArray appends the literal of an array of texts as PostgreSQL prints it.
func appendArray(dst []byte, list []string) []byte {
	dst = append(dst, '{')
	for i, s := range list {
		if i > 0 {
			dst = append(dst, ',')
		}
		if !arrayQuotes(s) {
			dst = append(dst, s...)
			continue
		}
		dst = append(dst, '"')
		for j := range len(s) {
			if s[j] == '"' || s[j] == '\\' {
				dst = append(dst, '\\')
			}
			dst = append(dst, s[j])
		}
		dst = append(dst, '"')
	}
	return append(dst, '}')
}

func arrayQuotes(s string) bool {
	if s == "" || strings.EqualFold(s, "null") {
		return true
	}
	for i := range len(s) {
		switch c := s[i]; {
		case c == '"' || c == '\\' || c == '{' || c == '}' || c == ',' || arraySpace(c):
			return true
		}
	}
	return false
}
