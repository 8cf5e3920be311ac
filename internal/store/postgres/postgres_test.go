package postgres_test

import (
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
	url := pgtest.Postgres(t)
	if err := postgres.Migrate(t.Context(), url, c, postgres.Grants{}); err != nil {
		t.Fatal(err)
	}
	return a.connect(t, url, c)
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
	url := pgtest.Postgres(t)
	c := storetest.Config(nil)
	if err := postgres.Migrate(t.Context(), url, c, postgres.Grants{}); err != nil {
		t.Fatal(err)
	}
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
