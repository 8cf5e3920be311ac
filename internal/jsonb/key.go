package jsonb

import "strconv"

// AppendKey appends bytes that are the same for values which are [Equal], and
// for no others. Numbers are not expanded in it.
func AppendKey(dst, doc []byte) []byte {
	i := space(doc, 0)
	if i >= len(doc) {
		return dst
	}
	p := printer{doc: doc, number: appendNumberKey}
	dst, _ = p.value(dst, i)
	return dst
}

// appendNumberKey appends a number by its sign, its digits without zeros
// around them, and the place of the point.
func appendNumberKey(dst, raw []byte) []byte {
	n := parse(raw)
	i, zero := n.first()
	if zero {
		return append(dst, '0')
	}
	if n.neg {
		dst = append(dst, '-')
	}
	point := n.point() - i
	end := len(n.whole) + len(n.frac)
	for n.digit(end-1) == '0' {
		end--
	}
	for ; i < end; i++ {
		dst = append(dst, n.digit(i))
	}
	dst = append(dst, 'e')
	return strconv.AppendInt(dst, int64(point), 10)
}
