package query

import "math"

// bound is a range of a column's values, both ends included.
type bound struct{ from, to int64 }

var unbound = bound{math.MinInt64, math.MaxInt64}

// Range returns the ids that can be in the answer, and the order of a walk that
// needs no sorting. From is greater than To where there are none.
func (p *Program) Range() Range {
	r := AllIDs()
	r.Desc = p.desc && len(p.order) == 0 && !p.groups
	if p.key >= 0 {
		b := p.boundOf(p.key)
		r.From, r.To = max(r.From, b.from), min(r.To, b.to)
	}
	return r
}

// Bounds returns the values, both ends included, that a column of integers or
// times (in microseconds since 1970) has in every row that Match selects, so
// that blocks without any can be left out. From is greater than to where no
// row can be selected.
func (p *Program) Bounds(column string) (from, to int64) {
	b := p.boundOf(p.schema.Column(column))
	return b.from, b.to
}

func (p *Program) boundOf(col int) bound {
	if b, ok := p.bounds[col]; ok {
		return b
	}
	return unbound
}

// boundsOf reads the bounds that a condition puts on columns: those of the
// comparisons that must all hold.
func (c *compiler) boundsOf(x Expr) map[int]bound {
	out := map[int]bound{}
	c.narrow(out, x)
	return out
}

func (c *compiler) narrow(out map[int]bound, x Expr) {
	switch x := x.(type) {
	case And:
		for _, part := range x {
			c.narrow(out, part)
		}
	case Or:
		if len(x) == 1 {
			c.narrow(out, x[0])
		}
	case Test:
		col := c.schema.Column(x.Path.Column)
		if col < 0 || len(x.Path.Steps) > 0 || x.Quant != QuantNone {
			return
		}
		b, ok := c.boundOfTest(c.schema.Columns[col].Type, &x)
		if !ok {
			return
		}
		if old, ok := out[col]; ok {
			b.from, b.to = max(b.from, old.from), min(b.to, old.to)
		}
		out[col] = b
	}
}

func (c *compiler) boundOfTest(typ Type, t *Test) (bound, bool) {
	if typ != Int4 && typ != Int8 && typ != Timestamptz && typ != Timestamp && typ != Date {
		return unbound, false
	}
	if t.Op == In {
		b := bound{math.MaxInt64, math.MinInt64}
		for _, s := range t.List {
			v, err := input(s, typ, c.now)
			if err != nil {
				return b, len(t.List) == 1 && s == "" // in.() selects nothing
			}
			b.from, b.to = min(b.from, v.I), max(b.to, v.I)
		}
		return b, true
	}
	v, err := input(t.Value, typ, c.now)
	if err != nil {
		return unbound, false
	}
	b := unbound
	switch t.Op {
	case Eq:
		b.from, b.to = v.I, v.I
	case Gte:
		b.from = v.I
	case Lte:
		b.to = v.I
	case Gt:
		if v.I == math.MaxInt64 {
			return bound{math.MaxInt64, math.MinInt64}, true
		}
		b.from = v.I + 1
	case Lt:
		if v.I == math.MinInt64 {
			return bound{math.MaxInt64, math.MinInt64}, true
		}
		b.to = v.I - 1
	default:
		return unbound, false
	}
	return b, true
}
