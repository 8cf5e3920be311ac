package segment

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"os"
	"slices"

	"vigil"
	"vigil/internal/ledger"
	"vigil/internal/query"
	"vigil/internal/store"
	"vigil/internal/store/segfile"
)

// Schemas implements [store.Store].
func (s *Store) Schemas() []*query.Schema { return s.Catalog.Schemas() }

// Log implements [store.Store].
func (s *Store) Log() *ledger.Log { return s.tree }

// Wait implements [store.Store].
func (s *Store) Wait(ctx context.Context, size int64) (int64, error) {
	return s.growth.Wait(ctx, size)
}

// Entries implements [store.Store].
func (s *Store) Entries(ctx context.Context, from int64) iter.Seq2[*vigil.Event, error] {
	to := s.tree.Size()
	return func(yield func(*vigil.Event, error) bool) {
		for row, err := range s.entries(ctx, max(from, 0), to) {
			var e *vigil.Event
			if err == nil {
				e, err = row.Event()
			}
			if !yield(e, err) || err != nil {
				return
			}
		}
	}
}

// entries yields the rows of the log from a place up to another. It fails where
// one is missing. A row is good until the next.
func (s *Store) entries(ctx context.Context, from, to int64) iter.Seq2[*store.Row, error] {
	return func(yield func(*store.Row, error) bool) {
		var row store.Row
		at := from
		for r, err := range s.merged(ctx, s.wholeLog(), from) {
			if err == nil && r.Index >= to {
				return
			}
			if err == nil && r.Index != at {
				err = fmt.Errorf("read the log: entry %d is missing (vigil check names what is damaged)", at)
			}
			if err != nil {
				yield(nil, err)
				return
			}
			if r.left {
				err = fillLeaf(&row, r.table, &r.Record)
			} else {
				s.fill(&row, r.table, &r.Record)
			}
			if !yield(&row, err) || err != nil {
				return
			}
			row = store.Row{}
			at++
		}
		if at < to {
			yield(nil, fmt.Errorf("read the log: entry %d is missing (vigil check names what is damaged)", at))
		}
	}
}

// whole is what a reader sees of all tables.
type whole struct {
	segs   [][]*seg
	leaves []*seg
	heads  []headView
}

// wholeLog takes a snapshot of all tables.
func (s *Store) wholeLog() whole {
	s.mu.RLock()
	defer s.mu.RUnlock()
	w := whole{segs: slices.Clone(s.segs), leaves: s.leaves}
	for _, h := range s.frozen {
		w.heads = append(w.heads, h.view(-1))
	}
	w.heads = append(w.heads, s.active.view(-1))
	return w
}

// entry is a record with the table it is in.
type entry struct {
	segfile.Record
	table string
	left  bool // it is what is left of a removed event
}

// merged yields the records of all tables in the log's order: those of the
// segments, one stream for each table and for each file of leaves, then those of
// the heads.
func (s *Store) merged(ctx context.Context, w whole, from int64) iter.Seq2[*entry, error] {
	return func(yield func(*entry, error) bool) {
		streams, err := s.streams(w, from)
		if err != nil {
			yield(nil, err)
			return
		}
		for len(streams) > 0 {
			k := 0
			for i := range streams {
				if streams[i].cur.Index < streams[k].cur.Index {
					k = i
				}
			}
			st := streams[k]
			if !yield(&entry{*st.cur, st.table, st.left}, nil) {
				return
			}
			if err := st.next(ctx); err != nil {
				yield(nil, err)
				return
			}
			if st.cur == nil {
				streams = append(streams[:k], streams[k+1:]...)
			}
		}
		s.headEntries(ctx, w.heads, from, yield)
	}
}

// streams returns those that have something from the given place on.
func (s *Store) streams(w whole, from int64) (streams []*tableStream, err error) {
	add := func(st *tableStream) error {
		if err := st.seek(from); err != nil {
			return err
		}
		if st.cur != nil {
			streams = append(streams, st)
		}
		return nil
	}
	for n, list := range w.segs {
		if err := add(&tableStream{s: s, table: s.Catalog.Tables()[n].Name, segs: list}); err != nil {
			return nil, err
		}
	}
	for _, sg := range w.leaves {
		if err := add(&tableStream{s: s, table: sg.Table, segs: []*seg{sg}, left: true}); err != nil {
			return nil, err
		}
	}
	return streams, nil
}

