package query

import (
	"errors"
	"math"
	"strconv"
	"strings"
	"time"

	"vigil/internal/jsonb"
)

// input is PostgreSQL's input function of a type: it reads the text of a
// literal or of a cast from text.
func input(s string, t Type, now time.Time) (Value, error) {
	switch t {
	case Bool:
		return inputBool(s)
	case Int4:
		return inputInt(s, t, 32)
	case Int8:
		return inputInt(s, t, 64)
	case Float8:
		return inputFloat(s)
	case Numeric:
		return inputNumeric(s)
	case Date, Timestamp, Timestamptz:
		return inputTime(s, t, now)
	case UUID:
		return inputUUID(s)
	case JSON, JSONB:
		return inputJSON(s, t)
	case TextArray:
		return inputArray(s)
	}
	return Value{Type: t, Valid: true, B: []byte(s)}, nil
}

func badText(t Type, s string) error {
	return errorf(codeBadText, "invalid input syntax for type %s: \"%s\"", t, cut(s))
}

// trimmed is s without the white space that input functions ignore.
func trimmed(s string) string { return strings.Trim(s, " \t\n\v\f\r") }

func inputBool(s string) (Value, error) {
	w := strings.ToLower(trimmed(s))
	is := func(word string, atLeast int) bool { return len(w) >= atLeast && strings.HasPrefix(word, w) }
	switch {
	case is("true", 1), is("yes", 1), w == "on", w == "1":
		return Value{Type: Bool, Valid: true, I: 1}, nil
	case is("false", 1), is("no", 1), is("off", 2), w == "0":
		return Value{Type: Bool, Valid: true}, nil
	}
	return Value{}, badText(Bool, s)
}

func inputInt(s string, t Type, bits int) (Value, error) {
	n := trimmed(s)
	if strings.Contains(n, "_") {
		return Value{}, badText(t, s)
	}
	i, err := strconv.ParseInt(n, 10, bits)
	switch {
	case errors.Is(err, strconv.ErrRange):
		return Value{}, errorf(codeRange, "value \"%s\" is out of range for type %s", cut(s), t)
	case err != nil:
		return Value{}, badText(t, s)
	}
	return Value{Type: t, Valid: true, I: i}, nil
}

func inputFloat(s string) (Value, error) {
	n := trimmed(s)
	if strings.ContainsAny(n, "_xXpP") {
		return Value{}, badText(Float8, s)
	}
	f, err := strconv.ParseFloat(n, 64)
	switch {
	case errors.Is(err, strconv.ErrRange), err == nil && f == 0 && strings.ContainsAny(mantissa(n), "123456789"):
		return Value{}, errorf(codeRange, "\"%s\" is out of range for type double precision", cut(n))
	case err != nil:
		return Value{}, badText(Float8, s)
	}
	return Value{Type: Float8, Valid: true, F: f}, nil
}

func mantissa(n string) string {
	if e := strings.IndexAny(n, "eE"); e >= 0 {
		return n[:e]
	}
	return n
}

func inputNumeric(s string) (Value, error) {
	n := trimmed(s)
	switch strings.ToLower(n) {
	case "nan":
		return Value{Type: Numeric, Valid: true, B: []byte("NaN")}, nil
	case "infinity", "+infinity", "inf", "+inf":
		return Value{Type: Numeric, Valid: true, B: []byte("Infinity")}, nil
	case "-infinity", "-inf":
		return Value{Type: Numeric, Valid: true, B: []byte("-Infinity")}, nil
	}
	text, ok := jsonNumber(n)
	if !ok {
		return Value{}, badText(Numeric, s)
	}
	if err := jsonb.Check([]byte(text), jsonb.Limits{}); err != nil {
		if e, ok := errors.AsType[*jsonb.Error](err); ok && e.Code == jsonb.CodeRange {
			return Value{}, errorf(codeRange, "value overflows numeric format")
		}
		return Value{}, badText(Numeric, s)
	}
	return Value{Type: Numeric, Valid: true, B: jsonb.AppendNumber(nil, []byte(text))}, nil
}

