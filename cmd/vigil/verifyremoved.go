package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"vigil"
	"vigil/internal/ledger"
	"vigil/internal/store"
)

// removals compares the documents that are gone from a log with those that its
// table system says were removed. A leaf in the place of a document proves as well
// as the document does, so that only the records tell a removal from a theft.
type removals struct {
	gone, recorded map[string]int64 // entries by table
}

func newRemovals() *removals {
	return &removals{gone: map[string]int64{}, recorded: map[string]int64{}}
}

// add takes an entry of the log.
func (r *removals) add(e *ledger.Entry) {
	switch {
	case e.Erased:
		r.gone[e.Leaf.Table]++
	case e.Leaf.Table == vigil.TableSystem && !foreign(e.Sender):
		for table, n := range store.RecordedRemoval(e.Doc) {
			r.recorded[table] += n
		}
	}
}

// foreign reports whether an event of the table system is not this server's own:
// gateways that forward may add to it.
func foreign(sender []byte) bool {
	var s struct{ Role string }
	return json.Unmarshal(sender, &s) == nil && s.Role == "gateway"
}

// tell says what is gone; the error is that documents are gone of which there is
// no record.
func (r *removals) tell() (string, error) {
	total := int64(0)
	var unrecorded []string
	for _, table := range slices.Sorted(maps.Keys(r.gone)) {
		n := r.gone[table]
		total += n
		if known := min(r.recorded[table], n); known < n {
			unrecorded = append(unrecorded, fmt.Sprintf("%d of the %d of the table %s", n-known, n, table))
		}
	}
	if total == 0 {
		return "", nil
	}
	text := "the documents of " + number(total, "entry", "entries") + " were removed, "
	const rest = "their places in the log hold, what they said is not known any more\n"
	switch {
	case len(unrecorded) == 0:
		return text + "which the table system records: " + rest, nil
	case r.gone[vigil.TableSystem] > 0: // the records may be among what was removed, with a record or without
		return text + "of which the table system, itself not whole any more, has no record of " + strings.Join(unrecorded, ", ") + ": " + rest, nil
	}
	return text + "and the table system has no record of " + strings.Join(unrecorded, ", ") + ": " + rest,
		errors.New("documents are gone that nobody has recorded to have removed: if none are being removed just now, keep everything as it is, and look for them in a backup")
}
