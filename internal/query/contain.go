package query

import (
	"bytes"
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
		return func(row Row) truth {
			v := r.value(row)
			switch {
			case !v.Valid:
				return null
			case t.Op == Cs:
				return truthOf(jsonb.Contains(v.B, want))
			}
			return truthOf(jsonb.Contains(want, v.B))
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
	var want []string
	hasNull := false // null equals nothing: it is contained in nothing
	for _, e := range elements {
		hasNull = hasNull || e.null
		if !e.null {
			want = append(want, e.text)
		}
	}
	within := func(part, whole []string) bool {
		return !slices.ContainsFunc(part, func(s string) bool { return !slices.Contains(whole, s) })
	}
	return func(row Row) truth {
		v := row.Value(r.col)
		if !v.Valid {
			return null
		}
		switch t.Op {
		case Cs:
			return truthOf(!hasNull && within(want, v.List))
		case Cd:
			return truthOf(within(v.List, want))
		}
		return truthOf(slices.ContainsFunc(want, func(s string) bool { return slices.Contains(v.List, s) }))
	}, nil
}

func isJSONNull(doc []byte) bool { return jsonb.Kind(doc) == 'n' }

func upperASCII(s string) string { return string(bytes.ToUpper([]byte(s))) }
