package web

import "testing"

func TestReadable(t *testing.T) {
	for raw, want := range map[string]string{
		"event-%3E%3Esubject=eq.Patient%2F1": "event->>subject=eq.Patient/1",
		"event->>subject=eq.Patient/1":       "event->>subject=eq.Patient/1",
		"event->>m=eq.a+b":                   "event->>m=eq.a b",
		"x=eq.%zz":                           "x=eq.%zz",
		"x=eq.%FF":                           "x=eq.\uFFFD",
	} {
		if got := Readable(raw); got != want {
			t.Errorf("Readable(%q) = %q, want %q", raw, got, want)
		}
	}
}
