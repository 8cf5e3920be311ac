// Package jsonb is PostgreSQL 15's jsonb in Go, over the bytes of a JSON text:
// what is valid, how it prints, how two values compare and contain each other.
// No tree is built, so that a scan over a million documents costs little.
//
// Everything but [Check] expects a text that Check has accepted, white space
// around it included. Given anything else the functions give some answer and
// do not panic. Values handed out point into the text they were taken from.
package jsonb

import (
	"bytes"
	"iter"
)

// MaxDepth is the deepest nesting that Check accepts, whatever its Limits say:
// it keeps the recursion of the other functions within some megabytes.
// PostgreSQL's limit follows from its stack, some 15,000 as it is shipped.
const MaxDepth = 6000

// Kind returns what the value is by its first byte: '{', '[', '"', '0' for any
// number, 't', 'f' or 'n'; 0 if it is empty.
func Kind(doc []byte) byte {
	i := space(doc, 0)
	if i >= len(doc) {
		return 0
	}
	return kind(doc[i])
}

func kind(c byte) byte {
	if c == '-' || '0' <= c && c <= '9' {
		return '0'
	}
	return c
}

// Get returns the value of the last member with this key, as it is written.
// It is not ok where doc is no object or has no such member.
func Get(doc []byte, key string) (val []byte, ok bool) { return get(doc, key) }

func get[K string | []byte](doc []byte, key K) (val []byte, ok bool) {
	it := object(doc)
	for it.next() {
		if keyIs(it.key, key) {
			val, ok = it.val, true
		}
	}
	return val, ok
}

// Index returns element i of an array, counted from the end where i is
// negative: -1 is the last. It is not ok where doc is an object or too short.
// A scalar is an array of one here, because it is in PostgreSQL.
func Index(doc []byte, i int) ([]byte, bool) {
	if k := Kind(doc); k != '[' && k != '{' && k != 0 {
		return trim(doc), i == 0 || i == -1
	}
	if i < 0 {
		n := 0
		for it := array(doc); it.next(); {
			n++
		}
		if i += n; i < 0 {
			return nil, false
		}
	}
	for it := array(doc); it.next(); i-- {
		if i == 0 {
			return it.val, true
		}
	}
	return nil, false
}

// Members yields the members of an object as they are written, keys unescaped,
// duplicates included. Anything else has none.
func Members(doc []byte) iter.Seq2[string, []byte] {
	return func(yield func(string, []byte) bool) {
		for it := object(doc); it.next(); {
			if !yield(string(unescaped(it.key)), it.val) {
				return
			}
		}
	}
}

// Elements yields the elements of an array. Anything else has none.
func Elements(doc []byte) iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		for it := array(doc); it.next(); {
			if !yield(it.val) {
				return
			}
		}
	}
}

// AppendText appends what ->> gives for the value: the content of a string,
// the canonical text of anything else. SQL's null for JSON's is the caller's.
func AppendText(dst, val []byte) []byte {
	if i := space(val, 0); i < len(val) && val[i] == '"' {
		return appendUnescaped(dst, content(val[i:skipString(val, i)]))
	}
	return AppendCanonical(dst, val)
}

// Plain returns what [AppendText] would append where it can be had without
// copying: the content of a string without escapes, true and false, and
// numbers that print as they are written.
func Plain(val []byte) (text []byte, ok bool) {
	i := space(val, 0)
	if i >= len(val) {
		return nil, false
	}
	end := skipValue(val, i)
	val = val[i:end]
	switch Kind(val) {
	case '"':
		s := content(val)
		return s, bytes.IndexByte(s, '\\') < 0
	case '0':
		return val, val[0] != '-' && !hasExponent(val)
	case 't', 'f':
		return val, true
	}
	return nil, false
}
