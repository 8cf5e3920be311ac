package main

import (
	"io"
	"net/http"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
)

// TestBodiesTogether has one face hold what limits.in-flight lets all of them hold.
func TestBodiesTogether(t *testing.T) {
	p := newProcess(t, filepath.Join(t.TempDir(), "data"))
	p.flags = []string{"--limits-in-flight", "64KiB"}
	p.mustStart()
	r, w := io.Pipe()
	defer w.Close()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+p.addr+"/events", r)
	if err != nil {
		t.Fatal(err)
	}
	req.ContentLength = 60_000
	req.Header.Set("Authorization", "Bearer "+token(t, "event_logger"))
	req.Header.Set("Content-Type", "application/json")
	go func() {
		if res, err := http.DefaultClient.Do(req); err == nil {
			res.Body.Close()
		}
	}()
	if _, err := io.WriteString(w, `{"event":"`); err != nil { // the rest does not come
		t.Fatal(err)
	}
	for heldBytes(t, p) < 60_000 {
		time.Sleep(time.Millisecond)
	}
	for _, path := range []string{"/fhir/AuditEvent", "/$loggy", "/events"} {
		if status, body, err := p.do(t.Context(), http.MethodPost, path, "admin", strings.Repeat(" ", 20_000)); err != nil || status != http.StatusServiceUnavailable {
			t.Errorf("%s: %d %.200s, %v; want 503 while %d bytes of other bodies are held", path, status, body, err, heldBytes(t, p))
		}
	}
}

// heldBytes returns the metric of the bytes of bodies.
func heldBytes(t *testing.T, p *process) int {
	t.Helper()
	res, err := http.Get("http://" + p.admin + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	found := regexp.MustCompile(`(?m)^vigil_http_bodies_bytes (\S+)$`).FindSubmatch(text)
	if found == nil {
		t.Fatal("there is no metric vigil_http_bodies_bytes")
	}
	n, err := strconv.ParseFloat(string(found[1]), 64)
	if err != nil {
		t.Fatal(err)
	}
	return int(n)
}
