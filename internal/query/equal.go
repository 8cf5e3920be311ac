package query

import "slices"

// EqualQuery says whether two queries ask the same in the same way: nil and
// empty lists are equal, and so are an And of nothing and no condition.
func EqualQuery(a, b *Query) bool {
	return a.Table == b.Table && slices.EqualFunc(a.Select, b.Select, equalItem) && EqualExpr(a.Where, b.Where) &&
		slices.EqualFunc(a.Order, b.Order, equalOrder) && max(a.Limit, -1) == max(b.Limit, -1) && a.Offset == b.Offset
}

func equalItem(a, b Item) bool {
	return a.Star == b.Star && equalPath(a.Path, b.Path) && a.Alias == b.Alias && a.Cast == b.Cast && a.Agg == b.Agg && a.AggCast == b.AggCast &&
		a.Embed == b.Embed && a.Spread == b.Spread && slices.EqualFunc(a.Items, b.Items, equalItem)
}

func equalOrder(a, b Order) bool {
	return equalPath(a.Path, b.Path) && a.Desc == b.Desc && a.Nulls == b.Nulls
}

// EqualExpr says whether two conditions are written alike.
func EqualExpr(a, b Expr) bool {
	if isNothing(a) || isNothing(b) {
		return isNothing(a) && isNothing(b)
	}
	switch x := a.(type) {
	case And:
		y, ok := b.(And)
		return ok && slices.EqualFunc(x, y, EqualExpr)
	case Or:
		y, ok := b.(Or)
		return ok && slices.EqualFunc(x, y, EqualExpr)
	case Not:
		y, ok := b.(Not)
		return ok && EqualExpr(x.X, y.X)
	case Test:
		y, ok := b.(Test)
		return ok && equalPath(x.Path, y.Path) && x.Op == y.Op && x.Quant == y.Quant && x.Value == y.Value && slices.Equal(listOf(x), listOf(y)) && x.Lang == y.Lang
	}
	return false
}

// isNothing says whether a condition always holds because it says nothing.
func isNothing(x Expr) bool {
	and, ok := x.(And)
	return x == nil || ok && len(and) == 0
}

// listOf returns the operands of In: one empty operand is none.
func listOf(t Test) []string {
	if len(t.List) == 1 && t.List[0] == "" {
		return nil
	}
	return t.List
}
