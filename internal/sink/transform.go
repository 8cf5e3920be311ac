package sink

import (
	"fmt"
	"slices"
	"strconv"
	"unicode/utf8"

	"vigil/internal/jsonb"
)

// A Transform changes or leaves out lines before they go to a sink, as Aidbox's
// log transforms do. It is for lines that are JSON objects; others pass as they
// are. What it takes out is in the store still.
type Transform struct {
	// Ev names the lines that it is for, by their member ev; empty is all.
	Ev []string
	// Ignore leaves the lines out.
	Ignore bool
	// Filter leaves out lines by a number in them.
	Filter *Filter
	// Trim cuts a text.
	Trim *Trim
	// Dissoc removes members; SelectKeys removes all others.
	Dissoc     []string
	SelectKeys []string
}

// Filter leaves out lines whose number at Path is below (Op min) or above (max)
// Value. A line without a number there stays.
type Filter struct {
	Path  []string
	Op    string
	Value float64
}

// Trim cuts the text at Path to Length characters.
type Trim struct {
	Path   []string
	Length int
}

// Check reports a transform that cannot be meant.
func (t Transform) Check() error {
	switch {
	case !t.Ignore && t.Filter == nil && t.Trim == nil && len(t.Dissoc) == 0 && len(t.SelectKeys) == 0:
		return fmt.Errorf("a transform does nothing: give it ignore, filter, trim, dissoc or select-keys")
	case t.Filter != nil && (len(t.Filter.Path) == 0 || t.Filter.Op != "min" && t.Filter.Op != "max"):
		return fmt.Errorf("a filter needs a path, the op min or max, and a value")
	case t.Trim != nil && (len(t.Trim.Path) == 0 || t.Trim.Length < 0):
		return fmt.Errorf("a trim needs a path and a length")
	}
	return nil
}

// Lines returns a [Line] whose lines have gone through t.
func (t Transform) Lines(line Line) Line {
	return edit(line, func(dst, text []byte) []byte {
		if !isObject(text) || !t.isFor(text) {
			return append(append(dst, text...), '\n')
		}
		if t.Ignore || t.Filter != nil && t.Filter.drops(text) {
			return dst
		}
		return append(t.apply(dst, text), '\n')
	})
}

func (t Transform) isFor(text []byte) bool {
	if len(t.Ev) == 0 {
		return true
	}
	v, ok := jsonb.Get(text, "ev")
	return ok && jsonb.Kind(v) == '"' && slices.Contains(t.Ev, string(jsonb.AppendText(nil, v)))
}

func (f *Filter) drops(text []byte) bool {
	v := text
	for _, key := range f.Path {
		var ok bool
		if jsonb.Kind(v) != '{' {
			return false
		}
		if v, ok = jsonb.Get(v, key); !ok {
			return false
		}
	}
	n, err := strconv.ParseFloat(string(v), 64)
	if err != nil || jsonb.Kind(v) != '0' {
		return false
	}
	return f.Op == "min" && n < f.Value || f.Op == "max" && n > f.Value
}

// apply appends the line as it is to be, without a newline.
func (t Transform) apply(dst, text []byte) []byte {
	dst = append(dst, '{')
	first := true
	for key, v := range jsonb.Members(text) {
		if slices.Contains(t.Dissoc, key) || len(t.SelectKeys) > 0 && !slices.Contains(t.SelectKeys, key) {
			continue
		}
		if !first {
			dst = append(dst, ',')
		}
		first = false
		dst = append(jsonb.AppendLineString(dst, key), ':')
		if t.Trim != nil && t.Trim.Path[0] == key {
			dst = t.Trim.append(dst, v, t.Trim.Path[1:])
			continue
		}
		dst = append(dst, v...)
	}
	return append(dst, '}')
}

// append appends v with the text at path cut.
func (t *Trim) append(dst, v []byte, path []string) []byte {
	switch {
	case len(path) == 0 && jsonb.Kind(v) == '"':
		return jsonb.AppendLineString(dst, cut(jsonb.AppendText(nil, v), t.Length))
	case len(path) == 0 || jsonb.Kind(v) != '{':
		return append(dst, v...)
	}
	dst = append(dst, '{')
	first := true
	for key, member := range jsonb.Members(v) {
		if !first {
			dst = append(dst, ',')
		}
		first = false
		dst = append(jsonb.AppendLineString(dst, key), ':')
		if key == path[0] {
			dst = t.append(dst, member, path[1:])
			continue
		}
		dst = append(dst, member...)
	}
	return append(dst, '}')
}

// cut returns the first n characters of text.
func cut(text []byte, n int) []byte {
	end := 0
	for ; n > 0 && end < len(text); n-- {
		_, size := utf8.DecodeRune(text[end:])
		end += size
	}
	return text[:end]
}
