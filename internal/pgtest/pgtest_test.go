package pgtest_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"testing"

	"github.com/jackc/pgx/v5"

	"vigil/internal/pgtest"
)

func TestPostgres(t *testing.T) {
	ctx := context.Background()
	uri := pgtest.Postgres(t)
	if other := pgtest.Postgres(t); other == uri {
		t.Fatalf("two calls gave one database, %s", uri)
	}
	conn, err := pgx.Connect(ctx, uri)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(ctx)
	for setting, want := range map[string]string{
		"TimeZone": "UTC", "server_encoding": "UTF8", "fsync": "off",
		"default_text_search_config": "pg_catalog.simple",
	} {
		var got string
		if err := conn.QueryRow(ctx, "select current_setting($1)", setting).Scan(&got); err != nil {
			t.Fatal(err)
		}
		if got != want {
			t.Errorf("%s is %q, want %q", setting, got, want)
		}
	}
	var collation string
	if err := conn.QueryRow(ctx, "select datcollate from pg_database where datname = current_database()").Scan(&collation); err != nil {
		t.Fatal(err)
	}
	if collation != "C" {
		t.Errorf("the collation is %q, want C", collation)
	}
	if version := pgtest.Version(t); version != 15 && os.Getenv("POSTGRES_BIN") == "" {
		t.Errorf("PostgreSQL %d, want 15", version)
	}
}

func TestPostgREST(t *testing.T) {
	uri := pgtest.Postgres(t)
	if err := pgtest.CreateLogserver(context.Background(), uri); err != nil {
		t.Fatal(err)
	}
	if err := pgtest.Exec(context.Background(), uri, `insert into api.events (event) values ('{"b":1,"a":1e2}')`); err != nil {
		t.Fatal(err)
	}
	base := pgtest.PostgREST(t, uri, nil)
	resp, err := http.Get(base + "/events")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	if want := []byte(`[{"id":1,"event":{"a": 100, "b": 1}}]`); !bytes.Equal(body, want) {
		t.Errorf("got %s, want %s", body, want)
	}
	if s := resp.Header.Get("Server"); s != "postgrest/12.0.2" {
		t.Errorf("server %q, want postgrest/12.0.2", s)
	}
}

func TestStartStop(t *testing.T) {
	dir, err := os.MkdirTemp("", "vigil-pgtest-")
	if err != nil {
		t.Fatal(err)
	}
	dir = filepath.Join(dir, "cluster")
	defer os.RemoveAll(filepath.Dir(dir))
	if err := os.Chmod(filepath.Dir(dir), 0o755); err != nil {
		t.Fatal(err)
	}
	c, err := pgtest.Start(dir, pgtest.Options{Fsync: true, Settings: map[string]string{"work_mem": "5MB"}})
	if errors.Is(err, pgtest.ErrNotInstalled) && os.Getenv("CI") != "true" {
		t.Skipf("left out: %v", err)
	} else if err != nil {
		t.Fatal(err)
	}
	ctx := context.Background()
	conn, err := pgx.Connect(ctx, c.URI("postgres"))
	if err != nil {
		t.Fatal(err)
	}
	var fsync, mem string
	if err := conn.QueryRow(ctx, "select current_setting('fsync'), current_setting('work_mem')").Scan(&fsync, &mem); err != nil {
		t.Fatal(err)
	}
	if fsync != "on" || mem != "5MB" {
		t.Errorf("fsync %s, work_mem %s; want on, 5MB", fsync, mem)
	}
	if err := c.Stop(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(dir); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("after Stop the directory is still there: %v", err)
	}
	if conn, err := pgx.Connect(ctx, c.URI("postgres")); err == nil {
		conn.Close(ctx)
		t.Error("after Stop the cluster still answers")
	}
}