func (s *Store) headEntries(ctx context.Context, heads []headView, from int64, yield func(*entry, error) bool) {
	var formats interner
	for k := range heads {
		h := &heads[k]
		for i := max(0, int(from-h.first)); i < len(h.events); i++ {
			err := ctx.Err()
			var e entry
			if err == nil {
				e.Record, err = h.record(i, &formats)
				e.table = s.Catalog.Tables()[h.events[i].table].Name
			}
			if !yield(&e, err) || err != nil {
				return
			}
		}
	}
}

// tableStream reads the sealed records of a table in the log's order, block by
// block.
type tableStream struct {
	s     *Store
	table string
	left  bool   // it is of leaves
	segs  []*seg // from the current one on
	block int    // of the current segment
	recs  []segfile.Record
	cur   *segfile.Record // nil at the end
}

// seek goes to the first record at or after a place in the log.
func (t *tableStream) seek(from int64) error {
	for len(t.segs) > 0 && t.segs[0].LastIndex < from {
		t.segs = t.segs[1:]
	}
	for {
		if err := t.next(context.Background()); err != nil || t.cur == nil || t.cur.Index >= from {
			return err
		}
		// Places grow with ids: a whole block that ends before from is passed by.
		if n := len(t.recs); n > 0 && t.recs[n-1].Index < from {
			t.recs = nil
		}
	}
}

func (t *tableStream) next(ctx context.Context) error {
	t.cur = nil
	for len(t.recs) == 0 {
		if len(t.segs) == 0 {
			return nil
		}
		sg := t.segs[0]
		if t.block >= sg.file.Blocks() {
			t.segs, t.block = t.segs[1:], 0
			continue
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		recs, err := t.s.records(&unit{seg: sg, block: t.block})
		if err != nil {
			return err
		}
		t.recs, t.block = recs, t.block+1
	}
	t.cur, t.recs = &t.recs[0], t.recs[1:]
	return nil
}

// ByUID implements [store.Store].
func (s *Store) ByUID(ctx context.Context, uid vigil.UID) (*vigil.Event, error) {
	w := s.wholeLog()
	for k := len(w.heads) - 1; k >= 0; k-- {
		h := &w.heads[k]
		if i := h.findUID(uid); i >= 0 {
			var formats interner
			rec, err := h.record(i, &formats)
			if err != nil {
				return nil, err
			}
			return s.event(int(h.events[i].table), &rec)
		}
	}
	for n, list := range w.segs {
		for k := len(list) - 1; k >= 0; k-- {
			if err := ctx.Err(); err != nil {
				return nil, err
			}
			if rec, err := s.findInSegment(list[k], uid); err != nil || rec != nil {
				if err != nil {
					return nil, err
				}
				return s.event(n, rec)
			}
		}
	}
	return s.findLeaf(uid)
}

// findInSegment returns nil where the segment has no such event. A UID begins
// with the millisecond in which the event was received.
func (s *Store) findInSegment(sg *seg, uid vigil.UID) (*segfile.Record, error) {
	m := sg.file.Meta()
	ms := uidMillis(uid)
	if ms < m.MinReceived/1000-1 || ms > m.MaxReceived/1000+1 {
		return nil, nil
	}
	block, pos, ok, err := sg.file.FindUID(uid)
	switch {
	case errors.Is(err, os.ErrClosed):
		return nil, store.ErrClosed()
	case err != nil:
		return nil, s.damaged(&DamageError{File: sg.file.Path(), Reason: "an index cannot be read", Err: err})
	case !ok:
		return nil, nil
	}
	recs, err := s.records(&unit{seg: sg, block: block})
	if err != nil {
		return nil, err
	}
	if pos >= len(recs) || recs[pos].UID != uid {
		return nil, s.damagedBlock(sg, block, "does not hold what its index says", nil)
	}
	return &recs[pos], nil
}

func (s *Store) event(table int, r *segfile.Record) (*vigil.Event, error) {
	var row store.Row
	s.fill(&row, s.Catalog.Tables()[table].Name, r)
	return row.Event()
}
