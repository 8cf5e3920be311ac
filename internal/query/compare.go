package query

import (
	"bytes"
	"cmp"
	"slices"

	"vigil/internal/jsonb"
)

// compareValues orders two values of one type, neither of them null.
func compareValues(a, b *Value) int {
	switch a.Type {
	case Bool, Int4, Int8, Date, Timestamp, Timestamptz:
		return cmp.Compare(a.I, b.I)
	case Float8:
		return compareFloats(a.F, b.F)
	case Numeric:
		return compareNumerics(a.B, b.B)
	case JSONB:
		return jsonb.Compare(a.B, b.B)
	case TextArray:
		return slices.Compare(a.List, b.List)
	}
	return bytes.Compare(a.B, b.B)
}

func compareNumerics(a, b []byte) int {
	if isFinite(a) && isFinite(b) {
		return jsonb.CompareNumbers(a, b)
	}
	return specialRank(a) - specialRank(b)
}
