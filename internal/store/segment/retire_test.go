package segment

import (
	"math/rand/v2"
	"testing"

	"vigil"
	"vigil/internal/query"
	"vigil/internal/store"
	"vigil/internal/store/storetest"
)

// TestRetiredTable opens a store with a configuration that no longer names one
// of its tables: its events stay in the log, sealed or not, and are back when
// the table is named again.
func TestRetiredTable(t *testing.T) {
	t.Parallel()
	o := testOptions(t, 4<<10)
	d := drive(t, o)
	rnd := rand.New(rand.NewPCG(11, 12))
	for range 20 {
		d.put(batch(rnd, 10))
	}
	want := d.acked
	custom := all("custom")
	n, err := d.Count(t.Context(), custom)
	if err != nil || n == 0 {
		t.Fatal(n, err)
	}
	last := d.LastIDs()["custom"]
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	s := mustOpen(t, o, store.Config{})
	holds(t, s, want)
	if _, err := s.Count(t.Context(), custom); vigil.KindOf(err) != vigil.NotFound {
		t.Errorf("count of a retired table: %v", err)
	}
	for range 30 { // so that heads with and without its rows are sealed
		if err := s.Write(t.Context(), numbered(0, 10)); err != nil {
			t.Fatal(err)
		}
	}
	settle(t, s)
	storetest.CheckRoot(t, s)
	s = suiteReopen(t, s)
	defer s.Close()
	if got, err := s.Count(t.Context(), custom); err != nil || got != n {
		t.Errorf("%d rows (%v), want %d", got, err, n)
	}
	e := &vigil.Event{Table: "custom", Format: vigil.FormatLogserver, Doc: []byte(`{}`)}
	if err := s.Write(t.Context(), []*vigil.Event{e}); err != nil || e.ID != last+1 {
		t.Errorf("next id %d (%v), want %d", e.ID, err, last+1)
	}
}

func all(table string) *query.Query { return &query.Query{Table: table, Limit: -1} }
