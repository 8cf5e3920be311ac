package search

import (
	"context"
	"iter"

	"vigil"
	"vigil/internal/format/fhir"
	"vigil/internal/query"
	"vigil/internal/store"
)

// Store is what a search asks of a store.
type Store interface {
	Records(ctx context.Context, q *query.Query) iter.Seq2[*vigil.Event, error]
	Rows(ctx context.Context, q *query.Query) (*store.Rows, error)
	Count(ctx context.Context, q *query.Query) (int64, error)
	ByUID(ctx context.Context, uid vigil.UID) (*vigil.Event, error)
	Schemas() []*query.Schema
	Wait(ctx context.Context, size int64) (int64, error)
}

var _ Store = store.Store(nil)

// Source is what searches are answered from.
type Source struct {
	Store Store
	// Convert makes an AuditEvent of an event. What it cannot convert is left out
	// of answers, and counted in [Page.Skipped].
	Convert func(e *vigil.Event, v fhir.Version) (*fhir.Node, error)
	// Mapping is the store's: with it, sorting by date follows the store's order of
	// the times at which events occurred. Without it every match is looked at.
	Mapping vigil.Mapping
	// Tables are those to look in, of those that are searched at all, see
	// [Tables]; nil is every one of them. They are what the reader may read.
	Tables []string
	// DateIndex says that the store has indexes on _occurred and _received, and keeps
	// facts apart from events, as PostgreSQL does. Answers to searches
	// for a date are then in the order of the date, newest first, where _sort asks
	// for nothing else: going there by the order of the log could be a long way.
	DateIndex bool
	// MaxLooks is how many events may be converted for one answer; 0 is any number.
	// Searches that would need more fail with 422, too-costly.
	MaxLooks int64
}

// Tables returns the tables of a store that are searched: all that hold events,
// but for the exchanges that the gateway saw, whose AuditEvents are events of
// their own, and for the quarantine.
func Tables(s Store) []string {
	var out []string
	for _, schema := range s.Schemas() {
		if Searched(schema) {
			out = append(out, schema.Table)
		}
	}
	return out
}

// Searched reports whether a table is one that searches look in.
func Searched(s *query.Schema) bool {
	return !s.ReadOnly && s.Column("_index") >= 0 && s.Column("_occurred") >= 0 &&
		s.Table != vigil.TableExchanges && s.Table != vigil.TableQuarantine
}
