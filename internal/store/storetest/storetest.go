// Package storetest is the suite that every store passes: what package store
// promises, as tests that run over any implementation.
package storetest

import (
	"context"
	"encoding/json"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"vigil"
	"vigil/internal/jsonb"
	"vigil/internal/query"
	"vigil/internal/store"
)

// Suite says how the stores under test are had.
type Suite struct {
	// Open returns an empty store, which the suite closes.
	Open func(t testing.TB, c store.Config) store.Store
	// Reopen closes a store and opens it again with what it held; nil for a store
	// that keeps nothing.
	Reopen func(t testing.TB, s store.Store, c store.Config) store.Store
	// Settle, where not nil, makes the store move what it holds to where it is
	// kept in the end. It is called between writing and reading, now and then.
	Settle func(t testing.TB, s store.Store)
}

// Run runs the suite over a store that keeps nothing.
func Run(t *testing.T, open func(t testing.TB, c store.Config) store.Store) {
	Suite{Open: open}.Run(t)
}

// Run runs the suite.
func (s Suite) Run(t *testing.T) {
	for _, c := range []struct {
		name string
		test func(*testing.T, *fixture)
	}{
		{"Fills", testFills},
		{"Exact", testExact},
		{"Atomic", testAtomic},
		{"Empty", testEmpty},
		{"IDs", testIDs},
		{"WantID", testWantID},
		{"Import", testImport},
		{"Keys", testKeys},
		{"KeysConcurrent", testKeysConcurrent},
		{"Refuses", testRefuses},
		{"Visible", testVisible},
		{"Paging", testPaging},
		{"Counts", testCounts},
		{"SystemColumns", testSystemColumns},
		{"AnyOfList", testAnyOfList},
		{"NotJSON", testNotJSON},
		{"Views", testViews},
		{"Schemas", testSchemas},
		{"Entries", testEntries},
		{"ByUID", testByUID},
		{"Root", testRoot},
		{"Remove", testRemove},
		{"Wait", testWait},
		{"Bound", testBound},
		{"Cancel", testCancel},
		{"Concurrent", testConcurrent},
		{"Random", testRandom},
		{"Reopen", testReopen},
		{"Closed", testClosed},
	} {
		t.Run(c.name, func(t *testing.T) { c.test(t, s.fixture(t)) })
	}
}

// fixture is one store with its clock.
type fixture struct {
	Suite
	store.Store
	config store.Config
	clock  *clock
	ctx    context.Context
}

