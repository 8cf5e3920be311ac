package storetest

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"vigil"
	"vigil/internal/query"
)

// testVisible makes sure that an acknowledged event is in every answer at once.
func testVisible(t *testing.T, f *fixture) {
	for i := range 20 {
		e := event(vigil.TableEvents, `{"n":%d}`, i)
		f.put(t, e)
		q := &query.Query{Table: vigil.TableEvents, Where: test("id", query.Eq, fmt.Sprint(e.ID)), Limit: -1}
		equalLines(t, "row by id", f.rows(t, q), fmt.Sprintf(`{"id":%d,"event":{"n": %d}}`, e.ID, i))
		n, err := f.Count(f.ctx, all(vigil.TableEvents))
		if err != nil || n != int64(i+1) {
			t.Fatalf("count %d, %v; want %d", n, err, i+1)
		}
		got, err := f.ByUID(f.ctx, e.UID)
		if err != nil || got.ID != e.ID {
			t.Fatalf("by uid: %v, %v", got, err)
		}
		equal(t, "size of the log", f.Log().Size(), int64(i+1))
		if i == 10 {
			f.settle(t)
		}
	}
}

func testPaging(t *testing.T, f *fixture) {
	const n = 500
	for i := 0; i < n; i += 50 {
		f.put(t, numbered(vigil.TableEvents, i, 50)...)
		f.put(t, numbered(vigil.TableLogs, i, 3)...)
		if i == 200 {
			f.settle(t)
		}
	}
	want := make([]string, n)
	for i := range want {
		want[i] = fmt.Sprintf(`{"id":%d,"event":{"n": %d}}`, i+1, i)
	}
	for _, desc := range []bool{false, true} {
		q := all(vigil.TableEvents)
		q.Order = []query.Order{{Path: query.Path{Column: "id"}, Desc: desc}}
		equalLines(t, "all", f.rows(t, q), want...)
		for _, page := range [][2]int64{{0, 10}, {0, 0}, {95, 10}, {490, 100}, {500, 1}, {249, 2}} {
			q.Offset, q.Limit = page[0], page[1]
			from := min(page[0], n)
			equalLines(t, fmt.Sprint("page ", page), f.rows(t, q), want[from:min(from+page[1], n)]...)
		}
		for _, bound := range []query.Expr{
			query.And{test("id", query.Gte, "100"), test("id", query.Lt, "120")},
			query.And{test("_index", query.Gte, "105"), test("_index", query.Lte, "130")},
			test("id", query.Gt, "499"), test("id", query.Gt, "500"), test("id", query.Lt, "1"),
		} {
			q := &query.Query{Table: vigil.TableEvents, Where: bound, Order: q.Order, Limit: -1}
			got := f.rows(t, q)
			q.Where = query.Not{X: query.Not{X: bound}} // hides the bound from the planner
			equalLines(t, describe(q), got, f.rows(t, q)...)
		}
		slices.Reverse(want)
	}
}

func testCounts(t *testing.T, f *fixture) {
	f.put(t, numbered(vigil.TableEvents, 0, 90)...)
	f.settle(t)
	f.put(t, numbered(vigil.TableEvents, 90, 60)...)
	f.put(t, numbered("custom", 0, 5)...)
	count := func(table string, where query.Expr, want int64) {
		t.Helper()
		q := &query.Query{Table: table, Where: where, Limit: 3, Offset: 2}
		got, err := f.Count(f.ctx, q)
		if err != nil || got != want {
			t.Errorf("count of %s: %d, %v; want %d", describe(q), got, err, want)
		}
	}
	count(vigil.TableEvents, nil, 150)
	count("brief", nil, 150)
	count("custom", nil, 5)
	count(vigil.TableAuditEvents, nil, 0)
	count(vigil.TableEvents, test("id", query.Gt, "100"), 50)
	count(vigil.TableEvents, test("event", query.Cs, `{"n": 3}`), 1)
	_, err := f.Count(f.ctx, all("nowhere"))
	wantError(t, "count of an unknown table", err, vigil.NotFound, "PGRST205")
	_, err = f.Rows(f.ctx, all("nowhere"))
	wantError(t, "rows of an unknown table", err, vigil.NotFound, "PGRST205")
	for _, err := range f.Records(f.ctx, all("nowhere")) {
		wantError(t, "records of an unknown table", err, vigil.NotFound, "PGRST205")
	}
	if _, err := f.Rows(f.ctx, &query.Query{Table: vigil.TableEvents, Select: items("nothing"), Limit: -1}); err == nil {
		t.Error("a column that does not exist was selected")
	}
}

