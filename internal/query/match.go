package query

import (
	"bytes"
	"context"
	"strings"

	"vigil/internal/jsonb"
)

// matcher holds the value of a path against operands. Of its two functions one
// is set: text where the values are of type Text, so that nothing is copied
// for them, else value. Both may end early, with any answer, when ctx does.
type matcher struct {
	text  func(ctx context.Context, s []byte, valid bool) truth
	value func(ctx context.Context, v Value) truth
}

// over returns the condition that the matcher makes of a path.
func (m matcher) over(r *ref) cond {
	if m.text != nil {
		return func(ctx context.Context, row Row) truth {
			s, valid := r.text(row)
			return m.text(ctx, s, valid)
		}
	}
	return func(ctx context.Context, row Row) truth { return m.value(ctx, r.value(row)) }
}

// matcher compiles the comparison t of values of type typ.
func (c *compiler) matcher(typ Type, t *Test) (matcher, error) {
	switch t.Op {
	case Eq, Neq, Gt, Gte, Lt, Lte, IsDistinct, Like, ILike, Match, IMatch:
		switch {
		case t.Quant != QuantNone:
			return c.quantified(typ, t)
		case typ == Text:
			f, err := textTest(t.Op, t.Value)
			if err != nil {
				return matcher{}, err
			}
			return matcher{text: nullable(t.Op, f)}, nil
		default:
			return c.single(typ, t.Op, t.Value)
		}
	case In:
		return c.in(typ, t.List)
	case FTS, PlFTS, PhFTS, WFTS:
		return compileTextSearch(typ, t)
	}
	return matcher{}, noOperator(typ, t.Op)
}

// nullable makes a test of texts three-valued.
func nullable(op Op, f textFunc) func(context.Context, []byte, bool) truth {
	missing := null
	if op == IsDistinct {
		missing = yes
	}
	return func(ctx context.Context, s []byte, valid bool) truth {
		if !valid {
			return missing
		}
		return truthOf(f(ctx, s))
	}
}

// textFunc is a test of a text. It may end early, with any answer, when ctx does.
type textFunc func(context.Context, []byte) bool

// textTest compiles a comparison of texts with collation "C".
func textTest(op Op, operand string) (textFunc, error) {
	switch op {
	case Like, ILike:
		f, err := compileLike(strings.ReplaceAll(operand, "*", "%"), op == ILike)
		return func(_ context.Context, s []byte) bool { return f(s) }, err
	case Match, IMatch:
		return compileRegex(operand, op == IMatch)
	case Eq:
		return func(_ context.Context, s []byte) bool { return string(s) == operand }, nil
	case Neq, IsDistinct:
		return func(_ context.Context, s []byte) bool { return string(s) != operand }, nil
	}
	want, b := holds(op), []byte(operand)
	return func(_ context.Context, s []byte) bool { return want(bytes.Compare(s, b)) }, nil
}

// holds returns which results of a comparison satisfy an operator of order.
func holds(op Op) func(int) bool {
	switch op {
	case Gt:
		return func(d int) bool { return d > 0 }
	case Gte:
		return func(d int) bool { return d >= 0 }
	case Lt:
		return func(d int) bool { return d < 0 }
	case Lte:
		return func(d int) bool { return d <= 0 }
	case Neq, IsDistinct:
		return func(d int) bool { return d != 0 }
	}
	return func(d int) bool { return d == 0 }
}

// single compiles a comparison with one operand of a type that is not Text.
func (c *compiler) single(typ Type, op Op, operand string) (matcher, error) {
	if err := operatorExists(typ, op); err != nil {
		return matcher{}, err
	}
	want, err := input(operand, typ, c.now)
	if err != nil {
		return matcher{}, err
	}
	f := valueTest(op, want)
	missing := null
	if op == IsDistinct {
		missing = yes
	}
	return matcher{value: func(_ context.Context, v Value) truth {
		if !v.Valid {
			return missing
		}
		return truthOf(f(v))
	}}, nil
}

