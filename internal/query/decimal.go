package query

import (
	"bytes"
	"math/big"
)

// decimal is coef / 10^scale: a PostgreSQL numeric with its display scale.
type decimal struct {
	coef  *big.Int
	scale int
}

// parseDecimal reads the text of a finite numeric.
func parseDecimal(text []byte) decimal {
	whole, frac, _ := bytes.Cut(text, []byte("."))
	d := decimal{coef: new(big.Int), scale: len(frac)}
	digits := make([]byte, 0, len(text))
	digits = append(append(digits, whole...), frac...)
	d.coef.SetString(string(digits), 10)
	return d
}

// overflows says whether a numeric has no room for the digits before the point.
func (d *decimal) overflows() bool {
	const most = 131072
	if d.coef.BitLen() < most*3 { // log2(10) is more than 3
		return false
	}
	return d.coef.CmpAbs(pow10(most+d.scale)) >= 0
}

func pow10(n int) *big.Int {
	return new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(n)), nil)
}

// rescale gives the number at least this many digits after the point.
func (d *decimal) rescale(scale int) {
	if scale > d.scale {
		d.coef.Mul(d.coef, pow10(scale-d.scale))
		d.scale = scale
	}
}

// add adds e; the scale is the larger of both.
func (d *decimal) add(e decimal) {
	d.rescale(e.scale)
	e.rescale(d.scale)
	d.coef.Add(d.coef, e.coef)
}

// round leaves at most this many digits after the point, halves going away from zero.
func (d *decimal) round(scale int) {
	if scale >= d.scale {
		return
	}
	d.coef = quotient(d.coef, pow10(d.scale-scale))
	d.scale = scale
}

// quotient divides, halves going away from zero.
func quotient(a, b *big.Int) *big.Int {
	q, r := new(big.Int).QuoRem(a, b, new(big.Int))
	if r.Abs(r).Lsh(r, 1).CmpAbs(b) >= 0 {
		q.Add(q, big.NewInt(int64(a.Sign()*b.Sign())))
	}
	return q
}

// divide returns d / n with as many digits as PostgreSQL's numeric division
// (select_div_scale in numeric.c): 16 significant ones, counted in fours.
func (d *decimal) divide(n int64) decimal {
	divisor := big.NewInt(n)
	w1, first1 := d.leading()
	w2, first2 := (&decimal{coef: divisor}).leading()
	weight := w1 - w2
	if first1 <= first2 {
		weight--
	}
	scale := min(max(16-4*weight, d.scale, 0), 1000)
	num := new(big.Int).Set(d.coef)
	if scale >= d.scale {
		num.Mul(num, pow10(scale-d.scale))
	} else {
		divisor = new(big.Int).Mul(divisor, pow10(d.scale-scale))
	}
	return decimal{coef: quotient(num, divisor), scale: scale}
}

// leading returns the place, in base 10000, of the first digit that is not 0,
// and that digit; 0 has 0, 0.
func (d *decimal) leading() (weight, digit int) {
	if d.coef.Sign() == 0 {
		return 0, 0
	}
	text := new(big.Int).Abs(d.coef).String()
	before := len(text) - d.scale // decimal digits before the point, negative for zeros behind it
	weight = floorDiv(before-1, 4)
	n := before - 4*weight // of them in the first digit of base 10000
	for i := range n {
		c := byte('0')
		if i < len(text) {
			c = text[i]
		}
		digit = digit*10 + int(c-'0')
	}
	return weight, digit
}

func floorDiv(a, b int) int {
	q := a / b
	if a%b < 0 {
		q--
	}
	return q
}

// appendTo appends the number as numeric prints it.
func (d *decimal) appendTo(dst []byte) []byte {
	if d.coef.Sign() < 0 {
		dst = append(dst, '-')
	}
	text := new(big.Int).Abs(d.coef).String()
	if d.scale == 0 {
		return append(dst, text...)
	}
	for len(text) <= d.scale {
		pad := min(d.scale+1-len(text), len(zeros))
		text = zeros[:pad] + text
	}
	dst = append(dst, text[:len(text)-d.scale]...)
	dst = append(dst, '.')
	return append(dst, text[len(text)-d.scale:]...)
}

const zeros = "0000000000000000000000000000000000000000000000000000000000000000"
