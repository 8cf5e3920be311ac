package segment

import (
	"cmp"
	"context"
	"errors"
	"iter"
	"os"
	"runtime"
	"sort"
	"sync"
	"time"

	"vigil"
	"vigil/internal/query"
	"vigil/internal/store"
	"vigil/internal/store/segfile"
)

// source is one table, as a query reads it.
type source struct {
	s *Store
	t *store.Table
}

var _ query.Source = source{}

// snapshot is what a reader sees of a table: segments, then heads, by id.
type snapshot struct {
	segs  []*seg
	heads []headView
	last  int64 // id of the last row
}

// snapshot takes what there is of a table at this moment.
func (s *Store) snapshot(table int) snapshot {
	s.mu.RLock()
	defer s.mu.RUnlock()
	v := snapshot{segs: s.segs[table]}
	for _, h := range s.frozen {
		v.heads = append(v.heads, h.view(table))
	}
	v.heads = append(v.heads, s.active.view(table))
	if n := len(v.segs); n > 0 {
		v.last = v.segs[n-1].LastID
	}
	for i := range v.heads {
		if h := &v.heads[i]; len(h.rows) > 0 {
			v.last = h.events[h.rows[len(h.rows)-1]].id
		}
	}
	return v
}

// unit is a piece of a table that is read as one: a block of a segment, or as
// many rows of a head.
type unit struct {
	seg   *seg
	block int
	head  *headView
	rows  []int32
}

// headUnit is how many rows of a head are one unit.
const headUnit = 128

// units yields the pieces with ids in r, in its order.
func (v *snapshot) units(r query.Range) iter.Seq[unit] {
	return func(yield func(unit) bool) {
		if r.Desc {
			_ = v.headUnits(r, yield) && v.segUnits(r, yield)
		} else {
			_ = v.segUnits(r, yield) && v.headUnits(r, yield)
		}
	}
}

func (v *snapshot) segUnits(r query.Range, yield func(unit) bool) bool {
	from := sort.Search(len(v.segs), func(i int) bool { return v.segs[i].LastID >= r.From })
	to := from + sort.Search(len(v.segs)-from, func(i int) bool { return v.segs[from+i].FirstID > r.To })
	for k := from; k < to; k++ {
		sg := v.segs[ordered(k, from, to, r.Desc)]
		n := sg.file.Blocks()
		a := sort.Search(n, func(i int) bool { _, last := sg.file.BlockRange(i); return last >= r.From })
		b := a + sort.Search(n-a, func(i int) bool { first, _ := sg.file.BlockRange(a + i); return first > r.To })
		for i := a; i < b; i++ {
			if !yield(unit{seg: sg, block: ordered(i, a, b, r.Desc)}) {
				return false
			}
		}
	}
	return true
}

func (v *snapshot) headUnits(r query.Range, yield func(unit) bool) bool {
	for k := range v.heads {
		h := &v.heads[ordered(k, 0, len(v.heads), r.Desc)]
		rows := h.between(r.From, r.To)
		for len(rows) > 0 {
			n := min(headUnit, len(rows))
			u := unit{head: h}
			if r.Desc {
				u.rows, rows = rows[len(rows)-n:], rows[:len(rows)-n]
			} else {
				u.rows, rows = rows[:n], rows[n:]
			}
			if !yield(u) {
				return false
			}
		}
	}
	return true
}

// ordered is i, counted from the other end of [from, to) if desc.
func ordered(i, from, to int, desc bool) int {
	if desc {
		return to - 1 - (i - from)
	}
	return i
}

// records reads a unit, in the order of ids.
func (s *Store) records(u *unit) ([]segfile.Record, error) {
	if u.seg != nil {
		recs, err := u.seg.file.Block(u.block)
		if errors.Is(err, os.ErrClosed) {
			return nil, store.ErrClosed()
		}
		if err != nil {
			return nil, s.damagedBlock(u.seg, u.block, "cannot be read", err)
		}
		return recs, nil
	}
	recs := make([]segfile.Record, len(u.rows))
	var formats interner
	for i, at := range u.rows {
		var err error
		if recs[i], err = u.head.record(int(at), &formats); err != nil {
			return nil, err
		}
	}
	return recs, nil
}

