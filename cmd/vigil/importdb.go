package main

import (
	"context"
	"iter"
	"strings"

	"vigil/internal/store/postgres"
	"vigil/internal/transfer"
)

// isDatabase reports whether what is to be imported is the address of a database.
func isDatabase(name string) bool {
	return strings.HasPrefix(name, "postgres://") || strings.HasPrefix(name, "postgresql://")
}

// databaseRecords reads the rows of a table of another database, such as a
// logserver's, as the records of a file: what is there already is known by id and
// document.
func databaseRecords(ctx context.Context, address, table string) iter.Seq2[transfer.Record, error] {
	return func(yield func(transfer.Record, error) bool) {
		var r transfer.Record
		for row, err := range postgres.ForeignRows(ctx, address, table) {
			if err != nil {
				yield(transfer.Record{}, err)
				return
			}
			r.Line, r.Offset = r.Line+1, r.Offset+r.Size
			r.ID, r.HasID, r.Doc, r.Size = row.ID, true, row.Doc, int64(len(row.Doc))
			if !yield(r, nil) {
				return
			}
		}
	}
}