// jsonNumber spells a decimal number as JSON does, which is stricter: +.5 is 0.5.
func jsonNumber(n string) (string, bool) {
	sign := ""
	if n != "" && (n[0] == '+' || n[0] == '-') {
		if n[0] == '-' {
			sign = "-"
		}
		n = n[1:]
	}
	m := mantissa(n)
	exp := n[len(m):]
	whole, frac, point := strings.Cut(m, ".")
	if whole == "" && frac == "" || strings.Trim(whole+frac, "0123456789") != "" {
		return "", false
	}
	if whole = strings.TrimLeft(whole, "0"); whole == "" {
		whole = "0"
	}
	if point && frac != "" {
		whole += "." + frac
	}
	return sign + whole + exp, true
}

// inputUUID takes the digits in either case, in braces or not, with or without
// hyphens behind each four.
func inputUUID(s string) (Value, error) {
	d := s
	if strings.HasPrefix(d, "{") {
		if !strings.HasSuffix(d, "}") {
			return Value{}, badText(UUID, s)
		}
		d = d[1 : len(d)-1]
	}
	out := make([]byte, 0, 36)
	digits := 0
	for i := 0; i < len(d); i++ {
		c := d[i]
		if c == '-' && digits%4 == 0 && digits > 0 && digits < 32 && d[i-1] != '-' {
			continue
		}
		if 'A' <= c && c <= 'F' {
			c |= 0x20
		}
		if !('0' <= c && c <= '9' || 'a' <= c && c <= 'f') || digits == 32 {
			return Value{}, badText(UUID, s)
		}
		if digits == 8 || digits == 12 || digits == 16 || digits == 20 {
			out = append(out, '-')
		}
		out = append(out, c)
		digits++
	}
	if digits != 32 {
		return Value{}, badText(UUID, s)
	}
	return Value{Type: UUID, Valid: true, B: out}, nil
}

func inputJSON(s string, t Type) (Value, error) {
	err := jsonb.Check([]byte(s), jsonb.Limits{})
	e, _ := errors.AsType[*jsonb.Error](err)
	switch {
	case err == nil:
	case e == nil:
		return Value{}, err
	case e.Code == jsonb.CodeSyntax:
		return Value{}, &Error{Code: codeBadText, Message: e.Message, Details: e.Detail}
	case t == JSON && (e.Code == jsonb.CodeNUL || e.Code == jsonb.CodeRange):
		// json keeps the text and looks at neither.
	default:
		return Value{}, &Error{Code: e.Code, Message: e.Message, Details: e.Detail}
	}
	return Value{Type: t, Valid: true, B: []byte(s)}, nil
}

func inputArray(s string) (Value, error) {
	elements, err := parseArray(s)
	if err != nil {
		return Value{}, err
	}
	v := Value{Type: TextArray, Valid: true, List: make([]string, len(elements))}
	for i, e := range elements {
		if e.null {
			return Value{}, errorf(codeUnsupported, "null elements of arrays are not supported by this store")
		}
		v.List[i] = e.text
	}
	return v, nil
}

// isFinite says whether the text of a numeric is a number.
func isFinite(numeric []byte) bool {
	return len(numeric) > 0 && numeric[len(numeric)-1] != 'N' && numeric[len(numeric)-1] != 'y'
}

// specialRank orders what is not a number in a numeric: -Infinity, numbers, Infinity, NaN.
func specialRank(numeric []byte) int {
	switch string(numeric) {
	case "-Infinity":
		return -1
	case "Infinity":
		return 1
	case "NaN":
		return 2
	}
	return 0
}

// compareFloats is PostgreSQL's order: NaN equals itself and is the greatest.
func compareFloats(a, b float64) int {
	switch {
	case math.IsNaN(a) && math.IsNaN(b):
		return 0
	case math.IsNaN(a), a > b:
		return 1
	case math.IsNaN(b), a < b:
		return -1
	}
	return 0
}
