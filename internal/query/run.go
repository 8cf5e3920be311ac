package query

import (
	"context"
	"iter"
)

// Range bounds a scan by id, both ends included. The zero Range is empty: use
// [AllIDs].
type Range struct {
	From, To int64
	Desc     bool // newest first
}

// AllIDs returns the Range of every id, oldest first.
func AllIDs() Range { return Range{From: 0, To: 1<<63 - 1} }

// Source is what a [Program] runs over: the rows of one table.
type Source interface {
	// Scan streams the rows within r for which match is true, in the order of r.
	// Match may be called from several goroutines at once, on rows that are not
	// asked for in the end. A row stays valid as long as it is referenced. The
	// scan fixes what it sees when it starts, and stops when ctx ends, with its error.
	Scan(ctx context.Context, r Range, match func(Row) (bool, error)) iter.Seq2[Row, error]
	// Fetch streams the rows with these ids, in this order.
	Fetch(ctx context.Context, ids []int64) iter.Seq2[Row, error]
}