// fill makes row the stored form of a record.
func (s *Store) fill(row *store.Row, table string, r *segfile.Record) {
	row.Mapping = s.cfg.Mapping
	row.Sender = r.Sender
	row.Stored = vigil.Event{
		Table: table, Format: vigil.Format(r.Format), Doc: r.Doc,
		ID: r.ID, Index: r.Index, Epoch: r.Epoch, UID: r.UID,
		Received: time.UnixMicro(r.Received).UTC(), SourceID: r.SourceID, Salt: r.Salt,
	}
}

// Scan implements [query.Source]. Units are read in parallel, as many at once as
// there are processors, and yielded in order.
func (t source) Scan(ctx context.Context, r query.Range, match func(query.Row) (bool, error)) iter.Seq2[query.Row, error] {
	r.To = min(r.To, t.s.snapshot(t.t.Number).last) // what comes later is not seen
	return func(yield func(query.Row, error) bool) {
		if r.From > r.To {
			return
		}
		v := t.s.snapshot(t.t.Number)
		p := pipeline{read: func(ctx context.Context, u unit) ([]*store.Row, error) {
			return t.matching(ctx, &u, r, match)
		}}
		p.run(ctx, v.units(r), yield)
	}
}

// matching returns the rows of a unit that are in r and match, in r's order.
func (t source) matching(ctx context.Context, u *unit, r query.Range, match func(query.Row) (bool, error)) ([]*store.Row, error) {
	recs, err := t.s.records(u)
	if err != nil {
		return nil, err
	}
	rows := make([]store.Row, len(recs))
	out := make([]*store.Row, 0, len(recs))
	for k := range recs {
		i := ordered(k, 0, len(recs), r.Desc)
		if recs[i].ID < r.From || recs[i].ID > r.To {
			continue
		}
		if k%16 == 0 && ctx.Err() != nil {
			return nil, ctx.Err()
		}
		t.s.fill(&rows[i], t.t.Name, &recs[i])
		ok, err := match(&rows[i])
		if err != nil {
			return out, err
		}
		if ok {
			out = append(out, &rows[i])
		}
	}
	return out, nil
}

// pipeline reads units in parallel and gives their rows in order. It begins
// with one and adds one for each that was used up, so that a small limit costs
// little; when it returns, nothing that it started is still running.
type pipeline struct {
	read func(context.Context, unit) ([]*store.Row, error)
}

type unitRows struct {
	rows []*store.Row
	err  error
}

func (p *pipeline) run(ctx context.Context, units iter.Seq[unit], yield func(query.Row, error) bool) {
	next, stop := iter.Pull(units)
	defer stop()
	var running sync.WaitGroup
	defer running.Wait()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()

	var ahead []chan unitRows
	for width, most := 1, runtime.GOMAXPROCS(0)+1; ; width = min(width+1, most) {
		for len(ahead) < width {
			u, ok := next()
			if !ok {
				break
			}
			done := make(chan unitRows, 1)
			ahead = append(ahead, done)
			running.Go(func() {
				rows, err := p.read(ctx, u)
				done <- unitRows{rows, err}
			})
		}
		if len(ahead) == 0 {
			return
		}
		got := <-ahead[0]
		ahead = ahead[1:]
		for _, row := range got.rows {
			if !yield(row, nil) {
				return
			}
		}
		if err := cmp.Or(got.err, ctx.Err()); err != nil {
			yield(nil, err)
			return
		}
	}
}

// Fetch implements [query.Source].
func (t source) Fetch(ctx context.Context, ids []int64) iter.Seq2[query.Row, error] {
	return func(yield func(query.Row, error) bool) {
		v := t.s.snapshot(t.t.Number)
		var recs []segfile.Record
		for _, id := range ids {
			if err := ctx.Err(); err != nil {
				yield(nil, err)
				return
			}
			i, found := findID(recs, id)
			if !found {
				u, ok := v.unitOf(id)
				if !ok {
					continue
				}
				var err error
				if recs, err = t.s.records(&u); err != nil {
					yield(nil, err)
					return
				}
				if i, found = findID(recs, id); !found {
					continue
				}
			}
			row := new(store.Row)
			t.s.fill(row, t.t.Name, &recs[i])
			if !yield(row, nil) {
				return
			}
		}
	}
}

// unitOf returns the unit that holds an id, if there is one.
func (v *snapshot) unitOf(id int64) (unit, bool) {
	for u := range v.units(query.Range{From: id, To: id}) {
		return u, true
	}
	return unit{}, false
}

func findID(recs []segfile.Record, id int64) (int, bool) {
	i := sort.Search(len(recs), func(i int) bool { return recs[i].ID >= id })
	return i, i < len(recs) && recs[i].ID == id
}
