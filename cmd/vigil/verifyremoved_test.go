package main

import (
	"strings"
	"testing"
	"time"

	"vigil"
	"vigil/internal/ledger"
	"vigil/internal/store"
)

// TestRemovalsAreRecorded compares what is gone from logs with what their table
// system says.
func TestRemovalsAreRecorded(t *testing.T) {
	gone := func(table string) *ledger.Entry { return &ledger.Entry{Leaf: ledger.Leaf{Table: table}, Erased: true} }
	record := func(table string, n int64, sender string) *ledger.Entry {
		e, err := store.Removal{Reason: "order"}.Event(store.Removed{Tables: map[string]int64{table: n}}, time.Now())
		if err != nil {
			t.Fatal(err)
		}
		return &ledger.Entry{Leaf: ledger.Leaf{Table: vigil.TableSystem}, Doc: e.Doc, Sender: []byte(sender)}
	}
	other := func(table, doc string) *ledger.Entry {
		return &ledger.Entry{Leaf: ledger.Leaf{Table: table}, Doc: []byte(doc)}
	}
	const own, forward = `{"sub":"user root","listener":"unix"}`, `{"sub":"ward 3","role":"gateway"}`
	read := other("system", `{"action": "read", "entity": {"detail": [{"table": "events"}, {"rows": "3"}]}, "message": "log read"}`)
	for name, c := range map[string]struct {
		entries []*ledger.Entry
		text    string // part of what is said; empty is nothing
		fails   bool
	}{
		"nothing":        {[]*ledger.Entry{read, other("events", `{}`)}, "", false},
		"recorded":       {[]*ledger.Entry{gone("events"), gone("logs"), gone("events"), record("events", 2, own), read, record("logs", 1, own)}, "3 entries were removed, which the table system records", false},
		"put back since": {[]*ledger.Entry{gone("events"), record("events", 2, own)}, "1 entry were removed, which", false},
		"one too many":   {[]*ledger.Entry{gone("events"), gone("events"), gone("logs"), record("events", 1, own), record("logs", 1, own)}, "no record of 1 of the 2 of the table events", true},
		"another table":  {[]*ledger.Entry{gone("events"), record("logs", 1, own)}, "no record of 1 of the 1 of the table events", true},
		"an application": {[]*ledger.Entry{gone("events"), other("events", string(record("events", 1, own).Doc))}, "no record", true},
		"a gateway":      {[]*ledger.Entry{gone("events"), record("events", 1, forward)}, "no record", true},
		"old records":    {[]*ledger.Entry{gone("events"), gone("system"), record("system", 1, own)}, "itself not whole any more, has no record of 1 of the 1 of the table events", false},
	} {
		r := newRemovals()
		for _, e := range c.entries {
			r.add(e)
		}
		text, err := r.tell()
		if (c.text == "") != (text == "") || !strings.Contains(text, c.text) || (err != nil) != c.fails {
			t.Errorf("%s: %q, %v", name, text, err)
		}
	}
}