// valueTest compares with a value of the same type.
func valueTest(op Op, want Value) func(Value) bool {
	if want.Type == JSONB {
		switch op {
		case Eq:
			return func(v Value) bool { return jsonb.Equal(v.B, want.B) }
		case Neq, IsDistinct:
			return func(v Value) bool { return !jsonb.Equal(v.B, want.B) }
		}
	}
	ok := holds(op)
	return func(v Value) bool { return ok(compareValues(&v, &want)) }
}

// comparable says whether the type has an order.
func comparable(t Type) bool { return t != JSON && t != Unknown }

// in compiles = ANY over a list.
func (c *compiler) in(typ Type, list []string) (matcher, error) {
	if len(list) == 1 && list[0] == "" {
		list = nil // PostgREST's in.()
	}
	if typ == TextArray {
		return matcher{}, errorf(codeNoType, "could not find array type for data type text[]")
	}
	if typ == Text {
		set := make(map[string]struct{}, len(list))
		for _, s := range list {
			set[s] = struct{}{}
		}
		return matcher{text: func(_ context.Context, s []byte, valid bool) truth {
			if !valid {
				return nullUnlessEmpty(len(set))
			}
			_, ok := set[string(s)]
			return truthOf(ok)
		}}, nil
	}
	if !comparable(typ) {
		return matcher{}, noOperator(typ, In)
	}
	wants := make([]func(Value) bool, len(list))
	for i, s := range list {
		v, err := input(s, typ, c.now)
		if err != nil {
			return matcher{}, err
		}
		wants[i] = valueTest(Eq, v)
	}
	return matcher{value: func(ctx context.Context, v Value) truth {
		if !v.Valid {
			return nullUnlessEmpty(len(wants))
		}
		for i, f := range wants {
			if f(v) {
				return yes
			}
			if ended(ctx, i) {
				break
			}
		}
		return no
	}}, nil
}

// nullUnlessEmpty is what null = ANY gives: false, if there is nothing to compare with.
func nullUnlessEmpty(operands int) truth {
	if operands == 0 {
		return no
	}
	return null
}

// quantified compiles op ANY and op ALL over an array literal.
func (c *compiler) quantified(typ Type, t *Test) (matcher, error) {
	if err := operatorExists(typ, t.Op); err != nil {
		return matcher{}, err
	}
	if typ == TextArray {
		return matcher{}, errorf(codeNoType, "could not find array type for data type text[]")
	}
	array, err := parseArray(t.Value)
	if err != nil {
		return matcher{}, err
	}
	tests := make([]matcher, 0, len(array))
	hasNull := false
	for _, e := range array {
		if e.null {
			hasNull = true
			continue
		}
		m, err := c.matcher(typ, &Test{Op: t.Op, Value: e.text})
		if err != nil {
			return matcher{}, err
		}
		tests = append(tests, m)
	}
	q := quantifier{all: t.Quant == QuantAll, null: hasNull, empty: len(array) == 0}
	if typ == Text {
		return matcher{text: func(ctx context.Context, s []byte, valid bool) truth {
			return q.over(ctx, len(tests), func(i int) truth { return tests[i].text(ctx, s, valid) }, valid)
		}}, nil
	}
	return matcher{value: func(ctx context.Context, v Value) truth {
		return q.over(ctx, len(tests), func(i int) truth { return tests[i].value(ctx, v) }, v.Valid)
	}}, nil
}

// operatorExists says whether the type has a comparison, whatever its operand.
func operatorExists(typ Type, op Op) error {
	pattern := op == Like || op == ILike || op == Match || op == IMatch
	if pattern && typ != Text || !comparable(typ) {
		return noOperator(typ, op)
	}
	return nil
}

// quantifier folds the results of several comparisons.
type quantifier struct {
	all   bool // AND and not OR
	null  bool // one operand is null
	empty bool // there are no operands
}

func (q quantifier) over(ctx context.Context, n int, test func(int) truth, valid bool) truth {
	if q.empty {
		return truthOf(q.all)
	}
	if !valid {
		return null
	}
	decided := yes
	if q.all {
		decided = no
	}
	result := -decided
	if q.null {
		result = null
	}
	for i := range n {
		switch t := test(i); t {
		case decided:
			return decided
		case null:
			result = null
		}
		if ended(ctx, i) {
			break
		}
	}
	return result
}
