package query

import (
	"context"
	"iter"
	"math"
	"math/big"
	"math/bits"
	"slices"
)

// aggregateType returns the type that an aggregate gives over values of type t.
func aggregateType(a Agg, t Type) (Type, error) {
	switch a {
	case AggCount:
		return Int8, nil
	case AggSum:
		switch t {
		case Int4:
			return Int8, nil
		case Int8, Numeric:
			return Numeric, nil
		case Float8:
			return Float8, nil
		}
	case AggAvg:
		switch t {
		case Int4, Int8, Numeric:
			return Numeric, nil
		case Float8:
			return Float8, nil
		}
	case AggMin, AggMax:
		switch t {
		case Int4, Int8, Float8, Numeric, Text, Date, Timestamp, Timestamptz, TextArray:
			return t, nil
		}
	}
	return Unknown, noFunction(a.String() + "(" + t.String() + ")")
}

// accumulator computes one aggregate of one group.
type accumulator interface {
	// add takes a value, and returns by how many bytes what is held has grown.
	add(v Value) (grown int)
	result() (Value, error)
}

func (it *item) accumulator() accumulator {
	switch it.agg {
	case AggMin:
		return &extreme{keep: -1}
	case AggMax:
		return &extreme{keep: 1}
	case AggSum, AggAvg:
		avg := it.agg == AggAvg
		if it.argType == Float8 {
			return &floatSum{avg: avg}
		}
		return &sum{typ: it.argType, avg: avg}
	}
	return new(counter)
}

type counter int64

func (c *counter) add(Value) int {
	*c++
	return 0
}

func (c *counter) result() (Value, error) {
	return Value{Type: Int8, Valid: true, I: int64(*c)}, nil
}

// extreme is min and max; keep is the sign of a better value's comparison.
type extreme struct {
	keep int
	best Value
}

func (e *extreme) add(v Value) (grown int) {
	// Of equal values that print differently PostgreSQL keeps the later one.
	if !e.best.Valid || compareValues(&v, &e.best)*e.keep >= 0 {
		grown = v.held() - e.best.held()
		e.best = v.clone()
	}
	return grown
}

func (e *extreme) result() (Value, error) { return e.best, nil }

type floatSum struct {
	avg      bool
	n        int64
	sum      float64
	squares  float64 // of the differences from the average
	overflow bool
}

// add adds a value. As float8_accum in PostgreSQL's float.c, which knows how
// variances come with averages, it overflows also where the squares do.
func (f *floatSum) add(v Value) int {
	before := f.sum
	f.n++
	f.sum += v.F
	infinite := math.IsInf(f.sum, 0)
	switch {
	case !f.avg:
	case f.n > 1:
		d := v.F*float64(f.n) - f.sum
		f.squares += d * d / (float64(f.n) * float64(f.n-1))
		infinite = infinite || math.IsInf(f.squares, 0)
	case math.IsNaN(v.F) || infinite:
		f.squares = math.NaN()
	}
	if infinite {
		f.overflow = f.overflow || !math.IsInf(before, 0) && !math.IsInf(v.F, 0)
		f.squares = math.NaN()
	}
	return 0
}

func (f *floatSum) result() (Value, error) {
	if f.overflow {
		return Value{}, errorf(codeRange, "value out of range: overflow")
	}
	v := Value{Type: Float8, Valid: f.n > 0, F: f.sum}
	if f.avg && v.Valid {
		v.F /= float64(f.n)
	}
	return v, nil
}

// sum is sum and avg of integers and numerics, exactly.
type sum struct {
	typ     Type
	avg     bool
	n       int64
	small   int64 // not yet in total
	total   decimal
	special []byte // what the result is once some value is not a number
}

func (s *sum) add(v Value) int {
	s.n++
	if s.total.coef == nil {
		s.total.coef = new(big.Int)
	}
	if v.Type == Numeric {
		before := cap(s.total.coef.Bits())
		s.addNumeric(v.B)
		return (cap(s.total.coef.Bits()) - before) * bits.UintSize / 8
	}
	if t := s.small + v.I; (t > s.small) == (v.I > 0) {
		s.small = t
		return 0
	}
	s.flush()
	s.small = v.I
	return 0
}

func (s *sum) addNumeric(text []byte) {
	switch {
	case isFinite(text):
		s.total.add(parseDecimal(text))
	case s.special == nil || string(s.special) == string(text):
		s.special = slices.Clone(text)
	default: // Infinity - Infinity, or anything and NaN
		s.special = []byte("NaN")
	}
}

func (s *sum) flush() {
	s.total.add(decimal{coef: big.NewInt(s.small)})
	s.small = 0
}

