package ingest

import (
	"net/url"
	"slices"
	"strings"

	"vigil"
	"vigil/internal/jsonb"
)

// maxFilters bounds the values of a filter: each costs time for every line.
const maxFilters = 64

// filter is what lines must have: for each name one of the values. Nil is none.
type filter []wanted

type wanted struct {
	name   string
	values []string // * at the end of one stands for anything
}

// newFilter reads a filter out of a URL's query.
func newFilter(query url.Values) (filter, error) {
	var f filter
	n := 0
	for name, values := range query {
		if n += len(values); n > maxFilters {
			return nil, vigil.Errorf(vigil.Invalid, "There are more than %d filters", maxFilters)
		}
		f = append(f, wanted{name, values})
	}
	slices.SortFunc(f, func(a, b wanted) int { return strings.Compare(a.name, b.name) })
	return f, nil
}

// match reports whether a line passes.
func (f filter) match(line []byte) bool {
	for _, w := range f {
		if !w.match(line) {
			return false
		}
	}
	return true
}

func (w *wanted) match(line []byte) bool {
	val, ok := jsonb.Get(line, w.name)
	text, plain := []byte(nil), true
	switch {
	case ok:
		if text, plain = jsonb.Plain(val); !plain {
			text = jsonb.AppendText(nil, val)
		}
	case w.name == "lvl": // a line without one is info
		text = []byte("info")
	default:
		return false
	}
	for _, v := range w.values {
		if prefix, some := strings.CutSuffix(v, "*"); some && strings.HasPrefix(string(text), prefix) || string(text) == v {
			return true
		}
	}
	return false
}
