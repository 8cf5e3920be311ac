package search

import (
	"cmp"
	"strings"
	"time"

	"vigil/internal/format/fhir"
)

// sortValue is the value of one term of _sort in an event.
type sortValue struct {
	missing bool
	when    time.Time
	text    string
}

// sortValues returns the event's values of the terms of _sort. Of several values
// of one parameter the lowest counts, and the highest where it is sorted downwards.
func (s *Search) sortValues(n *fhir.Node) []sortValue {
	out := make([]sortValue, len(s.Sort))
	for i, k := range s.Sort {
		out[i].missing = true
		c := condition{parameter: k.of}
		c.some(n, func(e *fhir.Node) bool {
			for _, v := range valuesOf(k.of.typ, e) {
				if order := compareValues(v, out[i]); out[i].missing || k.Desc && order > 0 || !k.Desc && order < 0 {
					out[i] = v
				}
			}
			return false
		})
	}
	return out
}

// valuesOf returns what an element is sorted by.
func valuesOf(t Type, e *fhir.Node) []sortValue {
	text := func(s string) []sortValue {
		if s == "" {
			return nil
		}
		return []sortValue{{text: s}}
	}
	switch t {
	case Date:
		if when, ok := instant(e); ok {
			return []sortValue{{when: when}}
		}
		return nil
	case Reference:
		if r := text(e.Child("reference").Text()); r != nil {
			return r
		}
		return text(e.Get("identifier", "value").Text())
	case String:
		return text(folded(e.Text()))
	}
	if e.Kind != fhir.Object {
		return text(e.Text())
	}
	out := text(e.Child("code").Text())
	for _, c := range e.All("coding") {
		out = append(out, text(c.Child("code").Text())...)
	}
	return out
}

func compareValues(a, b sortValue) int {
	if c := a.when.Compare(b.when); c != 0 {
		return c
	}
	return strings.Compare(a.text, b.text)
}

// key is an event's place in the answer.
type key struct {
	values []sortValue // of [Search.Sort], or one time
	index  int64
}

// compare orders two keys as the answer has them: by the values, what has none
// last, then the newest in the log first.
func (o *order) compare(a, b *key) int {
	for i := range a.values {
		x, y := a.values[i], b.values[i]
		if x.missing != y.missing {
			if x.missing {
				return 1
			}
			return -1
		}
		if c := compareValues(x, y); c != 0 {
			if o.desc[i] {
				return -c
			}
			return c
		}
	}
	if o.oldestFirst {
		return cmp.Compare(a.index, b.index)
	}
	return cmp.Compare(b.index, a.index)
}
