package search

import (
	"context"
	"math"
	"slices"
	"time"

	"vigil"
	"vigil/internal/query"
)

// A database plans a join of events and their facts as if their two common columns
// had nothing to do with each other: it expects next to no rows, and reads all that
// match before it sorts them and takes the first few. So the ids are asked for
// first, where nothing but facts decides, and then their events.

// maxLoad is how many events are read by their ids at once.
const maxLoad = 64

// place is a row that was found by facts alone.
type place struct {
	id   int64
	when time.Time // in the column that orders the stream
}

// onFacts reports whether a condition looks at nothing that is not beside the facts.
func onFacts(x query.Expr) bool {
	every := func(xs []query.Expr) bool {
		return !slices.ContainsFunc(xs, func(x query.Expr) bool { return !onFacts(x) })
	}
	switch x := x.(type) {
	case query.And:
		return every(x)
	case query.Or:
		return every(x)
	case query.Not:
		return onFacts(x.X)
	case query.Test:
		return !slices.Contains([]string{"event", "_index", "_uid", "_format", "_sender", "_source_id"}, x.Path.Column)
	}
	return false
}

// fetchByFacts reads the next rows by their facts.
func (st *stream) fetchByFacts(ctx context.Context) error {
	if len(st.places) == 0 {
		if err := st.find(ctx); err != nil {
			return err
		}
	}
	n := min(len(st.places), maxLoad)
	if n == 0 {
		return nil
	}
	places := st.places[:n]
	st.places = st.places[n:]
	ids := make([]string, n)
	for i, p := range places {
		ids[i] = decimal(p.id)
	}
	q := query.Query{Table: st.table, Limit: -1, Where: query.Test{Path: query.Path{Column: "id"}, Op: query.In, List: ids}}
	found := make(map[int64]*vigil.Event, n)
	for e, err := range st.run.source.Store.Records(ctx, &q) {
		if err != nil {
			return err
		}
		found[e.ID] = e
	}
	for _, p := range places {
		// One that came after the first page was made is not part of the answer.
		if e := found[p.id]; e != nil && e.Index < st.run.bound {
			st.held = append(st.held, e)
		}
	}
	st.done = st.found && len(st.places) == 0
	return nil
}

// find asks for the places of the next rows.
func (st *stream) find(ctx context.Context) error {
	if st.last != nil && st.lastID == 0 {
		if err := st.begin(ctx); err != nil {
			return err
		}
	}
	q := query.Query{Table: st.table, Limit: int64(st.batch), Select: []query.Item{{Path: query.Path{Column: "id"}}}, Where: st.part.where()}
	if st.last != nil {
		q.Where = st.part.where(beyond("id", st.lastID, st.column, st.last, st.desc))
	}
	if st.column != "" {
		q.Select = append(q.Select, query.Item{Path: query.Path{Column: st.column}})
		q.Order = append(q.Order, query.Order{Path: query.Path{Column: st.column}, Desc: st.desc})
	}
	q.Order = append(q.Order, query.Order{Path: query.Path{Column: "id"}, Desc: st.desc})
	rows, err := st.run.source.Store.Rows(ctx, &q)
	if err != nil {
		return err
	}
	for cells, err := range rows.Seq {
		if err != nil {
			return err
		}
		p := place{id: cells[0].I}
		if st.column != "" {
			p.when = time.UnixMicro(cells[1].I).UTC()
		}
		st.places = append(st.places, p)
	}
	if st.found = len(st.places) < st.batch; len(st.places) > 0 {
		p := st.places[len(st.places)-1]
		st.last, st.lastID = &key{values: []sortValue{{when: p.when}}}, p.id
	}
	st.done = len(st.places) == 0
	st.batch = min(4*st.batch, lastBatch)
	return nil
}

// begin finds the id between the rows before and after the place in the log that
// the page begins behind.
func (st *stream) begin(ctx context.Context) error {
	q := query.Query{
		Table: st.table, Limit: 1, Select: []query.Item{{Path: query.Path{Column: "id"}}},
		Where: after("", st.last, st.desc),
		Order: []query.Order{{Path: query.Path{Column: "_index"}, Desc: st.desc}},
	}
	rows, err := st.run.source.Store.Rows(ctx, &q)
	if err != nil {
		return err
	}
	// Ids begin at 1 and are in the log's order.
	if st.lastID = math.MaxInt64; st.desc {
		st.lastID = 1
	}
	for cells, err := range rows.Seq {
		if err != nil {
			return err
		}
		if st.lastID = cells[0].I - 1; st.desc {
			st.lastID = cells[0].I + 1
		}
	}
	if st.lastID == 0 { // before the first id; 0 means that it is not known
		st.lastID = -1
	}
	return nil
}
