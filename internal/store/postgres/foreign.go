package postgres

import (
	"context"
	"fmt"
	"iter"

	"github.com/jackc/pgx/v5"
)

// ForeignRow is a row of a table that is no store's.
type ForeignRow struct {
	ID  int64
	Doc []byte // JSON text; the receiver owns it
}

// ForeignRows yields the rows of the table api.<table> of another database, which
// has the columns id and event, in the order of ids, as of one moment. The server
// may be older than what a store needs: 9.6 and later will do. An error is the last.
func ForeignRows(ctx context.Context, url, table string) iter.Seq2[ForeignRow, error] {
	return func(yield func(ForeignRow, error) bool) {
		if err := foreignRows(ctx, url, table, func(r ForeignRow) bool { return yield(r, nil) }); err != nil {
			yield(ForeignRow{}, fmt.Errorf("read api.%s of the other database: %w", table, err))
		}
	}
}

// foreignRows gives rows to yield until it returns false.
func foreignRows(ctx context.Context, url, table string, yield func(ForeignRow) bool) error {
	cc, err := parseURL(url)
	if err != nil {
		return err
	}
	cc.RuntimeParams["default_transaction_read_only"] = "on"
	conn, err := pgx.ConnectConfig(ctx, cc)
	if err != nil {
		return err
	}
	defer func() { _ = closing(conn, nil) }()
	rows, err := conn.Query(ctx, "select id::bigint, event::text from "+pgx.Identifier{"api", table}.Sanitize()+" where event is not null order by id", pgx.QueryExecModeExec)
	if err != nil {
		return err
	}
	for rows.Next() {
		var r ForeignRow
		if err := rows.Scan(&r.ID, &r.Doc); err != nil {
			rows.Close()
			return err
		}
		if !yield(r) {
			return nil // the connection ends with what is left of the answer
		}
	}
	return rows.Err()
}
