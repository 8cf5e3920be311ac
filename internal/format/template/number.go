package template

import (
	"bytes"
	"math"
	"strconv"
	"strings"
)

// appendInt appends n in a .NET format; one that .NET refuses prints n as it is.
func appendInt(dst []byte, n int64, format string) []byte {
	letter, precision, ok := standard(format)
	switch {
	case format == "" || (ok && (letter == 'G' || letter == 'R') && precision <= 0):
		return strconv.AppendInt(dst, n, 10)
	case ok && letter == 'D':
		u := uint64(n)
		if n < 0 {
			dst, u = append(dst, '-'), -u
		}
		return zeros(dst, strconv.FormatUint(u, 10), precision)
	case ok && letter == 'X':
		text := strconv.FormatUint(uint64(n), 16)
		if format[0] == 'X' {
			text = strings.ToUpper(text)
		}
		return zeros(dst, text, precision)
	case ok && letter == 'B':
		return zeros(dst, strconv.FormatUint(uint64(n), 2), precision)
	}
	u := uint64(n)
	if n < 0 {
		u = -u
	}
	return appendNumber(dst, decimal{neg: n < 0, digits: strconv.FormatUint(u, 10), point: len(strconv.FormatUint(u, 10))}, format)
}

// appendFloat appends f in a .NET format; one that .NET refuses prints f as it is.
func appendFloat(dst []byte, f float64, format string) []byte {
	switch {
	case math.IsNaN(f):
		return append(dst, "NaN"...)
	case math.IsInf(f, 1):
		return append(dst, "Infinity"...)
	case math.IsInf(f, -1):
		return append(dst, "-Infinity"...)
	}
	return appendNumber(dst, decimalOf(f), format)
}

// standard reads a format of one letter, in upper case, and up to nine digits;
// precision is -1 where there is none.
func standard(format string) (letter byte, precision int, ok bool) {
	if format == "" || len(format) > 10 {
		return 0, -1, false
	}
	letter = format[0] &^ 0x20
	if letter < 'A' || letter > 'Z' {
		return 0, -1, false
	}
	precision = -1
	if len(format) > 1 {
		n, err := strconv.ParseUint(format[1:], 10, 31)
		if err != nil {
			return 0, -1, false
		}
		precision = min(int(n), maxWidth)
	}
	return letter, precision, true
}

func zeros(dst []byte, text string, width int) []byte {
	for n := width - len(text); n > 0; n-- {
		dst = append(dst, '0')
	}
	return append(dst, text...)
}

// decimal is 0.digits times ten to the power of point.
type decimal struct {
	neg    bool
	digits string // without zeros at the end, but for zero itself; at least one
	point  int
}

// decimalOf returns f's shortest decimal.
func decimalOf(f float64) decimal {
	text := strconv.FormatFloat(math.Abs(f), 'e', -1, 64)
	mantissa, exponent, _ := strings.Cut(text, "e")
	e, _ := strconv.Atoi(exponent)
	return decimal{neg: f < 0, digits: strings.Replace(mantissa, ".", "", 1), point: e + 1}
}

func (d decimal) zero() bool { return strings.Trim(d.digits, "0") == "" }

// scale multiplies by ten to the power of n.
func (d decimal) scale(n int) decimal { d.point += n; return d }

// round rounds half away from zero to places after the point.
func (d decimal) round(places int) decimal {
	keep := d.point + places
	if keep >= len(d.digits) {
		return d
	}
	if keep < 0 || keep == 0 && d.digits[0] < '5' {
		return decimal{digits: "0", point: 1}
	}
	b := []byte(d.digits[:keep])
	if d.digits[keep] >= '5' {
		i := keep - 1
		for ; i >= 0 && b[i] == '9'; i-- {
			b[i] = '0'
		}
		if i < 0 {
			b, d.point = append([]byte{'1'}, b...), d.point+1
		} else {
			b[i]++
		}
	}
	d.digits = string(b)
	if d.zero() {
		return decimal{digits: "0", point: 1}
	}
	return d
}

// whole returns the digits before the point, at least one.
func (d decimal) whole() string {
	switch {
	case d.point <= 0:
		return "0"
	case d.point >= len(d.digits):
		return strings.TrimLeft(d.digits, "0") + strings.Repeat("0", d.point-len(d.digits)) + strings.Repeat("0", b2i(d.zero()))
	}
	return d.digits[:d.point]
}

func b2i(b bool) int {
	if b {
		return 1
	}
	return 0
}

