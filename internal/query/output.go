package query

import (
	"math"
	"strconv"

	"vigil/internal/jsonb"
)

// AppendJSON appends the cell as PostgreSQL's json_agg and row_to_json print
// it: jsonb in canonical form, json as it is, times in ISO 8601, and what JSON
// has no number for as a string.
func (v Value) AppendJSON(dst []byte) []byte {
	if !v.Valid {
		return append(dst, "null"...)
	}
	switch v.Type {
	case Bool:
		return strconv.AppendBool(dst, v.I != 0)
	case Int4, Int8:
		return strconv.AppendInt(dst, v.I, 10)
	case Float8:
		if math.IsNaN(v.F) || math.IsInf(v.F, 0) {
			return append(appendFloat(append(dst, '"'), v.F), '"')
		}
		return appendFloat(dst, v.F)
	case Numeric:
		if !isFinite(v.B) {
			return jsonb.AppendString(dst, v.B)
		}
		return append(dst, v.B...)
	case Date, Timestamp, Timestamptz:
		return append(appendTime(append(dst, '"'), &v, true), '"')
	case JSON:
		return append(dst, v.B...)
	case JSONB:
		return v.appendJSONB(dst)
	case TextArray:
		dst = append(dst, '[')
		for i, s := range v.List {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = jsonb.AppendString(dst, s)
		}
		return append(dst, ']')
	}
	return jsonb.AppendString(dst, v.B)
}

// AppendText appends what the type's output function prints, which is what CSV
// has; a boolean is t or f. Null appends nothing.
func (v Value) AppendText(dst []byte) []byte {
	if !v.Valid {
		return dst
	}
	switch v.Type {
	case Bool:
		if v.I != 0 {
			return append(dst, 't')
		}
		return append(dst, 'f')
	case Int4, Int8:
		return strconv.AppendInt(dst, v.I, 10)
	case Float8:
		return appendFloat(dst, v.F)
	case Date, Timestamp, Timestamptz:
		return appendTime(dst, &v, false)
	case JSONB:
		return v.appendJSONB(dst)
	case TextArray:
		return appendArray(dst, v.List)
	}
	return append(dst, v.B...)
}

// appendFloat prints the shortest digits that read back as f, with an exponent
// where PostgreSQL has one.
func appendFloat(dst []byte, f float64) []byte {
	switch {
	case math.IsNaN(f):
		return append(dst, "NaN"...)
	case math.IsInf(f, 1):
		return append(dst, "Infinity"...)
	case math.IsInf(f, -1):
		return append(dst, "-Infinity"...)
	case f == 0:
		return strconv.AppendFloat(dst, f, 'f', -1, 64)
	}
	if abs := math.Abs(f); abs < 1e-4 || abs >= 1e15 {
		return strconv.AppendFloat(dst, f, 'e', -1, 64)
	}
	return strconv.AppendFloat(dst, f, 'f', -1, 64)
}

// AppendRow appends a row as row_to_json prints it: {"id":1,"event":{"a": 1}}.
func AppendRow(dst []byte, cols []Column, row []Value) []byte {
	dst = append(dst, '{')
	for i := range row {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = jsonb.AppendString(dst, cols[i].Name)
		dst = append(dst, ':')
		dst = row[i].AppendJSON(dst)
	}
	return append(dst, '}')
}

func (v *Value) appendJSONB(dst []byte) []byte {
	if v.Print {
		return append(dst, v.B...)
	}
	return jsonb.AppendCanonical(dst, v.B)
}
