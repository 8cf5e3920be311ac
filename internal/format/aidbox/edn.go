package aidbox

import (
	"unicode"
	"unicode/utf8"

	"vigil/internal/jsonb"
)

// edn appends a JSON value as Clojure prints it: vectors without commas, keys
// as keywords, null as nil.
func edn(dst, val []byte) []byte {
	switch jsonb.Kind(val) {
	case '{':
		dst = append(dst, '{')
		n := 0
		for name, member := range jsonb.Members(val) {
			if n++; n > 1 {
				dst = append(dst, ", "...)
			}
			dst = append(keyword(dst, name), ' ')
			dst = edn(dst, member)
		}
		return append(dst, '}')
	case '[':
		dst = append(dst, '[')
		n := 0
		for el := range jsonb.Elements(val) {
			if n++; n > 1 {
				dst = append(dst, ' ')
			}
			dst = edn(dst, el)
		}
		return append(dst, ']')
	case '"':
		return quoted(dst, plain(val))
	case 'n':
		return append(dst, "nil"...)
	}
	return append(dst, val...)
}

// keyword appends a key as a keyword, or as a string where it could not be read
// as one.
func keyword(dst []byte, name string) []byte {
	for _, r := range name {
		if r <= ' ' || r > 0x7e || r == '"' || r == '\\' || r == '{' || r == '}' || r == '[' || r == ']' || r == '(' || r == ')' || r == ',' || r == ';' {
			return quoted(dst, []byte(name))
		}
	}
	if name == "" {
		return append(dst, `""`...)
	}
	return append(append(dst, ':'), name...)
}

// quoted appends a string as Clojure prints it, with control characters escaped.
func quoted(dst, text []byte) []byte {
	dst = append(dst, '"')
	for i := 0; i < len(text); {
		n := 1
		if c := text[i]; c == '"' || c == '\\' {
			dst = append(dst, '\\', c)
		} else {
			_, n = utf8.DecodeRune(text[i:])
			dst = visible(dst, text[i:i+n])
		}
		i += n
	}
	return append(dst, '"')
}

// visible appends text with everything escaped that does not show as itself:
// control characters, ends of lines, and what changes the direction of writing.
func visible(dst, text []byte) []byte {
	for i := 0; i < len(text); {
		if c := text[i]; c >= ' ' && c < 0x7f {
			dst = append(dst, c)
			i++
			continue
		}
		r, n := utf8.DecodeRune(text[i:])
		switch {
		case r == '\n':
			dst = append(dst, '\\', 'n')
		case r == '\r':
			dst = append(dst, '\\', 'r')
		case r == '\t':
			dst = append(dst, '\\', 't')
		case r == utf8.RuneError, jsonb.Hidden(r), r < 0x10000 && unicode.Is(unicode.Cf, r):
			if n == 1 && r == utf8.RuneError {
				r = rune(text[i])
			}
			dst = jsonb.AppendEscape(dst, r)
		default:
			dst = append(dst, text[i:i+n]...)
		}
		i += n
	}
	return dst
}