func testSystemColumns(t *testing.T, f *fixture) {
	e := event(vigil.TableEvents, `{"occurred":"2026-07-31T22:00:00.5+02:00","action":"read","agent":"u1","patient":["Patient/1","Patient/2"]}`)
	bare := &vigil.Event{Table: vigil.TableEvents, Format: vigil.FormatFHIRR4, Doc: []byte(`{}`)}
	f.put(t, e, bare)
	f.settle(t)
	q := all(vigil.TableEvents)
	q.Select = items("id", "_index", "_uid", "_received", "_format", "_sender", "_source_id", "_occurred", "_action", "_agent", "_patient", "_type")
	received := f.clock.Now().UTC().Format("2006-01-02T15:04:05.000000") + "+00:00"
	equalLines(t, "rows", f.rows(t, q),
		fmt.Sprintf(`{"id":1,"_index":0,"_uid":"%s","_received":"%s","_format":"logserver",`+
			`"_sender":{"sub": "suite", "peer": "192.0.2.7", "role": "event_logger", "listener": "http", "authenticated": true},`+
			`"_source_id":null,"_occurred":"2026-07-31T20:00:00.5+00:00","_action":"read","_agent":["u1"],"_patient":["Patient/1","Patient/2"],"_type":null}`,
			e.UID, received),
		fmt.Sprintf(`{"id":2,"_index":1,"_uid":"%s","_received":"%s","_format":"fhir-r4","_sender":null,"_source_id":null,"_occurred":null,"_action":null,"_agent":null,"_patient":null,"_type":null}`,
			bare.UID, received))
	for _, c := range []struct {
		where query.Expr
		want  string
	}{
		{test("_uid", query.Eq, e.UID.String()), "1"},
		{test("_uid", query.Eq, strings.ToUpper(bare.UID.String())), "2"},
		{test("_format", query.Eq, "fhir-r4"), "2"},
		{test("_sender", query.Cs, `{"sub":"suite"}`), "1"},
		{test("_sender", query.Is, "null"), "2"},
		{test("_occurred", query.Lt, "2026-07-31T20:00:01Z"), "1"},
		{test("_received", query.Lte, received), "1 2"},
		{test("_received", query.Gt, received), ""},
		{test("_action", query.Eq, "read"), "1"},
		{test("_index", query.Gte, "1"), "2"},
	} {
		equal(t, fmt.Sprintf("ids where %v", c.where), f.ids(t, c.where), c.want)
	}
	q = all(vigil.TableEvents)
	q.Select, q.Order = items("id"), []query.Order{{Path: query.Path{Column: "_occurred"}, Desc: true}}
	equalLines(t, "order by _occurred", f.rows(t, q), `{"id":2}`, `{"id":1}`)
}

// ids returns the ids of the events where an expression holds.
func (f *fixture) ids(t testing.TB, where query.Expr) string {
	t.Helper()
	var out []string
	for e, err := range f.Records(f.ctx, &query.Query{Table: vigil.TableEvents, Where: where, Limit: -1}) {
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, fmt.Sprint(e.ID))
	}
	return strings.Join(out, " ")
}

func testAnyOfList(t *testing.T, f *fixture) {
	f.put(t, event(vigil.TableEvents, `{"patient":["Patient/1","Patient/2"]}`),
		event(vigil.TableEvents, `{"patient":["Patient/2","Patient/3"]}`),
		event(vigil.TableEvents, `{"patient":[]}`))
	f.settle(t)
	f.put(t, event(vigil.TableEvents, `{"patient":["Patient/1"]}`))
	for value, want := range map[string]string{"Patient/1": "1 4", "Patient/2": "1 2", "Patient/3": "2", "Patient/9": ""} {
		equal(t, "events of "+value, f.ids(t, test("_patient", query.Eq, value)), want)
	}
	in := query.Test{Path: query.Path{Column: "_patient"}, Op: query.In, List: []string{"Patient/1", "Patient/3"}}
	equal(t, "events of two patients", f.ids(t, in), "1 2 4")
	equal(t, "events without a patient", f.ids(t, test("_patient", query.Is, "null")), "3")
}

