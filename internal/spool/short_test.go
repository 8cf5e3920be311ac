package spool_test

import (
	"context"
	"strings"
	"testing"

	"vigil"
	"vigil/internal/spool"
)

// TestTooLargeForQuarantine has a Writer that takes 64 KiB at most, also for the
// quarantine: what does not fit leaves its digest and its beginning, and what
// comes after it arrives.
func TestTooLargeForQuarantine(t *testing.T) {
	var got []*vigil.Event
	w := vigil.WriterFunc(func(_ context.Context, events []*vigil.Event) error {
		for _, e := range events {
			if len(e.Doc) > 64<<10 {
				return vigil.Errorf(vigil.TooLarge, "too large")
			}
		}
		got = append(got, events...)
		return nil
	})
	s := open(t, t.TempDir(), w, func(c *spool.Config) { c.ByTable = true })
	defer s.Close()
	large := `{"large":"` + strings.Repeat("x", 100<<10) + `"}`
	for _, doc := range []string{`{"n":1}`, large, `{"n":2}`} {
		if err := s.Write(t.Context(), []*vigil.Event{{Table: vigil.TableEvents, Doc: []byte(doc)}}); err != nil {
			t.Fatal(err)
		}
	}
	flush(t, s)
	if len(got) != 3 {
		t.Fatalf("%d events", len(got))
	}
	for _, e := range got {
		if e.Table == vigil.TableQuarantine && (!strings.Contains(string(e.Doc), `"length":`) || !strings.Contains(string(e.Doc), `"sha256":"`)) {
			t.Errorf("%.300s", e.Doc)
		}
	}
	if s.Full() != nil || s.Status().Refused != 1 {
		t.Errorf("%v, %+v", s.Full(), s.Status())
	}
}
