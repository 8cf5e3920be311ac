package query

import "slices"

// item is one cell of the answer: a value of the row, or an aggregate over it.
type item struct {
	path    Path
	ref     ref
	count   bool     // count() over rows, without a path
	cast    castFunc // nil for none
	agg     Agg
	argType Type // what is aggregated, behind the cast
	aggCast castFunc
	group   int // place of the value among the group's, where there are aggregates
}

// compileSelect resolves the projection; nothing is *.
func (p *Program) compileSelect(c *compiler, items []Item) error {
	if len(items) == 0 {
		items = []Item{{Star: true}}
	}
	for i := range items {
		it := &items[i]
		switch {
		case it.Embed != "":
			e := errorf("PGRST200", "Could not find a relationship between '%s' and '%s' in the schema cache", c.schema.Table, cut(it.Embed))
			e.Details = "This store knows no relations."
			return e
		case it.Star:
			for j := range c.schema.Columns {
				if col := &c.schema.Columns[j]; !col.System {
					p.items = append(p.items, item{path: Path{Column: col.Name}, ref: ref{col: j, typ: col.Type}})
					p.columns = append(p.columns, Column{Name: col.Name, Type: col.Type})
				}
			}
		default:
			if err := p.compileItem(c, it); err != nil {
				return err
			}
		}
	}
	p.groups = slices.ContainsFunc(p.items, func(it item) bool { return it.agg != AggNone })
	if p.groups {
		p.numberGroups()
	}
	return nil
}

func (p *Program) compileItem(c *compiler, it *Item) error {
	out := item{path: it.Path, agg: it.Agg}
	typ := Int8
	for _, name := range []string{it.AggCast, it.Cast} { // PostgreSQL looks for types before columns
		if _, err := castType(name); name != "" && err != nil {
			return err
		}
	}
	if it.Path.Column == "" {
		if it.Agg != AggCount {
			return noFunction(it.Agg.String() + "()")
		}
		out.count = true
	} else {
		var err error
		if out.ref, err = c.schema.resolve(it.Path); err != nil {
			return err
		}
		typ = out.ref.typ
		if out.cast, typ, err = c.cast(typ, it.Cast); err != nil {
			return err
		}
	}
	if it.Agg != AggNone {
		var err error
		out.argType = typ
		if typ, err = aggregateType(it.Agg, typ); err != nil {
			return err
		}
		if out.aggCast, typ, err = c.cast(typ, it.AggCast); err != nil {
			return err
		}
	}
	p.items = append(p.items, out)
	p.columns = append(p.columns, Column{Name: it.Name(), Type: typ})
	return nil
}

// cast returns the cast that a query names, nil for none, and the type it gives.
func (c *compiler) cast(from Type, name string) (castFunc, Type, error) {
	if name == "" {
		return nil, from, nil
	}
	to, err := castType(name)
	if err != nil {
		return nil, from, err
	}
	f, err := castTo(from, to, c.now)
	return f, to, err
}

// numberGroups gives each value that is grouped by its place; the same path
// twice is one value, whatever it is cast to.
func (p *Program) numberGroups() {
	n := 0
	for i := range p.items {
		it := &p.items[i]
		if it.agg != AggNone {
			continue
		}
		same := slices.IndexFunc(p.items[:i], func(o item) bool { return o.agg == AggNone && equalPath(o.path, it.path) })
		if same >= 0 {
			it.group = p.items[same].group
			continue
		}
		it.group = n
		n++
	}
}

// value is the cell for a row.
func (it *item) value(r Row) (Value, error) {
	v := it.ref.value(r)
	if it.cast == nil {
		return v, nil
	}
	return applyCast(it.cast, v)
}

// applyCast leaves null as it is.
func applyCast(f castFunc, v Value) (Value, error) {
	if f == nil || !v.Valid {
		return v, nil
	}
	return f(v)
}

func noFunction(signature string) error {
	e := errorf(codeNoFunction, "function %s does not exist", signature)
	e.Hint = hintFunction
	return e
}
