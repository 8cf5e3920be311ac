package fhir

import (
	"slices"
	"strings"
	"unicode/utf8"
)

// AppendXML appends a resource of a version as XML without white space, in the
// order of the version's definitions, and returns the extended buffer. Unknown
// members come last; what XML cannot express is replaced: control characters by
// U+FFFD, a narrative that is not XHTML by its text. Members whose names are no
// XML names are left out.
func AppendXML(dst []byte, n *Node, v Version) []byte {
	return xmlPrinter{schemaOf(v)}.resource(dst, n, ` xmlns="`+nsFHIR+`"`)
}

type xmlPrinter struct{ schema *schema }

func (p xmlPrinter) resource(dst []byte, n *Node, ns string) []byte {
	name := n.Resource
	if !isName(name) {
		name = "Resource" // the type is missing, or no word
	}
	dst = append(dst, '<')
	dst = append(dst, name...)
	dst = append(dst, ns...)
	dst = append(dst, '>')
	dst = p.children(dst, n, p.schema.resource(name), true)
	return appendEnd(dst, name)
}

// children prints the children of n in the order of its type.
func (p xmlPrinter) children(dst []byte, n *Node, t *typeDef, resource bool) []byte {
	var buf [32]int
	order := buf[:0]
	last, sorted := 0, true
	for _, c := range n.Children {
		at := 1 << 16
		if t != nil {
			if i, e := t.find(c.Name, last); e != nil {
				at, last = i, i
			}
		}
		sorted = sorted && (len(order) == 0 || order[len(order)-1] <= at)
		order = append(order, at)
	}
	kids := n.Children
	if !sorted {
		kids = inOrder(kids, order)
	}
	last = 0
	for _, c := range kids {
		if !resource && isAttr(n, c) {
			continue
		}
		var e *element
		if t != nil {
			last, e = t.find(c.Name, last)
		}
		dst = p.element(dst, c, e)
	}
	return dst
}

// inOrder returns nodes sorted by their places, keeping the order of equals.
func inOrder(nodes []*Node, places []int) []*Node {
	index := make([]int, len(nodes))
	for i := range index {
		index[i] = i
	}
	slices.SortStableFunc(index, func(a, b int) int { return places[a] - places[b] })
	out := make([]*Node, len(nodes))
	for i, from := range index {
		out[i] = nodes[from]
	}
	return out
}

// isAttr reports whether XML writes c, a child of n, as an attribute.
func isAttr(n, c *Node) bool {
	if c.Kind != String || c.List || len(c.Children) > 0 {
		return false
	}
	return c.Name == "id" || c.Name == "url" && (n.Name == "extension" || n.Name == "modifierExtension")
}

func (p xmlPrinter) element(dst []byte, n *Node, e *element) []byte {
	if n.Kind == Empty || n.Kind == Null || !isName(n.Name) {
		return dst
	}
	var t *typeDef
	if e != nil {
		t = &p.schema.types[e.typ]
		if t.format == fXHTML {
			return appendDiv(dst, n.Value)
		}
	}
	dst = append(dst, '<')
	dst = append(dst, n.Name...)
	container := e != nil && e.typ == p.schema.anything
	if n.Resource != "" || container && n.Kind == Object {
		dst = append(dst, '>')
		dst = p.resource(dst, n, "")
		return appendEnd(dst, n.Name)
	}
	inner := len(n.Children) > 0
	for _, c := range n.Children {
		if isAttr(n, c) {
			dst = appendAttr(dst, c.Name, c.Value)
			inner = len(n.Children) > 1
		}
	}
	if n.Kind != Object && n.Kind != Absent {
		dst = appendAttr(dst, "value", n.Value)
	}
	if !inner {
		return append(dst, "/>"...)
	}
	dst = append(dst, '>')
	dst = p.children(dst, n, t, false)
	return appendEnd(dst, n.Name)
}

func appendEnd(dst []byte, name string) []byte {
	dst = append(dst, "</"...)
	dst = append(dst, name...)
	return append(dst, '>')
}

func appendAttr(dst []byte, name, value string) []byte {
	dst = append(dst, ' ')
	dst = append(dst, name...)
	dst = append(dst, `="`...)
	dst = appendXMLText(dst, value)
	return append(dst, '"')
}

func appendDiv(dst []byte, div string) []byte {
	if markup, ok := divMarkup(div); ok {
		return append(dst, markup...)
	}
	dst = append(dst, `<div xmlns="`+nsXHTML+`">`...)
	dst = appendXMLText(dst, div)
	return append(dst, "</div>"...)
}

func appendXMLText(dst []byte, s string) []byte {
	start := 0
	for i := 0; i < len(s); {
		c := s[i]
		size, text := 1, ""
		switch {
		case c == '&':
			text = "&amp;"
		case c == '<':
			text = "&lt;"
		case c == '>':
			text = "&gt;"
		case c == '"':
			text = "&quot;"
		case c == '\t':
			text = "&#x9;"
		case c == '\n':
			text = "&#xA;"
		case c == '\r':
			text = "&#xD;"
		case c < 0x20:
			text = "\uFFFD"
		case c >= utf8.RuneSelf:
			var r rune
			if r, size = utf8.DecodeRuneInString(s[i:]); r == utf8.RuneError && size == 1 || !xmlChar(r) {
				text = "\uFFFD"
			}
		}
		if text != "" {
			dst = append(dst, s[start:i]...)
			dst = append(dst, text...)
			start = i + size
		}
		i += size
	}
	return append(dst, s[start:]...)
}

// isName reports whether XML allows the name for an element.
func isName(s string) bool {
	if s == "" || !nameStart(s[0]) || !utf8.ValidString(s) {
		return false
	}
	return strings.IndexFunc(s, func(r rune) bool { return r < utf8.RuneSelf && !nameByte(byte(r)) }) < 0
}
