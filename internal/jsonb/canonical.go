package jsonb

import (
	"bytes"
	"slices"
)

// AppendCanonical appends doc as PostgreSQL prints jsonb: members by length of
// the key and then by its bytes, of equal keys the last, ": " and ", " between,
// strings with no escape that need not be, numbers without exponents.
//
// Numbers can be much longer than they were written, see [Limits].
func AppendCanonical(dst, doc []byte) []byte {
	i := space(doc, 0)
	if i >= len(doc) {
		return dst
	}
	var buf [24]part // enough for most, without allocating
	p := printer{doc: doc, space: true, number: appendNumber, parts: buf[:0]}
	dst, _ = p.value(dst, i)
	return dst
}

// AppendStripped appends doc as json_strip_nulls leaves its canonical form,
// without white space: members that are null are gone at every depth, elements
// that are null stay.
func AppendStripped(dst, doc []byte) []byte {
	i := space(doc, 0)
	if i >= len(doc) {
		return dst
	}
	var buf [24]part // enough for most, without allocating
	p := printer{doc: doc, strip: true, number: appendNumber, parts: buf[:0]}
	dst, _ = p.value(dst, i)
	return dst
}

// printer writes values in one pass over doc.
type printer struct {
	doc   []byte
	space bool // after colons and commas
	strip bool // leave out members that are null
	parts []part
	// number appends a number, given as it is written.
	number func(dst, raw []byte) []byte
}

// part is one printed member of an object that is being printed.
type part struct {
	key      []byte
	from, to int // where it is, relative to the object's opening brace
}

// value appends the value at i and returns the place after it.
func (p *printer) value(dst []byte, i int) ([]byte, int) {
	end := i
	switch c := p.doc[i]; c {
	case '{':
		return p.object(dst, i)
	case '[':
		return p.array(dst, i)
	case '"':
		end = skipString(p.doc, i)
		return appendStringAgain(dst, p.doc[i:end]), end
	default:
		if end = skipValue(p.doc, i); end == i {
			return dst, i + 1 // not JSON: go on
		}
		if kind(c) == '0' {
			return p.number(dst, p.doc[i:end]), end
		}
		return append(dst, p.doc[i:end]...), end
	}
}

func (p *printer) array(dst []byte, i int) ([]byte, int) {
	dst = append(dst, '[')
	i = space(p.doc, i+1)
	for first := true; i < len(p.doc) && p.doc[i] != ']'; first = false {
		if !first {
			dst = p.comma(dst)
		}
		dst, i = p.value(dst, i)
		if i = space(p.doc, i); i < len(p.doc) && p.doc[i] == ',' {
			i = space(p.doc, i+1)
		}
	}
	return append(dst, ']'), i + 1
}

func (p *printer) object(dst []byte, i int) ([]byte, int) {
	start, base := len(dst), len(p.parts)
	dst = append(dst, '{')
	i = space(p.doc, i+1)
	sorted := true
	for i < len(p.doc) && p.doc[i] == '"' {
		k := i
		i = skipString(p.doc, i)
		key := unescaped(content(p.doc[k:i]))
		from := len(dst)
		dst = append(appendStringAgain(dst, p.doc[k:i]), ':')
		if p.space {
			dst = append(dst, ' ')
		}
		if i = space(p.doc, space(p.doc, i)+1); i >= len(p.doc) {
			break
		}
		null := p.doc[i] == 'n'
		dst, i = p.value(dst, i)
		if n := len(p.parts); n > base && compareKeys(p.parts[n-1].key, key) >= 0 {
			sorted = false
		}
		p.parts = append(p.parts, part{key, from - start, len(dst) - start})
		if null && p.strip { // it stays a part, for it may hide an earlier one
			sorted = false
		}
		if i = space(p.doc, i); i < len(p.doc) && p.doc[i] == ',' {
			i = space(p.doc, i+1)
			dst = p.comma(dst)
		}
	}
	if !sorted {
		dst = p.reorder(dst, start, p.parts[base:])
	}
	p.parts = p.parts[:base]
	return append(dst, '}'), i + 1
}

// reorder puts the printed members behind dst[start] into order.
func (p *printer) reorder(dst []byte, start int, parts []part) []byte {
	slices.SortStableFunc(parts, func(a, b part) int { return compareKeys(a.key, b.key) })
	end := len(dst)
	dst = append(dst, '{')
	for i, m := range parts {
		if i+1 < len(parts) && bytes.Equal(m.key, parts[i+1].key) {
			continue // a later one counts
		}
		text := dst[start+m.from : start+m.to]
		if p.strip && bytes.HasSuffix(text, []byte(":null")) {
			continue
		}
		if len(dst) > end+1 {
			dst = p.comma(dst)
		}
		dst = append(dst, dst[start+m.from:start+m.to]...)
	}
	n := copy(dst[start:], dst[end:])
	return dst[:start+n]
}

func (p *printer) comma(dst []byte) []byte {
	if p.space {
		return append(dst, ',', ' ')
	}
	return append(dst, ',')
}

// compareKeys is the order in which jsonb keeps the members of an object.
func compareKeys(a, b []byte) int {
	if len(a) != len(b) {
		return len(a) - len(b)
	}
	return bytes.Compare(a, b)
}

// appendStringAgain appends a JSON string with only the escapes that must be.
func appendStringAgain(dst, quoted []byte) []byte {
	raw := content(quoted)
	if bytes.IndexByte(raw, '\\') < 0 {
		return append(dst, quoted...)
	}
	return AppendString(dst, appendUnescaped(nil, raw))
}
