package query

import (
	"bytes"
	"cmp"
	"context"
	"iter"
	"math"
	"slices"
	"strings"
	"unsafe"

	"vigil/internal/jsonb"
)

// orderBy is one term of the order.
type orderBy struct {
	ref        ref
	desc       bool
	nullsFirst bool
	group      int // where there are aggregates: which value of the group
}

// compileOrder resolves the order. What follows the row's id decides nothing,
// and an order by id alone is the order of the scan.
func (p *Program) compileOrder(c *compiler, terms []Order) error {
	decided := false // the id has come: what follows is only checked
	for _, o := range terms {
		r, err := c.schema.resolve(o.Path)
		if err != nil {
			return err
		}
		if !comparable(r.typ) {
			e := errorf(codeNoFunction, "could not identify an ordering operator for type %s", r.typ)
			e.Hint = "Use an explicit ordering operator or modify the query."
			return e
		}
		by := orderBy{ref: r, desc: o.Desc, nullsFirst: o.Nulls == NullsFirst || o.Nulls == NullsDefault && o.Desc}
		if p.groups {
			if by.group, err = p.groupOf(c.schema, o.Path); err != nil {
				return err
			}
		} else if r.col == p.key && len(r.steps) == 0 && !decided {
			p.desc, decided = o.Desc, true
		}
		if !decided {
			p.order = append(p.order, by)
		}
	}
	return nil
}

// groupOf finds the value of the group that a path names.
func (p *Program) groupOf(s *Schema, path Path) (int, error) {
	for i := range p.items {
		if it := &p.items[i]; it.agg == AggNone && equalPath(it.path, path) {
			return it.group, nil
		}
	}
	return 0, errorf(codeGrouping, "column \"%s.%s\" must appear in the GROUP BY clause or be used in an aggregate function", s.Table, cut(path.Column))
}

// maxHeld bounds, in bytes, what the sort keys of one answer, or the groups, take
// in memory. PostgreSQL would go on on its disk.
const maxHeld = 256 << 20

// sortKey is a value in a form that is small and compares by num and then by text.
type sortKey struct {
	null bool
	num  int64
	text string
}

// keyOf makes the key of a value, whose bytes it shares: see [sortKey.clone].
// For jsonb the text is the JSON as it is written: nothing is printed.
func keyOf(v *Value) sortKey {
	k := sortKey{null: !v.Valid}
	if k.null {
		return k
	}
	switch v.Type {
	case Bool, Int4, Int8, Date, Timestamp, Timestamptz:
		k.num = v.I
	case Float8:
		k.num = floatKey(v.F)
	case TextArray:
		var b []byte
		for _, s := range v.List {
			b = append(append(b, s...), 0) // no text has a NUL
		}
		k.text = string(b)
	default:
		k.text = unsafe.String(unsafe.SliceData(v.B), len(v.B))
	}
	return k
}

// clone makes a key keep nothing but itself in memory: the bytes of a value may
// be within a whole block of rows.
func (k sortKey) clone() sortKey {
	k.text = strings.Clone(k.text)
	return k
}

// floatKey maps floats to integers in PostgreSQL's order.
func floatKey(f float64) int64 {
	switch {
	case math.IsNaN(f):
		return math.MaxInt64
	case f == 0:
		return 0
	}
	if i := int64(math.Float64bits(f)); i >= 0 {
		return i
	}
	return -int64(math.Float64bits(-f))
}

// compareKeys compares two keys of the term, its direction and nulls minded.
func (o *orderBy) compareKeys(a, b *sortKey) int {
	if a.null || b.null {
		switch {
		case a.null && b.null:
			return 0
		case a.null == o.nullsFirst:
			return -1
		}
		return 1
	}
	d := 0
	switch o.ref.typ {
	case JSONB:
		d = jsonb.Compare(bytesOf(a.text), bytesOf(b.text))
	case Numeric:
		d = compareNumerics(bytesOf(a.text), bytesOf(b.text))
	default:
		if d = cmp.Compare(a.num, b.num); d == 0 {
			d = cmp.Compare(a.text, b.text)
		}
	}
	if o.desc {
		return -d
	}
	return d
}

// entry is a row in a sort: its keys, and its id to fetch it by. Where rows
// have no id it holds the row itself.
type entry struct {
	keys []sortKey
	id   int64
	row  Row
}

// sorter collects rows in order, at most keep of the first.
type sorter struct {
	p       *Program
	keep    int64 // negative for all
	max     int   // bytes that may be held
	entries []entry
	texts   int   // bytes that entries hold besides themselves and their keys
	n       int64 // rows seen: stands for the id where there is none
	probe   entry // of the row in hand, not kept yet
	// Ended says, once in a while, that the rest of the order does not matter.
	ended    func() bool
	compared int
}

func (s *sorter) compare(a, b *entry) int {
	if s.compared++; s.compared%4096 == 0 && s.ended() {
		s.compared-- // now all are equal, and the sort is over soon
		return 0
	}
	for i := range s.p.order {
		if d := s.p.order[i].compareKeys(&a.keys[i], &b.keys[i]); d != 0 {
			return d
		}
	}
	if s.p.desc {
		return cmp.Compare(b.id, a.id)
	}
	return cmp.Compare(a.id, b.id)
}

func (s *sorter) add(row Row) error {
	if s.probe.keys == nil {
		s.probe.keys = make([]sortKey, len(s.p.order))
	}
	for i := range s.p.order {
		v := s.p.order[i].ref.value(row)
		s.probe.keys[i] = keyOf(&v)
	}
	if s.n++; s.p.key >= 0 {
		s.probe.id = row.Value(s.p.key).I
	} else {
		s.probe.id, s.probe.row = s.n, row
	}
	s.push()
	if s.held() > s.max {
		e := errorf(codeMemory, "out of memory")
		e.Details = "The order needs more memory than this store gives one query."
		e.Hint = "Add a limit, or a filter that leaves fewer rows."
		return e
	}
	return nil
}

