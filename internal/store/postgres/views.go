package postgres

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"vigil/internal/store"
)

// makeViews makes the views that can be asked for with SQL, as the configuration
// has them now. It touches no view that it did not make.
func makeViews(ctx context.Context, tx pgx.Tx, cat *store.Catalog) error {
	for _, v := range cat.Views() {
		if v.SQL == nil {
			continue
		}
		name := v.Schema.Table
		var there bool
		var made string // by an earlier call
		err := tx.QueryRow(ctx, "select to_regclass($1) is not null, coalesce((select sql from vigil.views where name = $2), '')",
			pgx.Identifier{"api", name}.Sanitize(), name).Scan(&there, &made)
		switch {
		case err != nil:
			return err
		case there && made == "":
			return fmt.Errorf("make view %s: the schema api has something else of this name: rename it, or move it to another schema", name)
		case there && made == viewSQL(v):
			continue // so that it keeps what was granted on it, and nobody waits for it
		}
		if err := makeView(ctx, tx, v); err != nil {
			return fmt.Errorf("make view %s: %w", name, err)
		}
	}
	return nil
}

func makeView(ctx context.Context, tx pgx.Tx, v store.View) error {
	view := pgx.Identifier{"api", v.Schema.Table}.Sanitize()
	script := "drop view if exists " + view + "; create view " + view + " as " + viewSQL(v) + "; grant select on " + view + " to vigil_reader;"
	if _, err := tx.Exec(ctx, script, pgx.QueryExecModeSimpleProtocol); err != nil {
		return err
	}
	_, err := tx.Exec(ctx, "insert into vigil.views (name, sql) values ($1, $2) on conflict (name) do update set sql = excluded.sql", v.Schema.Table, viewSQL(v))
	return err
}

func viewSQL(v store.View) string { return v.SQL(pgx.Identifier{"api", v.Base}.Sanitize()) }
