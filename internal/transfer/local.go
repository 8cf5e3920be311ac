package transfer

import (
	"context"
	"strconv"

	"vigil"
	"vigil/internal/query"
	"vigil/internal/store"
)

// Local is the target that is a table of a store which is open here. An id that
// the table cannot give any more becomes the source id of a new one.
type Local struct {
	Store  store.Store
	Table  string
	Format vigil.Format
	Sender *vigil.Sender
}

var _ Finder = (*Local)(nil)

// Append implements [Target].
func (l *Local) Append(ctx context.Context, key string, records []Record) (merged bool, err error) {
	events := make([]vigil.Event, len(records))
	b := &store.Batch{
		Events: make([]*vigil.Event, len(records)), Import: true,
		Key: &store.Key{Scope: "import\x00" + l.Table, Key: key, Body: digest(records)},
	}
	for i, r := range records {
		events[i] = vigil.Event{Table: l.Table, Format: l.Format, Doc: r.Doc, Sender: l.Sender, WantID: r.ID}
		b.Events[i] = &events[i]
	}
	receipt, err := l.Store.Append(ctx, b)
	switch vigil.KindOf(err) {
	case vigil.Invalid, vigil.TooLarge, vigil.Conflict, vigil.Unprocessable:
		return false, &Refusal{Err: err, KeyUsed: vigil.KindOf(err) == vigil.Unprocessable}
	}
	return receipt.Replayed, err
}

// Last implements [Finder].
func (l *Local) Last(ctx context.Context) (last int64, err error) {
	id := query.Path{Column: "id"}
	err = l.find(ctx, &query.Query{Order: []query.Order{{Path: id, Desc: true}}, Limit: 1}, func(e *vigil.Event) { last = e.ID })
	return last, err
}

// ByID implements [Finder].
func (l *Local) ByID(ctx context.Context, ids []int64, found func(int64, []byte)) error {
	test := query.Test{Path: query.Path{Column: "id"}, Op: query.In}
	for _, id := range ids {
		test.List = append(test.List, strconv.FormatInt(id, 10))
	}
	return l.find(ctx, &query.Query{Where: test, Limit: -1}, func(e *vigil.Event) { found(e.ID, e.Doc) })
}

// Renumbered implements [Finder].
func (l *Local) Renumbered(ctx context.Context, found func(int64, []byte)) error {
	test := query.Test{Path: query.Path{Column: "_source_id"}, Op: query.Gt, Value: "0"}
	return l.find(ctx, &query.Query{Where: test, Limit: -1}, func(e *vigil.Event) { found(e.SourceID, e.Doc) })
}

func (l *Local) find(ctx context.Context, q *query.Query, found func(*vigil.Event)) error {
	q.Table = l.Table
	for e, err := range l.Store.Records(ctx, q) {
		if err != nil {
			return err
		}
		found(e)
	}
	return nil
}
