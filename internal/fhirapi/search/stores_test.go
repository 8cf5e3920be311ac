package search_test

import (
	"context"
	"flag"
	"slices"
	"strconv"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"vigil"
	"vigil/internal/fhirapi/search"
	"vigil/internal/format"
	"vigil/internal/format/fhir"
	"vigil/internal/pgtest"
	"vigil/internal/query"
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

// reopen opens another front end of a database, whose sessions are named plans.
func reopen(t testing.TB, url string) *postgres.Store {
	t.Helper()
	separator := "?"
	if strings.Contains(url, "?") {
		separator = "&"
	}
	s, err := postgres.Open(t.Context(), postgres.Options{URL: url + separator + "application_name=plans"}, config())
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func config() store.Config {
	return store.Config{Mapping: format.New(nil), Now: (&clock{now: start}).Now}
}

// checks makes rapid check a property so many times, where its flag does not ask
// for another number than the usual; in short tests a quarter of them.
func checks(t *testing.T, n int, property func(*rapid.T)) {
	t.Helper()
	if testing.Short() {
		n /= 4
	}
	f := flag.Lookup("rapid.checks")
	if before := f.Value.String(); before == f.DefValue {
		if err := f.Value.Set(strconv.Itoa(n)); err != nil {
			t.Fatal(err)
		}
		defer func() {
			if err := f.Value.Set(before); err != nil {
				t.Error(err)
			}
		}()
	}
	rapid.Check(t, property)
}

// TestStoresAgree asks stores that answer in ways of their own.
func TestStoresAgree(t *testing.T) {
	t.Run("segment", func(t *testing.T) {
		s := openSegment(t, config())
		write(t, s, samples(150))
		events := all(t, s)
		checks(t, 40, func(t *rapid.T) { check(t, source(s), events, 1, 30) })
		hostile(t, source(s), events)
	})
	t.Run("postgres", func(t *testing.T) {
		s, _ := openPostgres(t, config())
		write(t, s, samples(100))
		events := all(t, s)
		checks(t, 12, func(t *rapid.T) {
			src := source(s)
			src.DateIndex = rapid.Bool().Draw(t, "dateIndex")
			check(t, src, events, 1, 40)
		})
		hostile(t, source(s), events)
	})
}

// hostile puts what other languages take for code into every parameter.
func hostile(t *testing.T, src search.Source, events []*vigil.Event) {
	t.Helper()
	values := []string{
		`' or '1'='1`, `'; drop table api.events; --`, `{"a":1}`, `{a,b}`, `"`, `\\`, `\`, `$1`, `%`, `_`, `*`, `.*`, `(a+)+$`, `[`, `\u0000`, `Patient/'||1`, `"],"x":["`,
		`${jndi:x}`, `<script>`, `null`, `Patient/1"}`, "\u2028", "\U0010FFFF", strings.Repeat("((((", 2000), strings.Repeat("a", 8000), strings.Repeat(`\|`, 4000), "Patient/" + strings.Repeat("1", 64),
	}
	for _, v := range []fhir.Version{fhir.R4, fhir.R5} {
		for _, p := range search.Parameters(v) {
			if p.Type == search.Date {
				continue
			}
			// All of them are one search, as alternatives of one parameter.
			s := parse(t, v, [2]string{p.Name, strings.ReplaceAll(strings.Join(values[:23], ","), "|", "")}, [2]string{"_count", "500"})
			compareRun(t, src, s, p.Name, events)
			for _, long := range values[23:] {
				compareRun(t, src, parse(t, v, [2]string{p.Name, long}, [2]string{"_count", "500"}), p.Name, events)
			}
		}
	}
}

func compareRun(t *testing.T, src search.Source, s *search.Search, name string, events []*vigil.Event) {
	t.Helper()
	page, err := s.Run(t.Context(), src)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	if got, want := indexes(page.Entries), expected(t, src, s, events); !slices.Equal(got, want) {
		t.Errorf("%s: got %v, want %v", name, got, want)
	}
}

// compile asks that a query is one that every store takes.
func compile(t testing.TB, table string, q *query.Query) {
	t.Helper()
	if _, err := query.Compile(q, store.EventSchema(table), start); err != nil {
		t.Fatalf("%s: %v", q, err)
	}
}
