package pgtest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"testing"
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
