package firely

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
)

// A node is a place in the settings: a value, or named parts. Names are compared
// without case, and the elements of an array have their numbers as names, as in
// .NET's configuration.
type node struct {
	name  string // as it was written first
	at    string // where it was said last, for messages
	value string
	null  bool // no text was given: null, or an object without parts
	parts []*node
}

// part returns the part of that name, nil where there is none. It may be called
// on nil.
func (n *node) part(name string) *node {
	if n == nil {
		return nil
	}
	for _, p := range n.parts {
		if strings.EqualFold(p.name, name) {
			return p
		}
	}
	return nil
}

// path returns the part at the end of names.
func (n *node) path(names ...string) *node {
	for _, name := range names {
		n = n.part(name)
	}
	return n
}

// make returns the part of that name, a new one where there is none.
func (n *node) make(name, at string) *node {
	p := n.part(name)
	if p == nil {
		p = &node{name: name, null: true}
		n.parts = append(n.parts, p)
	}
	p.at = at
	return p
}

// merge lays m over n: values of m count, parts are merged by name.
func (n *node) merge(m *node) {
	if !m.null || len(m.parts) == 0 {
		n.value, n.null = m.value, m.null
	}
	n.at = m.at
	for _, p := range m.parts {
		n.make(p.name, p.at).merge(p)
	}
}

// parseJSON reads a settings file as .NET does: JSON that may have comments and
// commas before closing brackets. Errors name the line and the column.
func parseJSON(name string, text []byte) (*node, error) {
	text = bytes.TrimPrefix(text, []byte("\ufeff"))
	d := &decoder{name: name, text: text}
	clean, err := withoutComments(d)
	if err != nil {
		return nil, err
	}
	d.json = json.NewDecoder(bytes.NewReader(clean))
	d.json.UseNumber()
	root := &node{at: name, null: true}
	tok, err := d.next()
	if err != nil {
		return nil, err
	}
	if tok != json.Delim('{') {
		return nil, d.errorf(0, "want an object, which begins with {")
	}
	if err := d.object(root, 0); err != nil {
		return nil, err
	}
	if _, err := d.json.Token(); !errors.Is(err, io.EOF) {
		return nil, d.errorf(int(d.json.InputOffset()), "text follows the settings' closing }")
	}
	return root, nil
}

// decoder reads tokens and knows where they are.
type decoder struct {
	name string
	text []byte
	json *json.Decoder
}

// maxDepth bounds the nesting, as .NET does.
const maxDepth = 64

// at returns the place of an offset.
func (d *decoder) at(offset int) string {
	offset = min(offset, len(d.text))
	line := 1 + bytes.Count(d.text[:offset], []byte{'\n'})
	column := offset - bytes.LastIndexByte(d.text[:offset], '\n')
	return fmt.Sprintf("%s:%d:%d", d.name, line, column)
}

func (d *decoder) errorf(offset int, format string, args ...any) error {
	return fmt.Errorf("%s: %s", d.at(offset), fmt.Sprintf(format, args...))
}

// start returns the offset at which the next token begins.
func (d *decoder) start() int {
	i := int(d.json.InputOffset())
	for i < len(d.text) && strings.IndexByte(" \t\r\n,:", d.text[i]) >= 0 {
		i++
	}
	return i
}

func (d *decoder) next() (json.Token, error) {
	start := d.start()
	tok, err := d.json.Token()
	if err == nil {
		return tok, nil
	}
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return nil, d.errorf(len(d.text), "the file ends too early: want a value or a closing bracket")
	}
	if syntax, ok := errors.AsType[*json.SyntaxError](err); ok {
		// The offset is just behind the byte that was not expected.
		return nil, d.errorf(max(int(syntax.Offset)-1, start), "%s", strings.TrimPrefix(syntax.Error(), "json: "))
	}
	return nil, d.errorf(start, "%v", err)
}

// object reads the members of an object whose opening bracket has been read.
func (d *decoder) object(n *node, depth int) error {
	if depth > maxDepth {
		return d.errorf(int(d.json.InputOffset()), "nested deeper than %d levels", maxDepth)
	}
	for d.json.More() {
		start := d.start()
		tok, err := d.next()
		if err != nil {
			return err
		}
		name, ok := tok.(string)
		if !ok {
			return d.errorf(start, "want a name in quotes")
		}
		if n.part(name) != nil {
			return d.errorf(start, "%q is there twice: .NET compares names without case", name)
		}
		if err := d.value(n.make(name, d.at(start)), depth); err != nil {
			return err
		}
	}
	_, err := d.next()
	return err
}

// value reads a value into n.
func (d *decoder) value(n *node, depth int) error {
	tok, err := d.next()
	if err != nil {
		return err
	}
	switch v := tok.(type) {
	case nil:
		n.value, n.null = "", true
	case string:
		n.value, n.null = v, false
	case bool:
		n.value, n.null = strconv.FormatBool(v), false
	case json.Number:
		n.value, n.null = v.String(), false
	case json.Delim:
		if v == '{' {
			return d.object(n, depth+1)
		}
		return d.array(n, depth+1)
	}
	return nil
}

// array reads the elements of an array whose opening bracket has been read.
func (d *decoder) array(n *node, depth int) error {
	if depth > maxDepth {
		return d.errorf(int(d.json.InputOffset()), "nested deeper than %d levels", maxDepth)
	}
	for i := 0; d.json.More(); i++ {
		if err := d.value(n.make(strconv.Itoa(i), d.at(d.start())), depth); err != nil {
			return err
		}
	}
	_, err := d.next()
	return err
}

// withoutComments returns the text with spaces in the place of comments and of
// commas that nothing follows, so that offsets stay.
func withoutComments(d *decoder) ([]byte, error) {
	out := bytes.Clone(d.text)
	blank := func(from, to int) {
		for i := from; i < to; i++ {
			if out[i] != '\n' && out[i] != '\r' {
				out[i] = ' '
			}
		}
	}
	comma := -1 // the last comma that nothing has followed yet
	for i := 0; i < len(out); i++ {
		switch c := out[i]; {
		case c == '"':
			for i++; i < len(out) && out[i] != '"'; i++ {
				if out[i] == '\\' {
					i++
				}
			}
			comma = -1
		case c == '/' && i+1 < len(out) && out[i+1] == '/':
			end := bytes.IndexByte(out[i:], '\n')
			if end < 0 {
				end = len(out) - i
			}
			blank(i, i+end)
			i += end - 1
		case c == '/' && i+1 < len(out) && out[i+1] == '*':
			end := bytes.Index(out[i+2:], []byte("*/"))
			if end < 0 {
				return nil, d.errorf(i, "the comment is not closed by */")
			}
			blank(i, i+end+4)
			i += end + 3
		case c == ',':
			comma = i
		case c == '}' || c == ']':
			if comma >= 0 {
				out[comma] = ' '
			}
			comma = -1
		case strings.IndexByte(" \t\r\n", c) < 0:
			comma = -1
		}
	}
	return out, nil
}
