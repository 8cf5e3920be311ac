package web

import "testing"

func TestOrDefault(t *testing.T) {
	l, b := OrDefault(Limits{Depth: 7}, nil)
	want := DefaultLimits()
	want.Depth = 7
	if l != want || b == nil || b.limits != want {
		t.Fatalf("limits %+v, bodies %+v, want %+v for both", l, b, want)
	}
	own := NewBodies(Limits{Body: 1})
	if l, b = OrDefault(Limits{Body: 2, Keys: 3}, own); b != own || b.limits.Body != 1 || l.Body != 2 || l.Keys != 3 || l.Depth != DefaultLimits().Depth {
		t.Fatalf("limits %+v, bodies %+v: what was given did not stay", l, b)
	}
}
