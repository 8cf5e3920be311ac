package postgres

import (
	"context"
	"fmt"

	"vigil/internal/store"
)

// sizeSQL adds up tables with their partitions, of which a partitioned table's own
// size has none.
const sizeSQL = `select sum(pg_total_relation_size(r) + coalesce(
	(select sum(pg_total_relation_size(relid)) from pg_partition_tree(r) where relid <> r), 0))::bigint
from (select n::regclass r from unnest($1::text[]) n) t`

var _ store.Sizer = (*Store)(nil)

// Sizes implements [store.Sizer]: the database, and of each table its events and
// facts with their indexes.
func (s *Store) Sizes(ctx context.Context) (store.Sizes, error) {
	out := store.Sizes{Tables: map[string]int64{}}
	if err := s.pool.QueryRow(ctx, "select pg_database_size(current_database())").Scan(&out.Database); err != nil {
		return out, fmt.Errorf("measure the database: %w", err)
	}
	for n, t := range s.Catalog.Tables() {
		var size int64
		err := s.pool.QueryRow(ctx, sizeSQL, []string{s.tables[n].events.name.Sanitize(), s.tables[n].facts.name.Sanitize()}).Scan(&size)
		if err != nil {
			return out, fmt.Errorf("measure table %s: %w", t.Name, err)
		}
		out.Tables[t.Name] = size
	}
	return out, nil
}