// part returns the digits after the point, without zeros at the end.
func (d decimal) part() string {
	var s string
	switch {
	case d.point >= len(d.digits):
	case d.point < 0:
		s = strings.Repeat("0", -d.point) + d.digits
	default:
		s = d.digits[d.point:]
	}
	return strings.TrimRight(s, "0")
}

// appendNumber appends d in a standard or custom format of .NET.
func appendNumber(dst []byte, d decimal, format string) []byte {
	letter, precision, ok := standard(format)
	if format != "" && !ok {
		return appendPicture(dst, d, format)
	}
	switch letter {
	case 'F':
		return d.fixed(dst, or(precision, 2), false)
	case 'N':
		return d.fixed(dst, or(precision, 2), true)
	case 'C':
		if d = d.round(or(precision, 2)); d.neg {
			d.neg = false
			return append(d.fixed(append(dst, "(¤"...), or(precision, 2), true), ')')
		}
		return d.fixed(append(dst, "¤"...), or(precision, 2), true)
	case 'P':
		return append(d.scale(2).fixed(dst, or(precision, 2), true), " %"...)
	case 'E':
		return d.scientific(dst, or(precision, 6), 3, format[0])
	case 'G':
		if precision > 0 && precision < len(d.digits) {
			d = d.round(precision - d.point)
		}
		return d.general(dst, format[0], precision)
	}
	return d.general(dst, 'E', -1)
}

func or(n, otherwise int) int {
	if n < 0 {
		return otherwise
	}
	return n
}

// fixed appends d with places after the point, with commas between thousands.
func (d decimal) fixed(dst []byte, places int, group bool) []byte {
	d = d.round(places)
	if d.neg && !d.zero() {
		dst = append(dst, '-')
	}
	dst = grouped(dst, d.whole(), group)
	if places > 0 {
		part := d.part()
		dst = append(append(dst, '.'), part...)
		for range places - len(part) {
			dst = append(dst, '0')
		}
	}
	return dst
}

func grouped(dst []byte, whole string, group bool) []byte {
	for i := range len(whole) {
		if group && i > 0 && (len(whole)-i)%3 == 0 {
			dst = append(dst, ',')
		}
		dst = append(dst, whole[i])
	}
	return dst
}

// scientific appends d with places after the point and an exponent of at least
// width digits.
func (d decimal) scientific(dst []byte, places, width int, letter byte) []byte {
	if letter >= 'a' {
		letter = 'e'
	} else {
		letter = 'E'
	}
	exponent := 0
	if !d.zero() {
		d.digits = strings.TrimLeft(d.digits, "0")
		d = d.round(places + 1 - d.point)
		exponent = d.point - 1
		d.point = 1
	}
	if d.neg {
		dst = append(dst, '-')
	}
	dst = append(dst, d.whole()...)
	if places > 0 {
		part := d.part()
		dst = append(append(dst, '.'), part...)
		dst = append(dst, bytes.Repeat([]byte{'0'}, places-len(part))...)
	}
	return appendExponent(append(dst, letter), exponent, width, true)
}

func appendExponent(dst []byte, exponent, width int, plus bool) []byte {
	if exponent < 0 {
		dst, exponent = append(dst, '-'), -exponent
	} else if plus {
		dst = append(dst, '+')
	}
	return zeros(dst, strconv.Itoa(exponent), width)
}

// general appends d as short as it is: with an exponent from 1E+15 on, or from
// as many digits as the precision says, and below 1E-04.
func (d decimal) general(dst []byte, letter byte, precision int) []byte {
	if d.zero() {
		return append(dst, '0')
	}
	d.digits = strings.TrimRight(d.digits, "0")
	limit := 15
	if precision > 0 {
		limit = precision
	}
	if d.point > limit || d.point < -3 {
		out := d
		places := len(out.digits) - 1
		if letter >= 'a' {
			letter = 'e'
		} else {
			letter = 'E'
		}
		if d.neg {
			dst = append(dst, '-')
		}
		dst = append(dst, out.digits[0])
		if places > 0 {
			dst = append(append(dst, '.'), out.digits[1:]...)
		}
		return appendExponent(append(dst, letter), d.point-1, 2, true)
	}
	if d.neg {
		dst = append(dst, '-')
	}
	dst = append(dst, d.whole()...)
	if part := d.part(); part != "" {
		dst = append(append(dst, '.'), part...)
	}
	return dst
}