// testNotJSON makes sure that what is no JSON is shown as a JSON string.
func testNotJSON(t *testing.T, f *fixture) {
	f.put(t,
		&vigil.Event{Table: vigil.TableAuditEvents, Format: vigil.FormatDICOM, Doc: []byte(`<AuditMessage a="1"/>`)},
		&vigil.Event{Table: vigil.TableAuditEvents, Format: vigil.FormatDICOM, Doc: []byte(`{"json":"after all"}`)})
	f.put(t, &vigil.Event{Table: vigil.TableQuarantine, Format: vigil.FormatFHIRR4, Doc: []byte("{\"cut\xff\x00")})
	f.settle(t)
	equalLines(t, "audit_events", f.rows(t, all(vigil.TableAuditEvents)),
		`{"id":1,"event":"<AuditMessage a=\"1\"/>"}`, `{"id":2,"event":{"json": "after all"}}`)
	equalLines(t, "quarantine", f.rows(t, all(vigil.TableQuarantine)), "{\"id\":1,\"event\":\"{\\\"cut\uFFFD\uFFFD\"}")
}

func testViews(t *testing.T, f *fixture) {
	f.put(t, event(vigil.TableEvents, `{"action":"read"}`), event(vigil.TableEvents, `{"action": "create"}`), event(vigil.TableEvents, `{}`))
	f.settle(t)
	equalLines(t, "view", f.rows(t, all("brief")), `{"id":1,"action":"read"}`, `{"id":2,"action":"create"}`, `{"id":3,"action":null}`)
	q := &query.Query{Table: "brief", Where: test("action", query.Eq, "create"), Limit: -1}
	equalLines(t, "filtered view", f.rows(t, q), `{"id":2,"action":"create"}`)
	for e, err := range f.Records(f.ctx, q) {
		if err != nil || e.ID != 2 || string(e.Doc) != `{"action": "create"}` {
			t.Errorf("record of a view: %v, %v", e, err)
		}
	}
	q = &query.Query{Table: "brief", Order: []query.Order{{Path: query.Path{Column: "action"}}}, Limit: 2}
	equalLines(t, "ordered view", f.rows(t, q), `{"id":2,"action":"create"}`, `{"id":1,"action":"read"}`)
}

func testSchemas(t *testing.T, f *fixture) {
	var names []string
	for _, s := range f.Schemas() {
		names = append(names, s.Table)
		equal(t, s.Table+" is read-only", s.ReadOnly, s.Table == "brief")
	}
	equalLines(t, "tables", names, append(vigil.Tables(), "custom", "brief")...)
	s := f.Schemas()[0]
	for i, name := range []string{"id", "event", "_index", "_uid", "_received", "_format", "_sender", "_source_id", "_occurred", "_severity"} {
		equal(t, "column", s.Columns[i].Name, name)
		equal(t, name+" is a system column", s.Columns[i].System, name[0] == '_')
	}
	equal(t, "columns", len(s.Columns), 9+int(vigil.NumFacts))
}

func testBound(t *testing.T, f *fixture) {
	f.put(t, numbered(vigil.TableEvents, 0, 300)...)
	f.settle(t)
	f.put(t, numbered(vigil.TableEvents, 300, 300)...)
	for _, desc := range []bool{false, true} {
		before, err := f.Count(f.ctx, all(vigil.TableEvents))
		if err != nil {
			t.Fatal(err)
		}
		q := all(vigil.TableEvents)
		q.Order = []query.Order{{Path: query.Path{Column: "id"}, Desc: desc}}
		seen := int64(0)
		for _, err := range f.Records(f.ctx, q) {
			if err != nil {
				t.Fatal(err)
			}
			if seen++; seen%100 == 1 {
				f.put(t, numbered(vigil.TableEvents, 0, 10)...)
			}
			if seen == 250 {
				f.settle(t)
			}
		}
		equal(t, "rows of a scan during which rows were added", seen, before)
	}
	size := f.Log().Size()
	entries := f.Entries(f.ctx, 0)
	f.put(t, numbered(vigil.TableEvents, 0, 10)...)
	n := int64(0)
	for _, err := range entries {
		if err != nil {
			t.Fatal(err)
		}
		n++
	}
	equal(t, "entries up to the size at the call", n, size)
}

// eventually waits until a condition holds.
func eventually(t testing.TB, what string, holds func() bool) {
	t.Helper()
	for end := time.Now().Add(5 * time.Second); time.Now().Before(end); time.Sleep(time.Millisecond) {
		if holds() {
			return
		}
	}
	t.Errorf("%s: not within 5 seconds", what)
}
