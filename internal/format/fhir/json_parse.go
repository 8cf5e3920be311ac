package fhir

import (
	"bytes"
	"fmt"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// Limits bound what a parser takes. Zero fields mean the defaults.
type Limits struct {
	Depth int // of nesting; default 64
	Nodes int // elements of one document; default 100,000
}

func (l Limits) orDefault() Limits {
	if l.Depth <= 0 {
		l.Depth = 64
	}
	if l.Nodes <= 0 {
		l.Nodes = 100_000
	}
	return l
}

// A SyntaxError says why a document is no JSON, XML or resource at all. Its text
// has no values of the document.
type SyntaxError struct {
	Offset int // bytes before the place
	Reason string
}

// Error returns the reason with the place.
func (e *SyntaxError) Error() string {
	return fmt.Sprintf("parse resource: %s at byte %d", e.Reason, e.Offset)
}

// Parse reads a resource in either notation, told by its first character.
func Parse(doc []byte, v Version, l Limits) (*Node, error) {
	if isXML(doc) {
		return ParseXML(doc, v, l)
	}
	return ParseJSON(doc, l)
}

// isXML reports whether the first character is a <.
func isXML(doc []byte) bool {
	doc = bytes.TrimLeft(bytes.TrimPrefix(doc, []byte("\uFEFF")), " \t\r\n")
	return len(doc) > 0 && doc[0] == '<'
}

// ParseJSON reads one resource of any version. doc may be changed afterwards.
// Errors are *SyntaxError: no JSON (RFC 8259), no object with a resourceType, a
// member twice, or more than the limits allow.
func ParseJSON(doc []byte, l Limits) (*Node, error) {
	return parseJSON(doc, l, nil)
}

// parseJSON hands the entries of a Bundle to each, if there is one, instead of
// keeping them.
func parseJSON(doc []byte, l Limits, each func(*Node) error) (*Node, error) {
	p := jsonParser{src: string(doc), limits: l.orDefault(), each: each}
	p.arena.expect(len(doc) / 24)
	p.space()
	if p.pos == len(p.src) || p.src[p.pos] != '{' {
		return nil, p.errorf("a resource is a JSON object")
	}
	root := p.arena.node()
	if err := p.object(root, 1); err != nil {
		return nil, err
	}
	p.space()
	if p.pos < len(p.src) {
		return nil, p.errorf("text after the resource")
	}
	if root.Resource == "" {
		return nil, &SyntaxError{0, "the member resourceType is missing"}
	}
	return root, nil
}

type jsonParser struct {
	src    string
	pos    int
	limits Limits
	nodes  int
	arena  arena
	stack  []*Node // children of the objects being read
	each   func(entry *Node) error
}

func (p *jsonParser) errorf(reason string) error { return &SyntaxError{p.pos, reason} }

func (p *jsonParser) space() {
	for p.pos < len(p.src) {
		switch p.src[p.pos] {
		case ' ', '\t', '\r', '\n':
			p.pos++
		default:
			return
		}
	}
}

// next skips white space and returns the next character, 0 at the end.
func (p *jsonParser) next() byte {
	p.space()
	if p.pos == len(p.src) {
		return 0
	}
	return p.src[p.pos]
}

func (p *jsonParser) node(name string) (*Node, error) {
	if p.nodes++; p.nodes > p.limits.Nodes {
		return nil, p.errorf("more elements than are allowed")
	}
	n := p.arena.node()
	n.Name = name
	return n, nil
}

// object reads an object into n.
func (p *jsonParser) object(n *Node, depth int) error {
	if depth > p.limits.Depth {
		return p.errorf("nested deeper than is allowed")
	}
	base := len(p.stack)
	var seen map[string]bool
	p.pos++ // {
	for first := true; ; first = false {
		c := p.next()
		if c == '}' && first {
			break
		}
		if c != '"' {
			return p.errorf("a member's name is missing")
		}
		start := p.pos
		name, err := p.string()
		if err != nil {
			return err
		}
		if p.next() != ':' {
			return p.errorf("a colon is missing")
		}
		p.pos++
		if twice(p.stack[base:], name, &seen) || name == "resourceType" && n.Resource != "" {
			return &SyntaxError{start, "a member is there twice"}
		}
		if err := p.member(n, name, depth); err != nil {
			return err
		}
		if c = p.next(); c == '}' {
			break
		} else if c != ',' {
			return p.errorf("a comma or the end of an object is missing")
		}
		p.pos++
	}
	p.pos++ // }
	n.Children = p.arena.list(p.stack[base:])
	p.stack = p.stack[:base]
	n.Children = join(n.Children)
	return nil
}

// twice reports whether name is among the nodes; many are looked up in a map,
// so that a hostile object costs no square of its size.
func twice(nodes []*Node, name string, seen *map[string]bool) bool {
	const few = 32
	if len(nodes) < few {
		for i := len(nodes) - 1; i >= 0; i-- {
			if nodes[i].Name == name {
				return true
			}
		}
		return false
	}
	if *seen == nil {
		*seen = make(map[string]bool, 2*few)
		for _, n := range nodes {
			(*seen)[n.Name] = true
		}
	}
	if (*seen)[name] {
		return true
	}
	(*seen)[name] = true
	return false
}

// member reads the value of one member of n onto the stack.
func (p *jsonParser) member(n *Node, name string, depth int) error {
	switch p.next() {
	case '[':
		return p.array(name, depth+1)
	case '"':
		if name == "resourceType" {
			v, err := p.string()
			n.Resource = v
			if err == nil && v == "" {
				err = p.errorf("the resourceType is empty")
			}
			return err
		}
	}
	c, err := p.node(name)
	if err != nil {
		return err
	}
	p.stack = append(p.stack, c)
	if p.next() == 'n' {
		c.Kind, c.Value = Raw, "null"
		return p.word("null")
	}
	return p.value(c, depth)
}

// value reads what is neither an array nor null into n.
func (p *jsonParser) value(n *Node, depth int) (err error) {
	switch c := p.next(); {
	case c == '{':
		return p.object(n, depth+1)
	case c == '"':
		n.Kind = String
		n.Value, err = p.string()
		return err
	case c == 't':
		n.Kind, n.Value = Bool, "true"
		return p.word("true")
	case c == 'f':
		n.Kind, n.Value = Bool, "false"
		return p.word("false")
	case c == '-' || c >= '0' && c <= '9':
		n.Kind = Number
		n.Value, err = p.number()
		return err
	}
	return p.errorf("a value is missing")
}

// array reads the entries of an array as siblings.
func (p *jsonParser) array(name string, depth int) error {
	p.pos++ // [
	for first := true; ; first = false {
		c := p.next()
		if c == ']' && !first {
			return p.errorf("an array's entry is missing")
		}
		n, err := p.node(name)
		if err != nil {
			return err
		}
		n.List = true
		p.stack = append(p.stack, n)
		switch c {
		case ']':
			n.Kind = Empty
			p.pos++
			return nil
		case 'n':
			n.Kind = Null
			err = p.word("null")
		case '[':
			start := p.pos
			err = p.skip(depth + 1)
			n.Kind, n.Value = Raw, p.src[start:p.pos]
		default:
			err = p.value(n, depth)
		}
		if err == nil && p.each != nil && depth == 2 && name == "entry" {
			p.stack = p.stack[:len(p.stack)-1]
			p.nodes, p.arena = 0, ofEntry()
			err = p.each(n)
		}
		if err != nil {
			return err
		}
		if c = p.next(); c == ']' {
			p.pos++
			return nil
		} else if c != ',' {
			return p.errorf("a comma or the end of an array is missing")
		}
		p.pos++
	}
}

// skip reads an array in an array, which stays JSON text.
func (p *jsonParser) skip(depth int) error {
	if depth > p.limits.Depth {
		return p.errorf("nested deeper than is allowed")
	}
	base := len(p.stack)
	defer func() { p.stack = p.stack[:base] }()
	return p.array("", depth)
}

func (p *jsonParser) word(w string) error {
	if !strings.HasPrefix(p.src[p.pos:], w) {
		return p.errorf("a word that is not JSON")
	}
	p.pos += len(w)
	return nil
}

func (p *jsonParser) digits() int {
	start := p.pos
	for p.pos < len(p.src) && p.src[p.pos] >= '0' && p.src[p.pos] <= '9' {
		p.pos++
	}
	return p.pos - start
}

// number reads a number and returns its text.
func (p *jsonParser) number() (string, error) {
	start := p.pos
	if p.src[p.pos] == '-' {
		p.pos++
	}
	zero := p.pos < len(p.src) && p.src[p.pos] == '0'
	if n := p.digits(); n == 0 || zero && n > 1 {
		return "", p.errorf("a number that is not JSON")
	}
	if p.pos < len(p.src) && p.src[p.pos] == '.' {
		p.pos++
		if p.digits() == 0 {
			return "", p.errorf("a number that is not JSON")
		}
	}
	if p.pos < len(p.src) && p.src[p.pos]|0x20 == 'e' {
		p.pos++
		if p.pos < len(p.src) && (p.src[p.pos] == '+' || p.src[p.pos] == '-') {
			p.pos++
		}
		if p.digits() == 0 {
			return "", p.errorf("a number that is not JSON")
		}
	}
	return p.src[start:p.pos], nil
}

// string reads a string. It allocates only where there are escapes.
func (p *jsonParser) string() (string, error) {
	p.pos++ // "
	start := p.pos
	ascii := true
	for p.pos < len(p.src) {
		switch c := p.src[p.pos]; {
		case c == '"':
			s := p.src[start:p.pos]
			if !ascii && !utf8.ValidString(s) {
				return "", p.errorf("bytes that are not UTF-8")
			}
			p.pos++
			return s, nil
		case c == '\\':
			return p.escaped(start)
		case c < 0x20:
			return "", p.errorf("a control character in a string")
		case c >= 0x80:
			ascii = false
		}
		p.pos++
	}
	return "", p.errorf("a string without end")
}

// escaped goes on with a string whose first escape is at the position.
func (p *jsonParser) escaped(start int) (string, error) {
	end := strings.IndexByte(p.src[p.pos:], '"')
	buf := make([]byte, 0, p.pos-start+max(end, 0)+64)
	buf = append(buf, p.src[start:p.pos]...)
	for p.pos < len(p.src) {
		switch c := p.src[p.pos]; {
		case c == '"':
			if !utf8.Valid(buf) {
				return "", p.errorf("bytes that are not UTF-8")
			}
			p.pos++
			return string(buf), nil
		case c < 0x20:
			return "", p.errorf("a control character in a string")
		case c == '\\':
			r, err := p.escape()
			if err != nil {
				return "", err
			}
			buf = utf8.AppendRune(buf, r)
		default:
			buf = append(buf, c)
			p.pos++
		}
	}
	return "", p.errorf("a string without end")
}

// escape reads one escape, or two for a pair of surrogates.
func (p *jsonParser) escape() (rune, error) {
	if p.pos+1 >= len(p.src) {
		return 0, p.errorf("a string without end")
	}
	c := p.src[p.pos+1]
	if i := strings.IndexByte(`"\/bfnrt`, c); i >= 0 {
		p.pos += 2
		return rune("\"\\/\b\f\n\r\t"[i]), nil
	}
	r, ok := p.hex(p.pos)
	if !ok {
		return 0, p.errorf("an escape that is not JSON")
	}
	p.pos += 6
	if !utf16.IsSurrogate(r) {
		return r, nil
	}
	low, ok := p.hex(p.pos)
	if r = utf16.DecodeRune(r, low); !ok || r == utf8.RuneError {
		return 0, p.errorf("half a pair of surrogates")
	}
	p.pos += 6
	return r, nil
}

// hex reads \uXXXX at i.
func (p *jsonParser) hex(i int) (rune, bool) {
	if i+6 > len(p.src) || p.src[i] != '\\' || p.src[i+1] != 'u' {
		return 0, false
	}
	var r rune
	for _, c := range []byte(p.src[i+2 : i+6]) {
		switch {
		case c >= '0' && c <= '9':
			r = r<<4 | rune(c-'0')
		case c|0x20 >= 'a' && c|0x20 <= 'f':
			r = r<<4 | rune(c|0x20-'a'+10)
		default:
			return 0, false
		}
	}
	return r, true
}
