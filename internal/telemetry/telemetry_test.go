package telemetry_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"vigil/internal/telemetry"
)

func TestLogger(t *testing.T) {
	for _, c := range []struct {
		format string
		level  slog.Level
		json   bool
	}{
		{"auto", slog.LevelInfo, true}, // a buffer is no terminal
		{"json", slog.LevelDebug, true},
		{"text", slog.LevelWarn, false},
		{"", slog.LevelError, true},
	} {
		var b bytes.Buffer
		log := telemetry.New(telemetry.Config{Out: &b, Level: c.level, Format: c.format}).Log
		log.Log(context.Background(), c.level-1, "below")
		log.Log(context.Background(), c.level, "at", "k", "v")
		lines := strings.Split(strings.TrimSpace(b.String()), "\n")
		if len(lines) != 1 || !strings.Contains(lines[0], "at") {
			t.Errorf("%q: %q", c.format, b.String())
		}
		if json.Valid([]byte(lines[0])) != c.json {
			t.Errorf("%q: JSON is %v, want %v: %s", c.format, !c.json, c.json, lines[0])
		}
	}
}

// TestLoggerToFile expects JSON in a file, where text is for terminals.
func TestLoggerToFile(t *testing.T) {
	f, err := os.CreateTemp(t.TempDir(), "")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	telemetry.New(telemetry.Config{Out: f}).Log.Info("x")
	if b, err := os.ReadFile(f.Name()); err != nil || !json.Valid(b) {
		t.Errorf("%q, %v", b, err)
	}
}

func get(t *testing.T, h http.Handler, method, path string) (int, string) {
	t.Helper()
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), method, path, nil))
	return w.Code, w.Body.String()
}

func TestAdmin(t *testing.T) {
	tel := telemetry.New(telemetry.Config{Out: &bytes.Buffer{}, Version: "v0.0.0-test"})
	counter := prometheus.NewCounter(prometheus.CounterOpts{Name: "vigil_sample_total", Help: "Samples."})
	tel.Registry.MustRegister(counter)
	counter.Add(3)
	var failure error
	admin := tel.Handler(
		telemetry.Check{Name: "store", Check: func() error { return failure }},
		telemetry.Check{Name: "clock", Check: func() error { return nil }},
	)
	if code, body := get(t, admin, "GET", "/live"); code != 200 || body != "ok\n" {
		t.Errorf("/live: %d %q", code, body)
	}
	if code, body := get(t, admin, "GET", "/ready"); code != 200 || body != "store: ok\nclock: ok\n" {
		t.Errorf("/ready: %d %q", code, body)
	}
	failure = errors.New("commit failed\nthe disk is gone")
	if code, body := get(t, admin, "GET", "/ready"); code != 503 || body != "store: commit failed; the disk is gone\nclock: ok\n" {
		t.Errorf("/ready of a broken store: %d %q", code, body)
	}
	if code, _ := get(t, admin, "GET", "/live"); code != 200 {
		t.Errorf("/live of a broken store: %d", code)
	}
	_, metrics := get(t, admin, "GET", "/metrics")
	for _, want := range []string{"vigil_sample_total 3", "go_goroutines", "process_resident_memory_bytes", `version="v0.0.0-test"`} {
		if !strings.Contains(metrics, want) {
			t.Errorf("/metrics has no %s", want)
		}
	}
	if code, _ := get(t, admin, "POST", "/live"); code != 405 {
		t.Errorf("POST: %d", code)
	}
	if code, _ := get(t, admin, "GET", "/events"); code != 404 {
		t.Errorf("another page: %d", code)
	}
}

// TestTwo expects that two of them share nothing.
func TestTwo(t *testing.T) {
	a, b := telemetry.New(telemetry.Config{}), telemetry.New(telemetry.Config{})
	a.Registry.MustRegister(prometheus.NewCounter(prometheus.CounterOpts{Name: "vigil_sample_total", Help: "x"}))
	b.Registry.MustRegister(prometheus.NewCounter(prometheus.CounterOpts{Name: "vigil_sample_total", Help: "x"}))
}

func TestProbe(t *testing.T) {
	status := http.StatusOK
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/ready" {
			t.Errorf("asked for %s", r.URL.Path)
		}
		w.WriteHeader(status)
	}))
	addr := s.Listener.Addr().String()
	if err := telemetry.Probe(t.Context(), addr, "/ready"); err != nil {
		t.Error(err)
	}
	status = http.StatusServiceUnavailable
	if err := telemetry.Probe(t.Context(), addr, "/ready"); err == nil {
		t.Error("503 counts as healthy")
	}
	s.Close()
	for _, addr := range []string{addr, "nonsense"} {
		if err := telemetry.Probe(t.Context(), addr, "/ready"); err == nil {
			t.Errorf("%s counts as healthy", addr)
		}
	}
}
