package fhir

import "unicode/utf8"

// AppendJSON appends n as JSON without white space, in the order of the tree,
// and returns the extended buffer.
func AppendJSON(dst []byte, n *Node) []byte {
	switch n.Kind {
	case String:
		return appendString(dst, n.Value)
	case Number, Bool, Raw:
		return append(dst, n.Value...)
	case Absent, Null:
		return append(dst, "null"...)
	case Empty:
		return append(dst, "[]"...)
	}
	return appendObject(dst, n)
}

func appendObject(dst []byte, n *Node) []byte {
	dst = append(dst, '{')
	start := len(dst)
	if n.Resource != "" {
		dst = append(dst, `"resourceType":`...)
		dst = appendString(dst, n.Resource)
	}
	for i := 0; i < len(n.Children); {
		group := run(n.Children, i)
		i += len(group)
		if len(dst) > start {
			dst = append(dst, ',')
		}
		dst = appendMember(dst, group)
	}
	return append(dst, '}')
}

// appendMember prints elements of one name: a member, or two where primitives
// have ids or extensions.
func appendMember(dst []byte, group []*Node) []byte {
	name := group[0].Name
	values, extra := false, false
	for _, n := range group {
		values = values || n.Kind != Absent && n.Kind != Null
		extra = extra || n.Kind != Object && len(n.Children) > 0
	}
	if values || !extra {
		dst = appendString(dst, name)
		dst = append(dst, ':')
		dst = appendEntries(dst, group, AppendJSON)
	}
	if !extra {
		return dst
	}
	if values {
		dst = append(dst, ',')
	}
	dst = append(dst, `"_`...)
	dst = append(dst, appendString(nil, name)[1:]...)
	dst = append(dst, ':')
	return appendEntries(dst, group, appendExtra)
}

func appendExtra(dst []byte, n *Node) []byte {
	if len(n.Children) == 0 {
		return append(dst, "null"...)
	}
	return appendObject(dst, n)
}

func appendEntries(dst []byte, group []*Node, one func([]byte, *Node) []byte) []byte {
	if len(group) == 1 && (!group[0].List || group[0].Kind == Empty) {
		return one(dst, group[0])
	}
	dst = append(dst, '[')
	for i, n := range group {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = one(dst, n)
	}
	return append(dst, ']')
}

// appendString prints a JSON string; what is not UTF-8 becomes U+FFFD.
func appendString(dst []byte, s string) []byte {
	const hex = "0123456789abcdef"
	dst = append(dst, '"')
	start := 0
	for i := 0; i < len(s); {
		c := s[i]
		if c >= 0x20 && c != '"' && c != '\\' && c < utf8.RuneSelf {
			i++
			continue
		}
		if c >= utf8.RuneSelf {
			r, size := utf8.DecodeRuneInString(s[i:])
			if r != utf8.RuneError || size > 1 {
				i += size
				continue
			}
		}
		dst = append(dst, s[start:i]...)
		switch c {
		case '"', '\\':
			dst = append(dst, '\\', c)
		case '\n':
			dst = append(dst, '\\', 'n')
		case '\r':
			dst = append(dst, '\\', 'r')
		case '\t':
			dst = append(dst, '\\', 't')
		default:
			if c >= utf8.RuneSelf {
				dst = append(dst, "\uFFFD"...)
			} else {
				dst = append(dst, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
			}
		}
		i++
		start = i
	}
	dst = append(dst, s[start:]...)
	return append(dst, '"')
}