func (s Suite) fixture(t testing.TB) *fixture {
	t.Helper()
	f := &fixture{Suite: s, clock: newClock(), ctx: t.Context()}
	f.config = Config(f.clock.Now)
	f.Store = s.Open(t, f.config)
	t.Cleanup(func() {
		if err := f.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return f
}

// settle lets the store move things to where they are kept.
func (f *fixture) settle(t testing.TB) {
	t.Helper()
	if f.Settle != nil {
		f.Settle(t, f.Store)
	}
}

// Config is what the suite opens stores with: one more table, one view, and a
// mapping that reads facts from members of the same names.
func Config(now func() time.Time) store.Config {
	return store.Config{
		Tables:  []string{"custom"},
		Views:   []store.View{view()},
		Mapping: Mapping{},
		Origin:  "test.example/log",
		Now:     now,
	}
}

func view() store.View {
	return store.View{
		Base: vigil.TableEvents,
		Schema: query.Schema{
			Table: "brief", Key: "id",
			Columns: []query.Column{{Name: "id", Type: query.Int8}, {Name: "action", Type: query.Text}},
		},
		Value: func(e *vigil.Event, i int) query.Value {
			if i == 0 {
				return query.Value{Type: query.Int8, Valid: true, I: e.ID}
			}
			v, ok := jsonb.Get(e.Doc, "action")
			if !ok {
				return query.Value{Type: query.Text}
			}
			return query.Value{Type: query.Text, Valid: true, B: jsonb.AppendText(nil, v)}
		},
	}
}

// Mapping reads the facts of documents such as
//
//	{"occurred":"2026-08-01T10:00:00Z","action":"read","patient":["Patient/1"]}
type Mapping struct{}

// Number implements [vigil.Mapping].
func (Mapping) Number() uint32 { return 7 }

// Facts implements [vigil.Mapping].
func (Mapping) Facts(_ vigil.Format, doc []byte) vigil.Facts {
	var f vigil.Facts
	var d struct {
		Occurred time.Time `json:"occurred"`
		Action   string    `json:"action"`
		Agent    string    `json:"agent"`
		Patient  []string  `json:"patient"`
	}
	if json.Unmarshal(doc, &d) != nil {
		return f
	}
	f.Occurred = d.Occurred
	set := func(fact vigil.Fact, values ...string) {
		for _, v := range values {
			if v != "" {
				f.Values[fact] = append(f.Values[fact], v)
			}
		}
	}
	set(vigil.FactAction, d.Action)
	set(vigil.FactAgent, d.Agent)
	set(vigil.FactPatient, d.Patient...)
	return f
}

// clock is a clock that goes when it is told to.
type clock struct{ micros atomic.Int64 }

func newClock() *clock {
	c := new(clock)
	c.micros.Store(time.Date(2026, 8, 1, 10, 0, 0, 123456000, time.UTC).UnixMicro())
	return c
}

// Now returns the time with nanoseconds that a store has to cut off.
func (c *clock) Now() time.Time           { return time.UnixMicro(c.micros.Load()).Add(789) }
func (c *clock) advance(by time.Duration) { c.micros.Add(by.Microseconds()) }

var sender = &vigil.Sender{Subject: "suite", Role: "event_logger", Listener: "http", Peer: "192.0.2.7", Authenticated: true}

// event returns an event of a table whose document is made by fmt.
func event(table, format string, args ...any) *vigil.Event {
	return &vigil.Event{Table: table, Format: vigil.FormatLogserver, Doc: fmt.Appendf(nil, format, args...), Sender: sender}
}

// numbered returns events {"n":from}, {"n":from+1}, …
func numbered(table string, from, n int) []*vigil.Event {
	var out []*vigil.Event
	for i := range n {
		out = append(out, event(table, `{"n":%d}`, from+i))
	}
	return out
}

// put appends events and fails the test if that fails.
func (f *fixture) put(t testing.TB, events ...*vigil.Event) store.Receipt {
	t.Helper()
	r, err := f.Append(f.ctx, &store.Batch{Events: events})
	if err != nil {
		t.Fatalf("append: %v", err)
	}
	return r
}

// rows returns the answer to q, each row as JSON.
func (f *fixture) rows(t testing.TB, q *query.Query) []string {
	t.Helper()
	out, err := Answer(f.ctx, f.Store, q)
	if err != nil {
		t.Fatalf("rows of %s: %v", describe(q), err)
	}
	return out
}

// Answer returns the rows that s gives for q, each as a JSON object.
func Answer(ctx context.Context, s store.Store, q *query.Query) ([]string, error) {
	rows, err := s.Rows(ctx, q)
	if err != nil {
		return nil, err
	}
	out := []string{}
	for row, err := range rows.Seq {
		if err != nil {
			return nil, err
		}
		out = append(out, string(query.AppendRow(nil, rows.Columns, row)))
	}
	return out, nil
}

// describe returns q for messages.
func describe(q *query.Query) string { return fmt.Sprintf("%+v", *q) }

func all(table string) *query.Query { return &query.Query{Table: table, Limit: -1} }

func test(column string, op query.Op, value string) query.Test {
	return query.Test{Path: query.Path{Column: column}, Op: op, Value: value}
}

// items makes a projection of columns.
func items(columns ...string) []query.Item {
	var out []query.Item
	for _, c := range columns {
		out = append(out, query.Item{Path: query.Path{Column: c}})
	}
	return out
}

func equal[T comparable](t testing.TB, what string, got, want T) {
	t.Helper()
	if got != want {
		t.Errorf("%s: got %v, want %v", what, got, want)
	}
}

func equalLines(t testing.TB, what string, got []string, want ...string) {
	t.Helper()
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("%s:\n got %v\nwant %v", what, got, want)
	}
}

// wantError checks the kind and the code of an error.
func wantError(t testing.TB, what string, err error, kind vigil.Kind, code string) {
	t.Helper()
	e, ok := asError(err)
	if !ok {
		t.Errorf("%s: got error %v, want one of kind %d", what, err, kind)
		return
	}
	if e.Kind != kind || e.Code != code {
		t.Errorf("%s: got kind %d code %q (%v), want kind %d code %q", what, e.Kind, e.Code, err, kind, code)
	}
}
