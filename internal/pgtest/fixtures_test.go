package pgtest_test

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"github.com/jackc/pgx/v5"

	"vigil/internal/pgtest"
)

func TestLoadFixtures(t *testing.T) {
	path := filepath.Join("..", "..", "..", "shared", "data", "postgrest", "fixtures.json")
	if _, err := os.Stat(path); err != nil {
		t.Skip("left out: fixtures.json is not here")
	}
	ctx, uri := context.Background(), pgtest.Postgres(t)
	if err := pgtest.LoadFixtures(ctx, uri, path); err != nil {
		t.Fatal(err)
	}
	conn, err := pgx.Connect(ctx, uri)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(ctx)
	var tables, items, next int
	err = conn.QueryRow(ctx, `select (select count(*) from pg_tables where schemaname = 'test'),
		(select count(*) from test.items), nextval('test.items_id_seq')`).Scan(&tables, &items, &next)
	if err != nil {
		t.Fatal(err)
	}
	if tables < 70 || items != 15 || next != 16 {
		t.Errorf("%d tables, %d items, next id %d", tables, items, next)
	}
}
