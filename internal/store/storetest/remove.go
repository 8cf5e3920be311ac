package storetest

import (
	"errors"
	"strings"
	"testing"
	"time"

	"vigil"
	"vigil/internal/query"
	"vigil/internal/store"
)

// testRemove erases events and prunes a table: the documents are gone from every
// answer, and every leaf of the log is what it was.
func testRemove(t *testing.T, f *fixture) {
	rm, ok := f.Store.(store.Remover)
	if !ok {
		return // its contract is optional
	}
	odd := []*vigil.Event{
		{Table: vigil.TableLogs, Format: vigil.FormatSyslog, Doc: []byte("<13>1 - a \xff line"), Sender: sender},
		{Table: vigil.TableEvents, Format: vigil.FormatLogserver, Doc: []byte(`{"a": "é",  "b":1.50}`)},
	}
	f.put(t, odd...)
	first := numbered(vigil.TableEvents, 0, 40)
	f.put(t, first...)
	f.settle(t)
	f.clock.advance(time.Hour)
	cut := f.clock.Now().Truncate(time.Microsecond)
	f.put(t, numbered(vigil.TableEvents, 40, 10)...)
	why := store.Removal{Reason: "asked for by the court", Sender: sender}

	for name, try := range map[string]func() (int64, error){
		"no reason":   func() (int64, error) { return rm.Erase(f.ctx, []vigil.UID{odd[0].UID}, store.Removal{}) },
		"unknown uid": func() (int64, error) { return rm.Erase(f.ctx, []vigil.UID{odd[0].UID, {1}}, why) },
		"the future":  func() (int64, error) { return rm.Prune(f.ctx, vigil.TableEvents, cut.Add(time.Hour), why) },
		"no table":    func() (int64, error) { return rm.Prune(f.ctx, "nowhere", cut, why) },
		"a view":      func() (int64, error) { return rm.Prune(f.ctx, "brief", cut, why) },
	} {
		if n, err := try(); err == nil || n != 0 {
			t.Errorf("%s: %d, %v", name, n, err)
		}
	}
	before := f.Log().Size()
	uids := []vigil.UID{odd[0].UID, odd[1].UID, first[7].UID}
	n, err := rm.Erase(f.ctx, append(uids, uids[0]), why)
	equal(t, "erased", n, int64(3))
	equal(t, "error", err, nil)
	equal(t, "log grown by", f.Log().Size()-before, int64(1))
	CheckRoot(t, f.Store)
	if n, err := rm.Erase(f.ctx, uids, why); n != 0 || err != nil || f.Log().Size() != before+1 {
		t.Errorf("again: %d, %v", n, err)
	}
	for _, uid := range uids {
		_, err := f.ByUID(f.ctx, uid)
		gone, ok := errors.AsType[*store.ErasedError](err)
		if !ok || vigil.KindOf(err) != vigil.NotFound || gone.Event.UID != uid || len(gone.Event.Doc) > 0 || gone.Event.Sender != nil {
			t.Errorf("erased event: %v", err)
		}
	}
	count := func(table string, want int64) {
		t.Helper()
		for _, where := range []query.Expr{nil, query.Test{Path: query.Path{Column: "id"}, Op: query.Gt, Value: "0"}} {
			if n, err := f.Count(f.ctx, &query.Query{Table: table, Where: where, Limit: -1}); err != nil || n != want {
				t.Errorf("%s has %d rows, %v; want %d", table, n, err, want)
			}
		}
	}
	count(vigil.TableEvents, 49)
	count(vigil.TableLogs, 0)
	n, err = rm.Prune(f.ctx, vigil.TableEvents, cut, why)
	equal(t, "pruned", n, int64(39))
	equal(t, "error", err, nil)
	f.settle(t)
	count(vigil.TableEvents, 10)
	count(vigil.TableSystem, 2)
	CheckRoot(t, f.Store)
	erased := 0
	for e, err := range f.Entries(f.ctx, 0) {
		if err != nil {
			t.Fatal(err)
		}
		if e.Erased {
			erased++
		}
	}
	equal(t, "erased entries", erased, 42)
	for e, err := range f.Records(f.ctx, all(vigil.TableSystem)) {
		if err != nil || !strings.Contains(string(e.Doc), "asked for by the court") {
			t.Errorf("record: %s, %v", e.Doc, err)
		}
	}
	more := numbered(vigil.TableEvents, 50, 1)
	f.put(t, more...)
	equal(t, "next id", more[0].ID, int64(52))
	CheckRoot(t, f.Store)
}
