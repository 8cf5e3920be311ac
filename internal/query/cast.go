package query

import (
	"math"
	"strconv"
	"time"

	"vigil/internal/jsonb"
)

// castFunc turns a value that is not null into another type.
type castFunc func(Value) (Value, error)

// castTo returns PostgreSQL's explicit cast between two types.
func castTo(from, to Type, now time.Time) (castFunc, error) {
	switch {
	case from == to:
		return func(v Value) (Value, error) { return v, nil }, nil
	case to == Text:
		return castToText, nil
	case from == Text || from == Unknown:
		return func(v Value) (Value, error) { return input(string(v.B), to, now) }, nil
	case isTime(from) && isTime(to):
		return func(v Value) (Value, error) { return castTime(v, to) }, nil
	case from == JSONB && to == JSON:
		return func(v Value) (Value, error) {
			return Value{Type: JSON, Valid: true, B: jsonb.AppendCanonical(nil, v.B)}, nil
		}, nil
	case from == JSON && to == JSONB:
		return func(v Value) (Value, error) { return inputJSON(string(v.B), JSONB) }, nil
	case from == JSONB && (to == Bool || isNumber(to)):
		return func(v Value) (Value, error) { return castJSONB(v, to, now) }, nil
	case isNumber(from) && isNumber(to):
		return func(v Value) (Value, error) { return castNumber(v, to, now) }, nil
	case from == Bool && to == Int4, from == Int4 && to == Bool:
		return func(v Value) (Value, error) {
			if v.I != 0 {
				v.I = 1
			}
			return Value{Type: to, Valid: true, I: v.I}, nil
		}, nil
	}
	return nil, errorf(codeNoCast, "cannot cast type %s to %s", from, to)
}

func isTime(t Type) bool { return t == Date || t == Timestamp || t == Timestamptz }

func isNumber(t Type) bool { return t == Int4 || t == Int8 || t == Float8 || t == Numeric }

func castToText(v Value) (Value, error) {
	out := Value{Type: Text, Valid: true}
	if v.Type == Bool {
		out.B = strconv.AppendBool(nil, v.I != 0)
	} else {
		out.B = v.AppendText(nil)
	}
	return out, nil
}

func castTime(v Value, to Type) (Value, error) {
	infinite := v.I == endOfTime || v.I == startOfTime
	switch {
	case infinite:
	case v.Type == Date:
		v.I *= microsPerDay
	case to == Date:
		v.I = dayOf(v.I)
	}
	v.Type = to
	return v, nil
}

// castJSONB takes a scalar out of jsonb.
func castJSONB(v Value, to Type, now time.Time) (Value, error) {
	kind := jsonb.Kind(v.B)
	switch {
	case to == Bool && (kind == 't' || kind == 'f'):
		out := Value{Type: Bool, Valid: true}
		if kind == 't' {
			out.I = 1
		}
		return out, nil
	case to != Bool && kind == '0':
		return castNumber(Value{Type: Numeric, Valid: true, B: jsonb.AppendCanonical(nil, v.B)}, to, now)
	}
	name := map[byte]string{'n': "null", '"': "string", '0': "numeric", 't': "boolean", 'f': "boolean", '[': "array", '{': "object"}[kind]
	return Value{}, errorf(codeBadParameter, "cannot cast jsonb %s to type %s", name, to)
}

func castNumber(v Value, to Type, now time.Time) (Value, error) {
	out := Value{Type: to, Valid: true}
	switch to {
	case v.Type:
		return v, nil
	case Float8:
		if v.Type == Numeric {
			return input(string(v.B), Float8, now)
		}
		out.F = float64(v.I)
	case Numeric:
		if v.Type == Float8 {
			if math.IsNaN(v.F) || math.IsInf(v.F, 0) {
				return input(string(appendFloat(nil, v.F)), Numeric, now)
			}
			return input(strconv.FormatFloat(v.F, 'g', 15, 64), Numeric, now)
		}
		out.B = strconv.AppendInt(nil, v.I, 10)
	default:
		return castInteger(v, to)
	}
	return out, nil
}

// castInteger rounds: a numeric's half away from zero, a float's to even.
func castInteger(v Value, to Type) (Value, error) {
	outOfRange := errorf(codeRange, "%s out of range", to)
	i := v.I
	switch v.Type {
	case Float8:
		f := math.RoundToEven(v.F)
		if !(f >= -(1<<63) && f < 1<<63) {
			return Value{}, outOfRange
		}
		i = int64(f)
	case Numeric:
		if !isFinite(v.B) {
			word := "infinity"
			if v.B[0] == 'N' {
				word = "NaN"
			}
			return Value{}, errorf(codeUnsupported, "cannot convert %s to %s", word, to)
		}
		d := parseDecimal(v.B)
		d.round(0)
		if !d.coef.IsInt64() {
			return Value{}, outOfRange
		}
		i = d.coef.Int64()
	}
	if to == Int4 && i != int64(int32(i)) {
		return Value{}, outOfRange
	}
	return Value{Type: to, Valid: true, I: i}, nil
}
