package postgres_test

import (
	"fmt"
	"strings"
	"testing"

	"vigil/internal/pgtest"
	"vigil/internal/store/postgres"
	"vigil/internal/store/storetest"
)

// TestOlderServer reads a logserver's database. Where the tests run with a server
// that is too old for a store, it is refused as one, with what can be done.
func TestOlderServer(t *testing.T) {
	t.Parallel()
	url := pgtest.Postgres(t)
	if err := pgtest.CreateLogserver(t.Context(), url); err != nil {
		t.Fatal(err)
	}
	if err := pgtest.Exec(t.Context(), url, `insert into api.events (event) select jsonb_build_object('n', i, 'amount', 1.50) from generate_series(1, 300) i`); err != nil {
		t.Fatal(err)
	}
	n := int64(0)
	for row, err := range postgres.ForeignRows(t.Context(), url, "events") {
		if err != nil {
			t.Fatal(err)
		}
		n++
		if want := fmt.Sprintf(`{"n": %d, "amount": 1.50}`, n); row.ID != n || string(row.Doc) != want {
			t.Errorf("row %d is %d %s", n, row.ID, row.Doc)
		}
	}
	if n != 300 {
		t.Errorf("%d rows are read, want 300", n)
	}
	version := pgtest.Version(t)
	if version >= 13 {
		return
	}
	err := postgres.Migrate(t.Context(), url, storetest.Config(nil), postgres.Grants{})
	want := fmt.Sprintf("the server is PostgreSQL %d", version)
	if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "a store needs 13 or later: take a dump of it, or read it with vigil import postgres://") {
		t.Errorf("a store in PostgreSQL %d: %v", version, err)
	}
}
