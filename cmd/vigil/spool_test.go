package main

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"vigil"
	"vigil/internal/spool"
)

// TestSpoolStatus says what waits in a spool whose destination took nothing, and
// that another process has one.
func TestSpoolStatus(t *testing.T) {
	dir := t.TempDir()
	s, err := spool.Open(spool.Config{
		Dir:    dir,
		Writer: vigil.WriterFunc(func(context.Context, []*vigil.Event) error { return errors.New("away") }),
		Events: func([]byte) ([]*vigil.Event, error) { return []*vigil.Event{{Table: "exchanges"}}, nil },
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Begin(t.Context(), []byte("begun")); err != nil {
		t.Fatal(err)
	}
	if _, err := s.End(t.Context(), 0, []byte("whole")); err != nil {
		t.Fatal(err)
	}
	for end := time.Now().Add(time.Minute); s.Status().Retries == 0 && time.Now().Before(end); {
		time.Sleep(time.Millisecond) // what was tried once is waiting, too
	}
	if code, out := command(t, "spool", "status", dir); code != 1 || !strings.Contains(out, "vigil_spool_waiting_bytes") {
		t.Errorf("status of a spool that is open: code %d: %s", code, out)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	code, out := command(t, "spool", "status", dir)
	for _, want := range []string{"waiting for their destination: 1 record (", "under way when the process ended: 1 request; "} {
		if code != 0 || !strings.Contains(out, want) {
			t.Errorf("status: code %d: %s; want %q", code, out, want)
		}
	}
}