func (s *sum) result() (Value, error) {
	v := Value{Type: Numeric, Valid: s.n > 0}
	switch {
	case !v.Valid:
		if !s.avg && s.typ == Int4 {
			v.Type = Int8
		}
		return v, nil
	case s.special != nil:
		v.B = s.special
		return v, nil
	}
	s.flush()
	if s.total.overflows() {
		return v, errorf(codeRange, "value overflows numeric format")
	}
	if s.avg {
		d := s.total.divide(s.n)
		v.B = d.appendTo(nil)
		return v, nil
	}
	if s.typ == Int4 { // of fewer than 2^31 rows: it fits
		return Value{Type: Int8, Valid: true, I: s.total.coef.Int64()}, nil
	}
	v.B = s.total.appendTo(nil)
	return v, nil
}

// group is the state of one row of a grouped answer.
type group struct {
	values []Value // what is grouped by
	keys   []sortKey
	accs   []accumulator // one for each item, nil for what is grouped by
}

// aggregate answers a query with aggregates: one row for each group, in the
// order asked for, else in that of each group's first row.
func (p *Program) aggregate(ctx context.Context, src Source) iter.Seq2[[]Value, error] {
	return func(yield func([]Value, error) bool) {
		if p.limit == 0 {
			return
		}
		groups, err := p.collect(ctx, src)
		if err != nil {
			yield(nil, err)
			return
		}
		if len(p.order) > 0 {
			slices.SortStableFunc(groups, p.compareGroups)
		}
		groups = groups[min(p.offset, int64(len(groups))):]
		if p.limit >= 0 {
			groups = groups[:min(p.limit, int64(len(groups)))]
		}
		cells := make([]Value, len(p.items))
		for _, g := range groups {
			if err := p.finish(g, cells); err != nil {
				yield(nil, err)
				return
			}
			if !yield(cells, nil) {
				return
			}
		}
	}
}

// collect reads all rows into their groups.
func (p *Program) collect(ctx context.Context, src Source) ([]*group, error) {
	byKey := map[string]*group{}
	var order []*group
	var key []byte
	size := 0
	by := p.groupItems()
	if len(by) == 0 { // aggregates alone have a row even over nothing
		g := p.newGroup(nil)
		byKey[""], order = g, append(order, g)
	}
	values := make([]Value, len(by))
	for row, err := range p.scan(ctx, src) {
		if err != nil {
			return nil, err
		}
		key = key[:0]
		for i, it := range by {
			values[i] = it.ref.value(row)
			key = appendGroupKey(key, &values[i])
		}
		g := byKey[string(key)]
		if g == nil {
			g = p.newGroup(values)
			byKey[string(key)], order = g, append(order, g)
			size += 2*len(key) + 256
		}
		grown, err := p.addRow(g, row)
		if err != nil {
			return nil, err
		}
		if size += grown; size > maxHeld {
			e := errorf(codeMemory, "out of memory")
			e.Details = "The answer has too many groups for this store."
			return nil, e
		}
	}
	return order, nil
}

// groupItems returns, for each value that is grouped by, an item with its path.
func (p *Program) groupItems() []*item {
	var by []*item
	for i := range p.items {
		if it := &p.items[i]; it.agg == AggNone && it.group == len(by) {
			by = append(by, it)
		}
	}
	return by
}

func (p *Program) newGroup(values []Value) *group {
	g := &group{accs: make([]accumulator, len(p.items)), values: make([]Value, len(values))}
	for i := range values {
		g.values[i] = values[i].clone()
	}
	for i := range p.items {
		if it := &p.items[i]; it.agg != AggNone {
			g.accs[i] = it.accumulator()
		}
	}
	for i := range p.order {
		g.keys = append(g.keys, keyOf(&g.values[p.order[i].group])) // of values that are the group's own
	}
	return g
}

// addRow adds a row to its group and returns by how many bytes that has grown.
func (p *Program) addRow(g *group, row Row) (grown int, err error) {
	for i, acc := range g.accs {
		if acc == nil {
			continue
		}
		it := &p.items[i]
		if it.count {
			grown += acc.add(Value{})
			continue
		}
		v, err := it.value(row)
		if err != nil {
			return grown, err
		}
		if v.Valid {
			grown += acc.add(v)
		}
	}
	return grown, nil
}

func (p *Program) compareGroups(a, b *group) int {
	for i := range p.order {
		if d := p.order[i].compareKeys(&a.keys[i], &b.keys[i]); d != 0 {
			return d
		}
	}
	return 0
}

// finish computes the cells of a group.
func (p *Program) finish(g *group, cells []Value) (err error) {
	for i := range p.items {
		it := &p.items[i]
		if it.agg == AggNone {
			cells[i], err = applyCast(it.cast, g.values[it.group])
		} else {
			var v Value
			if v, err = g.accs[i].result(); err == nil {
				cells[i], err = applyCast(it.aggCast, v)
			}
		}
		if err != nil {
			return err
		}
	}
	return nil
}
