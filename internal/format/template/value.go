package template

import (
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"vigil/internal/jsonb"
)

// A Value is the value of a property. The zero Value is null.
type Value struct {
	kind    valueKind
	text    string
	number  float64
	integer int64
	time    time.Time
	list    []Value
	fields  []Property
}

type valueKind uint8

const (
	null valueKind = iota
	str
	integer
	float
	boolean
	instant
	sequence
	structure
)

// A Property is a named value of an event.
type Property struct {
	Name  string
	Value Value
}

// Text returns a text as a value.
func Text(s string) Value { return Value{kind: str, text: s} }

// Int returns a whole number as a value.
func Int(n int64) Value { return Value{kind: integer, integer: n} }

// Float returns a number as a value.
func Float(f float64) Value { return Value{kind: float, number: f} }

// Bool returns a truth value as a value.
func Bool(b bool) Value {
	if b {
		return Value{kind: boolean, integer: 1}
	}
	return Value{kind: boolean}
}

// Time returns a time, in its zone, as a value.
func Time(t time.Time) Value { return Value{kind: instant, time: t} }

// List returns values as one; it keeps the slice.
func List(v ...Value) Value { return Value{kind: sequence, list: v} }

// Struct returns an object as a value; it keeps the slice.
func Struct(fields ...Property) Value { return Value{kind: structure, fields: fields} }

// render appends v as ScalarValue, SequenceValue and StructureValue of Serilog
// render it: text in quotes unless the format is l.
func (v Value) render(dst []byte, format string) []byte {
	switch v.kind {
	case str:
		if format == "l" {
			return appendVisible(dst, v.text)
		}
		dst = append(dst, '"')
		dst = appendVisible(dst, strings.ReplaceAll(v.text, `"`, `\"`))
		return append(dst, '"')
	case sequence:
		dst = append(dst, '[')
		for i, e := range v.list {
			if i > 0 {
				dst = append(dst, ", "...)
			}
			dst = e.render(dst, "")
		}
		return append(dst, ']')
	case structure:
		return renderFields(dst, v.fields)
	}
	return v.scalar(dst, format)
}

func renderFields(dst []byte, fields []Property) []byte {
	dst = append(dst, "{ "...)
	for i, f := range fields {
		if i > 0 {
			dst = append(dst, ", "...)
		}
		dst = append(appendVisible(dst, f.Name), ": "...)
		dst = f.Value.render(dst, "")
	}
	return append(dst, " }"...)
}

// scalar appends what is no text in .NET's invariant culture.
func (v Value) scalar(dst []byte, format string) []byte {
	switch v.kind {
	case integer:
		return appendInt(dst, v.integer, format)
	case float:
		return appendFloat(dst, v.number, format)
	case boolean:
		if v.integer == 1 {
			return append(dst, "True"...)
		}
		return append(dst, "False"...)
	case instant:
		return layoutOr(format).append(dst, v.time, false)
	}
	return append(dst, "null"...)
}

// AppendJSON appends v as Serilog's JsonValueFormatter does, with control
// characters escaped.
func (v Value) AppendJSON(dst []byte) []byte {
	switch v.kind {
	case str:
		return appendQuoted(dst, v.text)
	case integer:
		return strconv.AppendInt(dst, v.integer, 10)
	case float:
		if math.IsNaN(v.number) || math.IsInf(v.number, 0) {
			return appendQuoted(dst, string(appendFloat(nil, v.number, "")))
		}
		return appendFloat(dst, v.number, "")
	case boolean:
		return strconv.AppendBool(dst, v.integer == 1)
	case instant:
		dst = append(dst, '"')
		dst = layoutOr("o").append(dst, v.time, false)
		return append(dst, '"')
	case sequence:
		dst = append(dst, '[')
		for i, e := range v.list {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = e.AppendJSON(dst)
		}
		return append(dst, ']')
	case structure:
		return jsonFields(dst, v.fields)
	}
	return append(dst, "null"...)
}

func jsonFields(dst []byte, fields []Property) []byte {
	dst = append(dst, '{')
	for i, f := range fields {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(appendQuoted(dst, f.Name), ':')
		dst = f.Value.AppendJSON(dst)
	}
	return append(dst, '}')
}

// appendQuoted appends s as a JSON string without raw control characters.
func appendQuoted(dst []byte, s string) []byte {
	dst = append(dst, '"')
	for i := 0; i < len(s); {
		r, n := utf8.DecodeRuneInString(s[i:])
		switch {
		case r == '"' || r == '\\':
			dst = append(dst, '\\', byte(r))
		case r == '\n':
			dst = append(dst, '\\', 'n')
		case r == '\r':
			dst = append(dst, '\\', 'r')
		case r == '\t':
			dst = append(dst, '\\', 't')
		case r == '\f':
			dst = append(dst, '\\', 'f')
		case jsonb.Hidden(r):
			dst = jsonb.AppendEscape(dst, r)
		default:
			dst = utf8.AppendRune(dst, r) // what is no UTF-8 becomes U+FFFD
		}
		i += n
	}
	return append(dst, '"')
}

// appendVisible appends s with escapes for what could break a line or hide text.
func appendVisible(dst []byte, s string) []byte {
	if plain(s) {
		return append(dst, s...)
	}
	for i := 0; i < len(s); {
		r, n := utf8.DecodeRuneInString(s[i:])
		if jsonb.Hidden(r) {
			dst = jsonb.AppendEscape(dst, r)
		} else {
			dst = utf8.AppendRune(dst, r)
		}
		i += n
	}
	return dst
}

// plain reports whether s is printable ASCII, as nearly all values are.
func plain(s string) bool {
	for i := range len(s) {
		if s[i] < ' ' || s[i] > '~' {
			return false
		}
	}
	return true
}

// find returns the property of that name.
func find(props []Property, name string) (Value, bool) {
	i := slices.IndexFunc(props, func(p Property) bool { return p.Name == name })
	if i < 0 {
		return Value{}, false
	}
	return props[i].Value, true
}
