package jsonb

import (
	"bytes"
	"encoding/binary"
	"math/bits"
)

// The functions here walk over valid JSON: they look only at what tells where
// a value ends. None reads beyond the text, however broken it is.

const (
	ones  = 0x0101010101010101
	highs = 0x8080808080808080
)

// space returns the place of the first byte at or after i that is no white space.
func space(b []byte, i int) int {
	for i < len(b) && (b[i] == ' ' || b[i] == '\n' || b[i] == '\t' || b[i] == '\r') {
		i++
	}
	return i
}

// skipString returns the place after the string that begins at i.
func skipString(b []byte, i int) int {
	i++
	for i+8 <= len(b) {
		w := binary.LittleEndian.Uint64(b[i:])
		q, s := w^ones*'"', w^ones*'\\'
		// A byte that is zero in q or s sets its high bit; those below the first
		// such byte are exact.
		m := ((q-ones)&^q | (s-ones)&^s) & highs
		if m == 0 {
			i += 8
			continue
		}
		i += bits.TrailingZeros64(m) >> 3
		if b[i] == '"' {
			return i + 1
		}
		i += 2
	}
	for i < len(b) {
		switch b[i] {
		case '"':
			return i + 1
		case '\\':
			i++
		}
		i++
	}
	return len(b)
}

// skipValue returns the place after the value that begins at i.
func skipValue(b []byte, i int) int {
	if i >= len(b) {
		return len(b)
	}
	switch b[i] {
	case '"':
		return skipString(b, i)
	case '{', '[':
		return skipContainer(b, i)
	}
	for i < len(b) && !ends[b[i]] {
		i++
	}
	return i
}

// ends holds the bytes that end a number or a word.
var ends = [256]bool{',': true, '}': true, ']': true, ':': true, ' ': true, '\n': true, '\t': true, '\r': true}

func skipContainer(b []byte, i int) int {
	for depth := 0; i < len(b); {
		switch b[i] {
		case '"':
			i = skipString(b, i)
			continue
		case '{', '[':
			depth++
		case '}', ']':
			if depth--; depth <= 0 {
				return i + 1
			}
		}
		i++
	}
	return len(b)
}

// members walks over an object.
type members struct {
	b   []byte
	i   int
	key []byte // between the quotes, escapes as written
	val []byte
}

// object returns a walk over doc, over nothing if it is no object.
func object(doc []byte) members {
	i := space(doc, 0)
	if i >= len(doc) || doc[i] != '{' {
		return members{}
	}
	return members{b: doc, i: i}
}

func (m *members) next() bool {
	b := m.b
	i := space(b, m.i+1) // the brace or comma lies behind
	if i >= len(b) || b[i] != '"' {
		return false
	}
	k := i
	i = skipString(b, i)
	m.key = content(b[k:i])
	i = space(b, i)
	i = space(b, i+1) // over the colon
	if i >= len(b) {
		return false
	}
	v := i
	i = skipValue(b, i)
	m.val = b[v:i]
	m.i = space(b, i)
	return true
}

// elements walks over an array.
type elements struct {
	b   []byte
	i   int
	val []byte
}

// array returns a walk over doc, over nothing if it is no array.
func array(doc []byte) elements {
	i := space(doc, 0)
	if i >= len(doc) || doc[i] != '[' {
		return elements{}
	}
	return elements{b: doc, i: i}
}

func (e *elements) next() bool {
	i := space(e.b, e.i+1)
	if i >= len(e.b) || e.b[i] == ']' || e.b[i] == '}' || e.b[i] == ',' {
		return false
	}
	v := i
	i = skipValue(e.b, i)
	e.val = e.b[v:i]
	e.i = space(e.b, i)
	return true
}

// content returns what is between the quotes of a string.
func content(s []byte) []byte {
	if len(s) < 2 {
		return nil
	}
	return s[1 : len(s)-1]
}

// keyIs says whether the key, as written, is this one.
func keyIs[K string | []byte](raw []byte, key K) bool {
	switch {
	case len(raw) < len(key): // an escape is longer than what it stands for
		return false
	case len(raw) == len(key):
		return string(raw) == string(key) && bytes.IndexByte(raw, '\\') < 0
	case bytes.IndexByte(raw, '\\') < 0:
		return false
	}
	var buf [64]byte
	return string(appendUnescaped(buf[:0], raw)) == string(key)
}
