// Package store is the contract that every store of events keeps, and the
// memory store, which is the fake with real behaviour that tests use and the
// oracle that the other stores are compared with.
//
// A store is append-only by type: nothing in the contract changes an event.
package store

import (
	"context"
	"iter"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"vigil"
	"vigil/internal/ledger"
	"vigil/internal/query"
)

// Store holds events in tables and in one Merkle log. It is safe for concurrent use.
type Store interface {
	// Write is Append without a key.
	vigil.Writer

	// Append takes all events of b or none. When it returns without an error
	// they are on stable storage, in the log, and in every later answer, and
	// their second group of fields is filled. Where b.Key has been seen with the
	// same body, nothing is added, the events are not filled, and the Receipt
	// says where the first ones are; with another body it fails with
	// [vigil.Unprocessable].
	//
	// An event whose WantID is taken fails with [vigil.Conflict] (code 23505);
	// with b.Import it gets a new id and keeps the old one as SourceID. One that
	// is above [MaxID], or [MaxImportID] with b.Import, fails with [vigil.Invalid]
	// (code 22003).
	// Too much waiting is [vigil.Unavailable] with RetryAfter, a full disk
	// [vigil.Full], a batch that fits no commit [vigil.TooLarge], an unknown
	// table [vigil.NotFound] (code PGRST205). A cancelled ctx is honoured until
	// the batch is on its way to the disk; after that the answer is awaited.
	Append(ctx context.Context, b *Batch) (Receipt, error)

	// Rows answers q. A question that cannot be asked of the table fails at
	// once; what goes wrong later ends the rows.
	Rows(ctx context.Context, q *query.Query) (*Rows, error)

	// Records streams the whole events that q selects; its Select is not looked at.
	Records(ctx context.Context, q *query.Query) iter.Seq2[*vigil.Event, error]

	// Count returns how many rows q.Where selects, exactly.
	Count(ctx context.Context, q *query.Query) (int64, error)

	// Entries streams every event of every table from the given place in the
	// log on, in the log's order, up to the size at the call. Of those that were
	// removed (see [Remover]) it gives what is left; nothing else does.
	Entries(ctx context.Context, from int64) iter.Seq2[*vigil.Event, error]

	// ByUID returns the event with this UID, [vigil.NotFound] if there is none;
	// that wraps an [*ErasedError] where its document was removed.
	ByUID(ctx context.Context, uid vigil.UID) (*vigil.Event, error)

	// Schemas describes the tables and views, in the order they are documented in.
	Schemas() []*query.Schema

	// Log is the store's Merkle log.
	Log() *ledger.Log

	// Wait returns when the log has more than size entries, with its size, or when ctx ends.
	Wait(ctx context.Context, size int64) (int64, error)

	// Err is nil while the store takes events, else why it does not.
	Err() error

	// Close finishes what was acknowledged and lets go of the files.
	Close() error
}

// Batch is what one request hands over: all or nothing, in one commit.
type Batch struct {
	Events []*vigil.Event
	Key    *Key // nil: a retry adds the events again
	Import bool
}

// Key makes a retry harmless. It is kept for seven days in the same commit as
// the events.
type Key struct {
	Scope string   // principal and table
	Key   string   // what the client sent
	Body  [32]byte // SHA-256 of the request's body
}

// Receipt says what became of a batch.
type Receipt struct {
	Replayed bool  // the key was known: nothing was added
	First    int64 // place in the log of the first event
	Count    int   // events; their places follow each other
}

// Rows is an answer.
type Rows struct {
	Columns []query.Column
	// Seq yields the cells of each row. The slice, and what its cells point to, is
	// good until the next row. It can be ranged over once.
	Seq iter.Seq2[[]query.Value, error]
}

// View is a read-only table that is computed, row by row, from another one.
// Where its Schema has a Key, that column is the id of the base's row.
type View struct {
	Schema query.Schema
	Base   string // the table it is over
	// Value returns column i of the view for an event of the base table.
	Value func(e *vigil.Event, i int) query.Value
	// SQL returns the query that gives the same rows in PostgreSQL, for people
	// who use psql; base is the quoted name of the table. Nil: no view is made there.
	SQL func(base string) string
}

// Config is what every store is opened with.
type Config struct {
	Tables  []string // beyond the built-in ones
	Views   []View
	Mapping vigil.Mapping
	// Origin names the log in its checkpoints; empty is made from the store's id.
	Origin  string
	Now     func() time.Time // nil is time.Now
	Log     *slog.Logger     // nil discards
	Metrics prometheus.Registerer
}
