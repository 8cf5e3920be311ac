package aidbox

import (
	"strconv"

	"vigil/internal/jsonb"
)

// key appends a comma and the name of a member. Names are of this package.
func key(dst []byte, name string) []byte {
	dst = append(dst, ',', '"')
	dst = append(dst, name...)
	return append(dst, '"', ':')
}

// text appends a member that is a text.
func text(dst []byte, name, s string) []byte {
	return jsonb.AppendLineString(key(dst, name), s)
}

// number appends a member that is an integer.
func number(dst []byte, name string, n int64) []byte {
	return strconv.AppendInt(key(dst, name), n, 10)
}

// value appends a member whose value is JSON already.
func value(dst []byte, name string, val []byte) []byte {
	return jsonb.AppendLine(key(dst, name), val)
}

// optional appends a member, nothing where there is no value.
func optional(dst []byte, name string, val []byte) []byte {
	if !present(val) {
		return dst
	}
	return value(dst, name, val)
}

// orNull appends a member, null where there is no value.
func orNull(dst []byte, name string, val []byte) []byte {
	if !present(val) {
		return append(key(dst, name), "null"...)
	}
	return value(dst, name, val)
}

// present reports whether a JSON value says something: neither null nor an
// empty text.
func present(val []byte) bool {
	return len(val) > 0 && val[0] != 'n' && string(val) != `""`
}

// plain returns the content of a JSON string; it may point into it.
func plain(val []byte) []byte {
	if jsonb.Kind(val) != '"' {
		return nil
	}
	if s, ok := jsonb.Plain(val); ok {
		return s
	}
	return jsonb.AppendText(nil, val)
}
