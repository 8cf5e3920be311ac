package query

import (
	"bytes"
	"context"
	"slices"

	"vigil/internal/jsonb"
)

// containment compiles cs, cd and ov: @>, <@ and &&.
func (c *compiler) containment(r *ref, t *Test) (cond, error) {
	switch {
	case r.typ == JSONB && t.Op != Ov:
		operand, err := input(t.Value, JSONB, c.now)
		if err != nil {
			return nil, err
		}
		want := operand.B
		return func(ctx context.Context, row Row) truth {
			v := r.value(row)
			stop := func() bool { return ctx.Err() != nil }
			switch {
			case !v.Valid:
				return null
			case t.Op == Cs:
				return truthOf(jsonb.ContainsUntil(v.B, want, stop))
			}
			return truthOf(jsonb.ContainsUntil(want, v.B, stop))
		}, nil
	case r.typ == TextArray:
		return arrayContainment(r, t)
	}
	return nil, noOperator(r.typ, t.Op)
}

func arrayContainment(r *ref, t *Test) (cond, error) {
	elements, err := parseArray(t.Value)
	if err != nil {
		return nil, err
	}
	want := map[string]bool{}
	hasNull := false // null equals nothing: it is contained in nothing
	for _, e := range elements {
		hasNull = hasNull || e.null
		if !e.null {
			want[e.text] = true
		}
	}
	wanted := func(s string) bool { return want[s] }
	return func(_ context.Context, row Row) truth {
		v := row.Value(r.col)
		if !v.Valid {
			return null
		}
		switch t.Op {
		case Cs:
			return truthOf(!hasNull && hasAll(v.List, want))
		case Cd:
			return truthOf(!slices.ContainsFunc(v.List, func(s string) bool { return !want[s] }))
		}
		return truthOf(slices.ContainsFunc(v.List, wanted))
	}, nil
}

// hasAll says whether all that is wanted is in the list.
func hasAll(list []string, want map[string]bool) bool {
	if len(want) > len(list) {
		return false
	}
	if len(want) == 1 { // most often: nothing is to be remembered
		return slices.ContainsFunc(list, func(s string) bool { return want[s] })
	}
	found := make(map[string]bool, len(want))
	for _, s := range list {
		if want[s] {
			found[s] = true
		}
	}
	return len(found) == len(want)
}

func isJSONNull(doc []byte) bool { return jsonb.Kind(doc) == 'n' }

func upperASCII(s string) string { return string(bytes.ToUpper([]byte(s))) }
