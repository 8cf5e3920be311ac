package store

import "context"

// Sizes is how much a store holds, in bytes.
type Sizes struct {
	Database int64            // everything, the log and the indexes included
	Tables   map[string]int64 // what belongs to one table alone
}

// Sizer is a [Store] that knows its sizes; one in memory does not.
type Sizer interface {
	Sizes(ctx context.Context) (Sizes, error)
}
