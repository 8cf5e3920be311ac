package transfer

import (
	"context"

	"vigil"
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

var _ Target = (*Local)(nil)

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
		return false, &Refusal{err}
	}
	return receipt.Replayed, err
}
