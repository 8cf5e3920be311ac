package postgres_test

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"strings"
	"sync"
	"testing"

	"vigil/internal/pgtest"
	"vigil/internal/store"
	"vigil/internal/store/postgres"
	"vigil/internal/store/storetest"
)

// at remembers the database of each store, for Reopen.
type at map[store.Store]string

func (a at) open(t testing.TB, c store.Config) store.Store {
	t.Helper()
	return a.connect(t, migrated(t), c)
}

// template is a database that has been migrated, for others to be copied from:
// that is many times faster.
var template struct {
	sync.Mutex
	url    string
	copies int
}

// migrated returns a database with the suite's tables, without events.
func migrated(t testing.TB) string {
	t.Helper()
	template.Lock()
	defer template.Unlock()
	if template.url == "" {
		cluster, err := pgtest.Start(inMemory(), pgtest.Options{}) // ends with this process
		if errors.Is(err, pgtest.ErrNotInstalled) && os.Getenv("CI") != "true" {
			t.Skipf("left out: %v", err)
		} else if err != nil {
			t.Fatal(err)
		}
		url := cluster.URI("model")
		if err := cluster.CreateDatabase(t.Context(), "model"); err != nil {
			t.Fatal(err)
		}
		if err := postgres.Migrate(t.Context(), url, storetest.Config(nil), postgres.Grants{}); err != nil {
			t.Fatal(err)
		}
		template.url = url
	}
	u, err := url.Parse(template.url)
	if err != nil {
		t.Fatal(err)
	}
	template.copies++
	from := strings.TrimPrefix(u.Path, "/")
	name := fmt.Sprintf("%s_%d", from, template.copies)
	u.Path = "/postgres"
	if err := pgtest.Exec(t.Context(), u.String(), "create database "+name+" template "+from); err != nil {
		t.Fatal(err)
	}
	admin := u.String()
	t.Cleanup(func() {
		if err := pgtest.Exec(context.Background(), admin, "drop database "+name+" with (force)"); err != nil {
			t.Error(err)
		}
	})
	u.Path = "/" + name
	return u.String()
}

func (a at) connect(t testing.TB, url string, c store.Config) store.Store {
	t.Helper()
	s, err := postgres.Open(t.Context(), postgres.Options{URL: url}, c)
	if err != nil {
		t.Fatal(err)
	}
	a[s] = url
	return s
}

// TestSuite runs the conformance suite, which compares with the memory store.
func TestSuite(t *testing.T) {
	t.Parallel()
	a := at{}
	storetest.Suite{
		Open: a.open,
		Reopen: func(t testing.TB, s store.Store, c store.Config) store.Store {
			t.Helper()
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			return a.connect(t, a[s], c)
		},
	}.Run(t)
}

// open returns an empty store with the suite's tables, and where it is.
func open(t testing.TB) (*postgres.Store, string) {
	t.Helper()
	url := migrated(t)
	return connect(t, url), url
}

func connect(t testing.TB, url string) *postgres.Store {
	t.Helper()
	s, err := postgres.Open(t.Context(), postgres.Options{URL: url}, storetest.Config(nil))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return s
}
