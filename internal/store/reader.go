package store

import (
	"context"
	"fmt"
	"iter"
	"time"

	"vigil"
	"vigil/internal/query"
)

// Reader answers questions over the rows of a store. It is what the stores that
// evaluate queries in Go share: they give the rows, it does the rest.
type Reader struct {
	Catalog *Catalog
	Now     func() time.Time
	// Source gives the rows of a table; every query.Row it yields is a *Row.
	Source func(*Table) query.Source
	// Size is how many rows the table has.
	Size func(*Table) int64
}

// Rows is [Store.Rows].
func (r *Reader) Rows(ctx context.Context, q *query.Query) (*Rows, error) {
	p, src, err := r.compile(q)
	if err != nil {
		return nil, err
	}
	return &Rows{Columns: p.Columns(), Seq: p.Run(ctx, src)}, nil
}

// Records is [Store.Records].
func (r *Reader) Records(ctx context.Context, q *query.Query) iter.Seq2[*vigil.Event, error] {
	return func(yield func(*vigil.Event, error) bool) {
		whole := *q
		whole.Select = nil
		p, src, err := r.compile(&whole)
		if err != nil {
			yield(nil, err)
			return
		}
		for row, err := range p.Records(ctx, src) {
			var e *vigil.Event
			if err == nil {
				e, err = eventOf(row)
			}
			if !yield(e, err) || err != nil {
				return
			}
		}
	}
}

// Count is [Store.Count].
func (r *Reader) Count(ctx context.Context, q *query.Query) (int64, error) {
	p, src, err := r.compile(&query.Query{Table: q.Table, Where: q.Where, Limit: -1})
	if err != nil {
		return 0, err
	}
	if q.Where == nil {
		t, _, err := r.Catalog.Lookup(q.Table)
		if err != nil {
			return 0, err
		}
		return r.Size(t), nil
	}
	return p.Count(ctx, src)
}

func (r *Reader) compile(q *query.Query) (*query.Program, query.Source, error) {
	t, view, err := r.Catalog.Lookup(q.Table)
	if err != nil {
		return nil, nil, err
	}
	schema, src := t.Schema, r.Source(t)
	if view != nil {
		schema, src = &view.Schema, viewSource{src, view}
	}
	p, err := query.Compile(q, schema, r.Now())
	if err != nil {
		return nil, nil, err
	}
	return p, src, nil
}

func eventOf(row query.Row) (*vigil.Event, error) {
	switch row := row.(type) {
	case *Row:
		return row.Event()
	case *viewRow:
		return row.event, nil
	}
	return nil, fmt.Errorf("read event: a source gave a %T", row)
}

// viewSource computes the rows of a view from those of its base.
type viewSource struct {
	base query.Source
	view *View
}

type viewRow struct {
	event *vigil.Event
	view  *View
}

func (r *viewRow) Value(i int) query.Value { return r.view.Value(r.event, i) }

func (s viewSource) row(base query.Row) (*viewRow, error) {
	e, err := eventOf(base)
	return &viewRow{event: e, view: s.view}, err
}

func (s viewSource) Scan(ctx context.Context, r query.Range, match func(query.Row) (bool, error)) iter.Seq2[query.Row, error] {
	return s.wrap(s.base.Scan(ctx, r, func(base query.Row) (bool, error) {
		row, err := s.row(base)
		if err != nil {
			return false, err
		}
		return match(row)
	}))
}

func (s viewSource) Fetch(ctx context.Context, ids []int64) iter.Seq2[query.Row, error] {
	return s.wrap(s.base.Fetch(ctx, ids))
}

func (s viewSource) wrap(rows iter.Seq2[query.Row, error]) iter.Seq2[query.Row, error] {
	return func(yield func(query.Row, error) bool) {
		for base, err := range rows {
			var row *viewRow
			if err == nil {
				row, err = s.row(base)
			}
			if err != nil {
				yield(nil, err)
				return
			}
			if !yield(row, nil) {
				return
			}
		}
	}
}
