package postgres

import (
	"context"
	"iter"
	"strconv"
	"strings"

	"vigil/internal/query"
	"vigil/internal/store"
)

// A scan asks for few rows first, since most are left early, and then for more.
// With each statement limited the server walks an index and sorts nothing.
const (
	firstPage = 128
	lastPage  = 8192
)

// source is one table, row by row, for what is evaluated here: views, and facts
// that another mapping made.
type source struct {
	s     *Store
	table *store.Table
}

// Scan implements [query.Source]. Rows that are added meanwhile are not seen.
func (c source) Scan(ctx context.Context, r query.Range, match func(query.Row) (bool, error)) iter.Seq2[query.Row, error] {
	order := ""
	if r.Desc {
		order = " desc"
	}
	text := c.selectSQL() + " where t.id >= $1::bigint and t.id <= $2::bigint order by t.id" + order + " limit $3::bigint"
	return func(yield func(query.Row, error) bool) {
		last, err := c.s.number(ctx, c.s.ofTable(c.table, "last"))
		if err != nil {
			yield(nil, err)
			return
		}
		from, to := r.From, min(r.To, last)
		for page := int64(firstPage); from <= to; page = min(4*page, lastPage) {
			st := query.Statement{Text: text, Args: []string{decimal(from), decimal(to), decimal(page)}}
			n := int64(0)
			for row, err := range c.s.rows(ctx, c.table.Name, st) {
				ok := false
				if err == nil {
					ok, err = match(row)
				}
				if err != nil {
					yield(nil, err)
					return
				}
				if ok && !yield(row, nil) {
					return
				}
				if n++; r.Desc {
					to = row.Stored.ID - 1
				} else {
					from = row.Stored.ID + 1
				}
			}
			if n < page {
				return
			}
		}
	}
}

func decimal(n int64) string { return strconv.FormatInt(n, 10) }

// Fetch implements [query.Source].
func (c source) Fetch(ctx context.Context, ids []int64) iter.Seq2[query.Row, error] {
	list := make([]string, len(ids))
	for i, id := range ids {
		list[i] = decimal(id)
	}
	st := query.Statement{
		Text: c.selectSQL() + " join unnest($1::bigint[]) with ordinality o(id, at) on o.id = t.id order by o.at",
		Args: []string{"{" + strings.Join(list, ",") + "}"},
	}
	return func(yield func(query.Row, error) bool) {
		for row, err := range c.s.rows(ctx, c.table.Name, st) {
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

func (c source) selectSQL() string {
	return "select " + recordColumns + " from " + c.s.tables[c.table.Number].events.name.Sanitize() + " t left join vigil.senders s on s.id = t._sender"
}
