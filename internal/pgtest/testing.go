package pgtest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/jackc/pgx/v5"
)

// shared is the one cluster of a test binary: it takes seconds to make and is
// needed by many tests. It ends with the process, see the package comment.
var shared = sync.OnceValues(func() (*Cluster, error) { return Start("", Options{}) })

// databases counts the databases made in the shared cluster, to name them.
var databases atomic.Int64

// Postgres returns the address of a fresh, empty database. All databases of a
// test binary are in one cluster, which ends with it.
func Postgres(t testing.TB) (uri string) {
	t.Helper()
	c, err := shared()
	need(t, err)
	name := fmt.Sprintf("test%d", databases.Add(1))
	if err := c.CreateDatabase(context.Background(), name); err != nil {
		t.Fatal(err)
	}
	return c.URI(name)
}

// Version returns the major version of the PostgreSQL that tests run with: 15,
// unless POSTGRES_BIN names another's programs.
func Version(t testing.TB) int {
	t.Helper()
	c, err := shared()
	need(t, err)
	conn, err := pgx.Connect(context.Background(), c.URI("postgres"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	var version int
	if err := conn.QueryRow(context.Background(), "select current_setting('server_version_num')::int / 10000").Scan(&version); err != nil {
		t.Fatal(err)
	}
	return version
}

// DumpIsOlder says whether the pg_dump of this machine is older than the server
// that tests run with, of which it makes no dump then.
func DumpIsOlder(t testing.TB) bool {
	t.Helper()
	out, err := exec.Command("pg_dump", "--version").Output()
	if errors.Is(err, exec.ErrNotFound) {
		err = fmt.Errorf("pg_dump: %w", ErrNotInstalled)
	}
	need(t, err)
	var version int
	if _, err := fmt.Sscanf(string(out), "pg_dump (PostgreSQL) %d", &version); err != nil {
		t.Fatalf("pg_dump says %q", out)
	}
	return version < Version(t)
}

// PostgREST starts PostgREST over the database at dbURI, see [StartPostgREST],
// until the test ends.
func PostgREST(t testing.TB, dbURI string, env map[string]string) (baseURL string) {
	t.Helper()
	s, err := StartPostgREST(dbURI, env)
	need(t, err)
	t.Cleanup(func() {
		if err := s.Stop(); err != nil {
			t.Errorf("stop PostgREST: %v", err)
		}
	})
	return s.URL
}

// need skips the test where a program is missing, except in CI, where nothing
// may be left out.
func need(t testing.TB, err error) {
	t.Helper()
	switch {
	case err == nil:
	case errors.Is(err, ErrNotInstalled) && os.Getenv("CI") != "true":
		t.Skipf("left out: %v", err)
	default:
		t.Fatal(err)
	}
}
