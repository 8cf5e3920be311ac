package jsonb

import "bytes"

// The bounds of PostgreSQL's numeric: digits before and after the point, and
// the size from which on an exponent is refused unseen.
const (
	maxInteger  = 131072
	maxScale    = 16383
	maxExponent = 1<<31/2 - 1
)

// number is a JSON number taken apart: ±(whole fraction) × 10^(point - digits).
type number struct {
	neg         bool
	whole, frac []byte // digits before and after the point as written
	exp         int    // exponent, within ±maxExponent
}

func hasExponent(raw []byte) bool {
	for _, c := range raw {
		if c|0x20 == 'e' {
			return true
		}
	}
	return false
}

// parse takes a valid JSON number apart.
func parse(raw []byte) number {
	var n number
	if len(raw) > 0 && raw[0] == '-' {
		n.neg, raw = true, raw[1:]
	}
	if e := bytes.IndexAny(raw, "eE"); e >= 0 {
		n.exp = exponent(raw[e+1:])
		raw = raw[:e]
	}
	n.whole = raw
	if p := bytes.IndexByte(raw, '.'); p >= 0 {
		n.whole, n.frac = raw[:p], raw[p+1:]
	}
	return n
}

// exponent reads [+-]digits, staying within ±maxExponent.
func exponent(s []byte) int {
	neg := false
	if len(s) > 0 && (s[0] == '+' || s[0] == '-') {
		neg, s = s[0] == '-', s[1:]
	}
	e := 0
	for _, c := range s {
		if e = e*10 + int(c-'0'); e > maxExponent {
			e = maxExponent
		}
	}
	if neg {
		return -e
	}
	return e
}

// digit returns the i-th of all digits, 0 beyond them.
func (n *number) digit(i int) byte {
	switch {
	case i < 0:
	case i < len(n.whole):
		return n.whole[i]
	case i < len(n.whole)+len(n.frac):
		return n.frac[i-len(n.whole)]
	}
	return '0'
}

// first returns the place of the first digit that is not 0; zero says that
// there is none.
func (n *number) first() (i int, zero bool) {
	for i = range n.whole {
		if n.whole[i] != '0' {
			return i, false
		}
	}
	for i = range n.frac {
		if n.frac[i] != '0' {
			return len(n.whole) + i, false
		}
	}
	return 0, true
}

// point returns how many of all digits are before the point.
func (n *number) point() int { return len(n.whole) + n.exp }

// scale returns how many digits PostgreSQL prints after the point.
func (n *number) scale() int { return max(0, len(n.frac)-n.exp) }

// inRange says whether numeric has room for the number, and how many bytes it
// prints in.
func (n *number) inRange() (size int, ok bool) {
	if n.exp >= maxExponent || n.exp <= -maxExponent || n.scale() > maxScale {
		return 0, false
	}
	before := 1
	if i, zero := n.first(); !zero {
		before = max(1, n.point()-i)
	}
	return before + n.scale() + 2, before <= maxInteger
}

// appendNumber appends the number as numeric prints it: without an exponent,
// with the zeros after the point kept.
func appendNumber(dst, raw []byte) []byte {
	if len(raw) > 0 && raw[0] != '-' && !hasExponent(raw) {
		return append(dst, raw...)
	}
	n := parse(raw)
	i, zero := n.first()
	if n.neg && !zero {
		dst = append(dst, '-')
	}
	point, scale := n.point(), n.scale()
	if zero {
		point, i = 0, 0
	}
	if _, ok := n.inRange(); !ok { // not accepted by Check: do not fill the memory
		return append(dst, raw...)
	}
	if i >= point {
		dst = append(dst, '0')
	}
	for ; i < point; i++ {
		dst = append(dst, n.digit(i))
	}
	if scale == 0 {
		return dst
	}
	dst = append(dst, '.')
	for i := range scale {
		dst = append(dst, n.digit(point+i))
	}
	return dst
}

// AppendNumber appends a number, given as JSON writes it, as PostgreSQL's
// numeric prints it: 1e2 is 100, 1.50 stays, -0 is 0.
func AppendNumber(dst, raw []byte) []byte { return appendNumber(dst, raw) }

// CompareNumbers orders two numbers, given as JSON writes them, by value.
// Neither is expanded: 1e131071 costs no more than 1.
func CompareNumbers(a, b []byte) int {
	if bytes.Equal(a, b) {
		return 0
	}
	x, y := parse(a), parse(b)
	i, xZero := x.first()
	j, yZero := y.first()
	sx, sy := sign(x.neg, xZero), sign(y.neg, yZero)
	if sx != sy || sx == 0 {
		return sx - sy // signs are enough
	}
	return sx * compareDigits(&x, &y, i, j)
}

// compareDigits compares magnitudes, i and j being the first digits that count.
func compareDigits(x, y *number, i, j int) int {
	if dx, dy := x.point()-i, y.point()-j; dx != dy {
		if dx < dy {
			return -1
		}
		return 1
	}
	for nx, ny := len(x.whole)+len(x.frac), len(y.whole)+len(y.frac); i < nx || j < ny; i, j = i+1, j+1 {
		if c, d := x.digit(i), y.digit(j); c != d {
			if c < d {
				return -1
			}
			return 1
		}
	}
	return 0
}

func sign(neg, zero bool) int {
	switch {
	case zero:
		return 0
	case neg:
		return -1
	}
	return 1
}
