package main

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestSendWaits sends to a server whose disk is full at first.
func TestSendWaits(t *testing.T) {
	answers := []int{http.StatusInsufficientStorage, http.StatusBadGateway, http.StatusCreated}
	var keys []string
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		keys = append(keys, r.Header.Get("Idempotency-Key"))
		w.WriteHeader(answers[min(len(keys), len(answers))-1])
	}))
	defer srv.Close()
	file := filepath.Join(t.TempDir(), "a.json")
	if err := os.WriteFile(file, []byte(`{"resourceType":"AuditEvent"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	var out, errs bytes.Buffer
	code := run(t.Context(), []string{"send", "--to", srv.URL, file}, &stdio{In: strings.NewReader(""), Out: &out, Err: &errs, Dir: t.TempDir()})
	if code != 0 || out.String() != "1 taken, 0 in quarantine, 0 refused\n" {
		t.Errorf("code %d, %s%s", code, out.String(), errs.String())
	}
	if len(keys) != 3 || len(slices.Compact(keys)) != 1 || keys[0] == "" {
		t.Errorf("sent under the keys %q, want one three times", keys)
	}
}
