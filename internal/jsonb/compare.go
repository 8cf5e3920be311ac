package jsonb

import (
	"bytes"
	"slices"
	"strings"
)

// Compare orders two values as the btree operator class of jsonb does with
// collation "C": null < string < number < boolean < array < object, shorter
// arrays and objects first, then element by element, or member by member in
// jsonb's order of keys. As in PostgreSQL the empty array alone is before null.
func Compare(a, b []byte) int {
	a, b = trim(a), trim(b)
	if len(a) == 0 || len(b) == 0 {
		return len(a) - len(b)
	}
	aArray, bArray := a[0] == '[', b[0] == '['
	// PostgreSQL keeps a scalar as an array of one and compares lengths before it
	// looks at that mark, so an empty array is less than it.
	if aArray && a[0] != b[0] && b[0] != '{' && count(a) == 0 {
		return -1
	}
	if bArray && a[0] != b[0] && a[0] != '{' && count(b) == 0 {
		return 1
	}
	return compare(a, b)
}

// Equal says whether two values are equal as jsonb.
func Equal(a, b []byte) bool {
	a, b = trim(a), trim(b)
	if bytes.Equal(a, b) {
		return true
	}
	if len(a) == 0 || len(b) == 0 || kind(a[0]) != kind(b[0]) {
		return false
	}
	return compare(a, b) == 0
}

func trim(doc []byte) []byte {
	doc = doc[space(doc, 0):]
	for n := len(doc); n > 0; n-- {
		if c := doc[n-1]; c != ' ' && c != '\n' && c != '\t' && c != '\r' {
			return doc[:n]
		}
	}
	return nil
}

// rank is the place of a kind of value in the order.
func rank(c byte) int { return strings.IndexByte("n\"0ft[{", kind(c)) }

// compare compares two values inside of others, where the exception does not hold.
func compare(a, b []byte) int {
	if len(a) == 0 || len(b) == 0 {
		return len(a) - len(b)
	}
	if a[0] != b[0] {
		if d := rank(a[0]) - rank(b[0]); d != 0 {
			return d
		}
	}
	switch kind(a[0]) {
	case '"':
		return compareStrings(content(a), content(b))
	case '0':
		return CompareNumbers(a, b)
	case '[':
		return compareArrays(a, b)
	case '{':
		return compareObjects(a, b)
	}
	return 0
}

func compareStrings(a, b []byte) int {
	if bytes.IndexByte(a, '\\') < 0 && bytes.IndexByte(b, '\\') < 0 {
		return bytes.Compare(a, b)
	}
	var x, y [64]byte
	return bytes.Compare(appendUnescaped(x[:0], a), appendUnescaped(y[:0], b))
}

func compareArrays(a, b []byte) int {
	if d := count(a) - count(b); d != 0 {
		return d
	}
	x, y := array(a), array(b)
	for x.next() && y.next() {
		if d := compare(x.val, y.val); d != 0 {
			return d
		}
	}
	return 0
}

func compareObjects(a, b []byte) int {
	var bufA, bufB [24]member
	x, y := sortedMembers(bufA[:0], a), sortedMembers(bufB[:0], b)
	if d := len(x) - len(y); d != 0 {
		return d
	}
	for i := range x {
		if d := bytes.Compare(x[i].key, y[i].key); d != 0 {
			return d
		}
		if d := compare(x[i].val, y[i].val); d != 0 {
			return d
		}
	}
	return 0
}

type member struct{ key, val []byte }

// sortedMembers appends the members of an object in jsonb's order, of equal
// keys the last.
func sortedMembers(dst []member, doc []byte) []member {
	sorted := true
	for it := object(doc); it.next(); {
		m := member{unescaped(it.key), it.val}
		if n := len(dst); n > 0 && compareKeys(dst[n-1].key, m.key) >= 0 {
			sorted = false
		}
		dst = append(dst, m)
	}
	if sorted {
		return dst
	}
	slices.SortStableFunc(dst, func(a, b member) int { return compareKeys(a.key, b.key) })
	n := 0
	for i, m := range dst {
		if i+1 < len(dst) && bytes.Equal(m.key, dst[i+1].key) {
			continue
		}
		dst[n] = m
		n++
	}
	return dst[:n]
}

// count returns how many elements an array has.
func count(doc []byte) int {
	n := 0
	for it := array(doc); it.next(); {
		n++
	}
	return n
}
