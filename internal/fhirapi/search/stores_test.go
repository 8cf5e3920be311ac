package search_test

import (
	"context"
	"testing"

	"pgregory.net/rapid"

	"vigil"
	"vigil/internal/format"
	"vigil/internal/pgtest"
	"vigil/internal/store"
	"vigil/internal/store/postgres"
	"vigil/internal/store/segment"
)

// samples returns random events, the same ones each time.
func samples(n int) []*vigil.Event {
	g := rapid.Custom(genEvent)
	var out []*vigil.Event
	for i := range n {
		out = append(out, g.Example(i))
	}
	return out
}

// write appends events, some to a batch.
func write(t testing.TB, s store.Store, events []*vigil.Event) {
	t.Helper()
	for len(events) > 0 {
		n := min(len(events), 1+len(events)%7)
		if err := s.Write(context.Background(), events[:n]); err != nil {
			t.Fatal(err)
		}
		events = events[n:]
	}
}

func openSegment(t testing.TB, c store.Config) store.Store {
	t.Helper()
	s, err := segment.Open(segment.Options{Dir: t.TempDir(), Guard: t.TempDir(), HeadBytes: 64 << 10}, c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func openPostgres(t testing.TB, c store.Config) (*postgres.Store, string) {
	t.Helper()
	url := pgtest.Postgres(t)
	if err := postgres.Migrate(t.Context(), url, c, postgres.Grants{}); err != nil {
		t.Fatal(err)
	}
	s, err := postgres.Open(t.Context(), postgres.Options{URL: url}, c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s, url
}

func config() store.Config {
	return store.Config{Mapping: format.New(nil), Now: (&clock{now: start}).Now}
}

// TestStoresAgree asks stores that answer in ways of their own.
func TestStoresAgree(t *testing.T) {
	t.Run("segment", func(t *testing.T) {
		s := openSegment(t, config())
		write(t, s, samples(150))
		events := all(t, s)
		rapid.Check(t, func(t *rapid.T) { check(t, source(s), events, 1, 30) })
	})
	t.Run("postgres", func(t *testing.T) {
		s, _ := openPostgres(t, config())
		write(t, s, samples(100))
		events := all(t, s)
		rapid.Check(t, func(t *rapid.T) {
			src := source(s)
			src.DateIndex = rapid.Bool().Draw(t, "dateIndex")
			check(t, src, events, 1, 40)
		})
	})
}
