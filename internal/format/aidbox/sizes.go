package aidbox

import (
	"maps"
	"slices"
	"time"
)

// Sizes returns the lines db/db-size and db/rel-size, without newlines: how many
// bytes a store and each of its tables have.
func Sizes(o Options, at time.Time, database int64, tables map[string]int64) [][]byte {
	out := [][]byte{append(number(o.begin(nil, "db/db-size", at, nil), "db-size", database), '}')}
	for _, name := range slices.Sorted(maps.Keys(tables)) {
		line := text(o.begin(nil, "db/rel-size", at, nil), "rel", name)
		out = append(out, append(number(line, "rel-size", tables[name]), '}'))
	}
	return out
}
