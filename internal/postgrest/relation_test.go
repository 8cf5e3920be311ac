package postgrest

import (
	"context"
	"maps"
	"net/http"
	"slices"
	"testing"

	"vigil/internal/auth"
	"vigil/internal/pgtest"
	"vigil/internal/store"
	"vigil/internal/store/postgres/relation"
)

// openRelations opens the tables of the database at uri.
func openRelations(t testing.TB, uri string, c relation.Config) *relation.DB {
	t.Helper()
	c.URL = uri
	d, err := relation.Open(context.Background(), c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(d.Close)
	return d
}

// as lets every request be one of p's.
func as(p auth.Principal) func(*Config) {
	return func(c *Config) {
		c.Authenticate = func(*http.Request) (*auth.Principal, error) { return &p, nil }
	}
}

// newRelationFace returns a face over an empty store in memory and the tables of
// a database.
func newRelationFace(t testing.TB, d *relation.DB, change ...func(*Config)) *face {
	t.Helper()
	s := openMemory(t, store.Config{Now: clock})
	return newFace(t, s, append([]func(*Config){func(c *Config) {
		c.Relations, c.Schemas = d, d.Schemas()
		c.Now = nil
	}}, change...)...)
}

// run runs a script in a database.
func run(t testing.TB, uri, script string) {
	t.Helper()
	if err := pgtest.Exec(context.Background(), uri, script); err != nil {
		t.Fatal(err)
	}
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
