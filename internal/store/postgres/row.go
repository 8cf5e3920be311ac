package postgres

import (
	"strings"

	"vigil"
	"vigil/internal/store"
)

// row is what is inserted for one event beside what the sequencer gives it. It
// is made by goroutines of the request.
type row struct {
	event  []byte // JSON text
	raw    []byte // what was received; nil where it is the text of event
	sender sender
	facts  vigil.Facts
	keys   []int64
}

// sender is a text of a sender with its name in vigil.senders.
type sender struct {
	id   [16]byte
	body string // empty: unknown
}

// tidy makes facts texts that the database can hold: those of documents that
// are no JSON may have anything in them.
func (r *row) tidy() {
	for f, values := range r.facts.Values {
		for i, v := range values {
			if t := strings.ReplaceAll(strings.ToValidUTF8(v, "\uFFFD"), "\x00", "\uFFFD"); t != v {
				values = append([]string(nil), values...)
				values[i] = t
				r.facts.Values[f] = values
			}
		}
	}
}

// keyed are the facts whose values are in _keys: those that are searched for
// most and that have many values. A change needs another mapping number.
var keyed = [...]vigil.Fact{vigil.FactPatient, vigil.FactAgent, vigil.FactEntity}

func isKeyed(f vigil.Fact) bool {
	for _, k := range keyed {
		if k == f {
			return true
		}
	}
	return false
}

// keysOf returns the keys of facts, not nil.
func keysOf(f *vigil.Facts) []int64 {
	n := 0
	for _, k := range keyed {
		n += len(f.Values[k])
	}
	keys := make([]int64, 0, n)
	for _, k := range keyed {
		for _, v := range f.Values[k] {
			keys = append(keys, keyOf(k, v))
		}
	}
	return keys
}

// keyOf is a hash of one value of a fact: FNV-1a of its column's name, a zero
// and the value. The rows that it finds are looked at again.
func keyOf(f vigil.Fact, value string) int64 {
	h := uint64(14695981039346656037)
	add := func(c byte) { h = (h ^ uint64(c)) * 1099511628211 }
	name := factNames[f]
	for i := range len(name) {
		add(name[i])
	}
	add(0)
	for i := range len(value) {
		add(value[i])
	}
	return int64(h)
}

// factNames are the columns of the facts, lists those that are arrays.
var factNames, factLists = func() (names [vigil.NumFacts]string, lists [vigil.NumFacts]bool) {
	for i, c := range store.EventSchema("").Columns[store.ColFacts:] {
		names[i], lists[i] = c.Name, c.Any
	}
	return names, lists
}()
