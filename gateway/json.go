package gateway

import (
	"bytes"
	"errors"
	"unicode/utf16"
	"unicode/utf8"
)

// maxDepth bounds how deep a body may be nested to be read.
const maxDepth = 256

// A sink hears what is in a document, JSON or XML alike. An array is its
// elements one after the other under one name, and the root has no name. Names
// and values are valid during the call only.
type sink interface {
	open(name []byte)
	value(name, text []byte)
	close()
	// deaf says that values mean nothing until the next close.
	deaf() bool
}

var (
	errSyntax = errors.New("the body is not well-formed")
	errDepth  = errors.New("the body is nested too deep")
	errCut    = errors.New("the body ends in the middle")
)

// scanJSON tells s what is in b. It reads in one pass and keeps nothing but the
// names of the arrays it is in. It is lenient: it finds what it can in a body
// that was cut, and reports what is wrong at the end.
func scanJSON(b []byte, s sink) error {
	p := jsonScanner{b: b, s: s}
	p.space()
	if p.at == len(b) {
		return errCut
	}
	if err := p.any(nil, 0); err != nil {
		return err
	}
	if p.space(); p.at != len(b) {
		return errSyntax
	}
	return nil
}

type jsonScanner struct {
	b       []byte
	at      int
	s       sink
	scratch []byte
}

func (p *jsonScanner) space() {
	for p.at < len(p.b) {
		switch p.b[p.at] {
		case ' ', '\t', '\r', '\n':
			p.at++
		default:
			return
		}
	}
}

func (p *jsonScanner) any(name []byte, depth int) error {
	if depth > maxDepth {
		return errDepth
	}
	if p.at >= len(p.b) {
		return errCut
	}
	switch p.b[p.at] {
	case '{':
		return p.object(name, depth)
	case '[':
		return p.array(name, depth)
	case '"':
		if p.s.deaf() {
			_, err := p.raw()
			return err
		}
		text, err := p.str()
		if err == nil {
			p.s.value(name, text)
		}
		return err
	}
	return p.literal(name)
}

func (p *jsonScanner) object(name []byte, depth int) error {
	p.s.open(name)
	for p.at++; ; p.at++ {
		p.space()
		if p.at >= len(p.b) {
			return errCut
		}
		if p.b[p.at] == '}' {
			p.at++
			p.s.close()
			return nil
		}
		if p.b[p.at] != '"' {
			return errSyntax
		}
		key, err := p.key()
		if err != nil {
			return err
		}
		if err := p.any(key, depth+1); err != nil {
			return err
		}
		p.space()
		if p.at >= len(p.b) {
			return errCut
		}
		switch p.b[p.at] {
		case ',':
		case '}':
			p.at--
		default:
			return errSyntax
		}
	}
}

// key reads a member's name and its colon. Names stay valid while their value is
// read, so one with escapes gets memory of its own.
func (p *jsonScanner) key() ([]byte, error) {
	start := p.at
	key, err := p.str()
	if err != nil {
		return nil, err
	}
	if len(key) != p.at-start-2 {
		key = bytes.Clone(key)
	}
	if p.space(); p.at >= len(p.b) {
		return nil, errCut
	}
	if p.b[p.at] != ':' {
		return nil, errSyntax
	}
	p.at++
	p.space()
	return key, nil
}

func (p *jsonScanner) array(name []byte, depth int) error {
	for p.at++; ; {
		p.space()
		if p.at < len(p.b) && p.b[p.at] == ']' {
			p.at++
			return nil
		}
		if err := p.any(name, depth+1); err != nil {
			return err
		}
		p.space()
		if p.at >= len(p.b) {
			return errCut
		}
		switch p.b[p.at] {
		case ',':
			p.at++
		case ']':
		default:
			return errSyntax
		}
	}
}

func (p *jsonScanner) literal(name []byte) error {
	start := p.at
	for p.at < len(p.b) {
		switch c := p.b[p.at]; {
		case c >= '0' && c <= '9', c >= 'a' && c <= 'z', c == '-', c == '+', c == '.', c == 'E':
			p.at++
			continue
		}
		break
	}
	if p.at == start {
		return errSyntax
	}
	p.s.value(name, p.b[start:p.at])
	return nil
}

// str reads a string. Without escapes the result is part of the body.
func (p *jsonScanner) str() ([]byte, error) {
	text, err := p.raw()
	if err != nil {
		return nil, err
	}
	at := bytes.IndexByte(text, '\\')
	if at < 0 {
		return text, nil
	}
	after, out := p.at, p.scratch[:0]
	for p.at -= len(text) + 1; at >= 0; at = bytes.IndexByte(text, '\\') {
		out = append(out, text[:at]...)
		p.at += at + 1
		if out, err = p.escape(out); err != nil {
			return nil, err
		}
		text = p.b[p.at : after-1]
	}
	p.scratch, p.at = append(out, text...), after
	return p.scratch, nil
}

// raw reads a string as it is written, without its quotes.
func (p *jsonScanner) raw() ([]byte, error) {
	p.at++
	start := p.at
	for {
		i := bytes.IndexByte(p.b[p.at:], '"')
		if i < 0 {
			p.at = len(p.b)
			return nil, errCut
		}
		end := p.at + i
		p.at = end + 1
		from := end
		for from > start && p.b[from-1] == '\\' {
			from--
		}
		if (end-from)%2 == 0 { // else the quote belongs to an escape
			return p.b[start:end], nil
		}
	}
}

func (p *jsonScanner) escape(out []byte) ([]byte, error) {
	if p.at >= len(p.b) {
		return nil, errCut
	}
	c := p.b[p.at]
	p.at++
	switch c {
	case '"', '\\', '/':
		return append(out, c), nil
	case 'b':
		return append(out, '\b'), nil
	case 'f':
		return append(out, '\f'), nil
	case 'n':
		return append(out, '\n'), nil
	case 'r':
		return append(out, '\r'), nil
	case 't':
		return append(out, '\t'), nil
	case 'u':
		r, ok := p.hex4(p.at)
		if !ok {
			return nil, errSyntax
		}
		p.at += 4
		if utf16.IsSurrogate(r) {
			low, ok := rune(0), p.at+6 <= len(p.b) && p.b[p.at] == '\\' && p.b[p.at+1] == 'u'
			if ok {
				low, ok = p.hex4(p.at + 2)
			}
			if r = utf16.DecodeRune(r, low); ok && r != utf8.RuneError {
				p.at += 6
			}
		}
		return utf8.AppendRune(out, r), nil
	}
	return nil, errSyntax
}

func (p *jsonScanner) hex4(at int) (rune, bool) {
	if at+4 > len(p.b) {
		return 0, false
	}
	var r rune
	for _, c := range p.b[at : at+4] {
		switch {
		case c >= '0' && c <= '9':
			c -= '0'
		case c|0x20 >= 'a' && c|0x20 <= 'f':
			c = c | 0x20 - 'a' + 10
		default:
			return 0, false
		}
		r = r<<4 | rune(c)
	}
	return r, true
}