// push keeps the probe if it is one of the first. The entries are a heap with
// the last one on top, once there are as many as are kept.
func (s *sorter) push() {
	if s.keep < 0 || int64(len(s.entries)) < s.keep {
		s.texts += s.probe.size(s.p)
		s.entries = append(s.entries, s.probe.clone(nil))
		if int64(len(s.entries)) == s.keep {
			for i := len(s.entries)/2 - 1; i >= 0; i-- {
				s.down(i)
			}
		}
		return
	}
	if last := &s.entries[0]; s.compare(&s.probe, last) < 0 {
		s.texts += s.probe.size(s.p) - last.size(s.p)
		*last = s.probe.clone(last.keys)
		s.down(0)
	}
}

// held returns how many bytes the entries take.
func (s *sorter) held() int {
	const entrySize, keySize = int(unsafe.Sizeof(entry{})), int(unsafe.Sizeof(sortKey{}))
	return cap(s.entries)*entrySize + len(s.entries)*len(s.p.order)*keySize + s.texts
}

// clone returns an entry that is to be kept, with its keys in keys if that is
// not nil.
func (e *entry) clone(keys []sortKey) entry {
	out := entry{id: e.id, row: e.row, keys: keys}
	if keys == nil {
		out.keys = make([]sortKey, len(e.keys))
	}
	for i := range e.keys {
		out.keys[i] = e.keys[i].clone()
	}
	return out
}

// size returns how many bytes an entry holds besides itself and its keys. A row
// is counted by its values.
func (e *entry) size(p *Program) int {
	n := 0
	for i := range e.keys {
		n += len(e.keys[i].text)
	}
	if e.row == nil {
		return n
	}
	for i := range p.schema.Columns {
		v := e.row.Value(i)
		n += int(unsafe.Sizeof(v)) + v.held()
	}
	return n
}

func (s *sorter) down(i int) {
	h := s.entries
	for {
		child := 2*i + 1
		if child >= len(h) {
			return
		}
		if child+1 < len(h) && s.compare(&h[child+1], &h[child]) > 0 {
			child++
		}
		if s.compare(&h[i], &h[child]) >= 0 {
			return
		}
		h[i], h[child] = h[child], h[i]
		i = child
	}
}

// fetchSize is how many rows of a sorted answer are asked for at once.
const fetchSize = 256

// sorted streams the rows in an order that is not that of ids.
func (p *Program) sorted(ctx context.Context, src Source) iter.Seq2[Row, error] {
	return func(yield func(Row, error) bool) {
		s := sorter{p: p, keep: -1, max: maxHeld, ended: func() bool { return ctx.Err() != nil }}
		if p.limit >= 0 && p.offset <= math.MaxInt64-p.limit {
			s.keep = p.limit + p.offset
		}
		for row, err := range p.scan(ctx, src) {
			if err == nil {
				err = s.add(row)
			}
			if err != nil {
				yield(nil, err)
				return
			}
		}
		slices.SortFunc(s.entries, func(a, b entry) int { return s.compare(&a, &b) })
		if err := ctx.Err(); err != nil {
			yield(nil, err)
			return
		}
		s.entries = s.entries[min(p.offset, int64(len(s.entries))):]
		if p.key < 0 {
			for _, e := range s.entries {
				if !yield(e.row, nil) {
					return
				}
			}
			return
		}
		ids := make([]int64, len(s.entries))
		for i := range s.entries {
			ids[i] = s.entries[i].id
		}
		s.entries = nil // the keys may go while the rows are read
		fetch(ctx, src, ids, yield)
	}
}

func fetch(ctx context.Context, src Source, ids []int64, yield func(Row, error) bool) {
	for part := range slices.Chunk(ids, fetchSize) {
		for row, err := range src.Fetch(ctx, part) {
			if !yield(row, err) || err != nil {
				return
			}
		}
	}
}

// appendGroupKey appends bytes that are the same for equal values of a type,
// and for no others.
func appendGroupKey(dst []byte, v *Value) []byte {
	if !v.Valid {
		return append(dst, 0)
	}
	k := keyOf(v)
	switch v.Type {
	case JSONB:
		k.text = string(jsonb.AppendKey(nil, v.B))
	case Numeric:
		if isFinite(v.B) {
			k.text = string(jsonb.AppendKey(nil, v.B))
		}
	}
	dst = append(dst, 1)
	for i := range 8 {
		dst = append(dst, byte(uint64(k.num)>>(8*i)))
	}
	dst = append(dst, byte(len(k.text)), byte(len(k.text)>>8), byte(len(k.text)>>16), byte(len(k.text)>>24))
	return append(dst, k.text...)
}

// equalPath says whether two paths name the same value.
func equalPath(a, b Path) bool {
	return a.Column == b.Column && slices.EqualFunc(a.Steps, b.Steps, func(x, y Step) bool {
		if x.IsIndex || y.IsIndex {
			return x.IsIndex == y.IsIndex && x.Index == y.Index && x.Text == y.Text
		}
		return x.Key == y.Key && x.Text == y.Text
	})
}

// held returns how many bytes the value keeps in memory besides itself.
func (v Value) held() int {
	n := len(v.B)
	for _, s := range v.List {
		n += int(unsafe.Sizeof(s)) + len(s)
	}
	return n
}

// clone makes a value keep nothing but itself in memory.
func (v Value) clone() Value {
	v.B = bytes.Clone(v.B)
	v.List = slices.Clone(v.List)
	return v
}
