package bench

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

func TestEvents(t *testing.T) {
	for _, c := range []struct {
		long     bool
		min, max int
	}{{false, 350, 450}, {true, 850, 960}} {
		a, b := Bodies(50, 1, c.long), Bodies(50, 1, c.long)
		sum := 0
		for i := range a {
			if !bytes.Equal(a[i], b[i]) {
				t.Fatal("the same seed gives other events")
			}
			var body struct{ Event map[string]any }
			if err := json.Unmarshal(a[i], &body); err != nil {
				t.Fatalf("%v: %s", err, a[i])
			}
			sum += len(a[i]) - len(`{"event": }`)
		}
		if mean := sum / len(a); mean < c.min || mean > c.max {
			t.Errorf("events of %d bytes, want %d to %d", mean, c.min, c.max)
		}
	}
	var rows []json.RawMessage
	if err := json.Unmarshal(Bodies(1, 1000, false)[0], &rows); err != nil || len(rows) != 1000 {
		t.Errorf("an array of %d rows, %v", len(rows), err)
	}
}

// TestLoad counts at the other end what the generator says it sent, over
// answers with a length and chunked ones.
func TestLoad(t *testing.T) {
	var got atomic.Int64
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil || r.Method != http.MethodPost || r.Header.Get("Authorization") != "Bearer t" || !json.Valid(body) {
			t.Errorf("got %s %q, %v", r.Method, body, err)
		}
		n := got.Add(1)
		w.WriteHeader(http.StatusCreated)
		if n%2 == 0 {
			io.WriteString(w, strings.Repeat("x", 5000))
			w.(http.Flusher).Flush()
			io.WriteString(w, "y")
		}
	}))
	defer srv.Close()
	addr := strings.TrimPrefix(srv.URL, "http://")
	var requests [][]byte
	for _, b := range Bodies(7, 1, false) {
		requests = append(requests, Post(addr, "/events", "t", b))
	}
	l := Load{Addr: addr, Connections: 3, Duration: 200 * time.Millisecond, Requests: requests, Want: http.StatusCreated}
	r, err := l.Run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if int64(r.Done) != got.Load() || r.Done == 0 || r.P50 > r.P99 || r.Elapsed < l.Duration {
		t.Errorf("%+v, the server got %d", r, got.Load())
	}
	l.Want = http.StatusOK
	if _, err := l.Run(t.Context()); err == nil {
		t.Error("another answer than the wanted one is taken for success")
	}
}

func TestWriteTable(t *testing.T) {
	var out strings.Builder
	row := Row{
		Point: Point{Name: "a point"}, Ours: []float64{100, 300, 200}, Peers: []float64{10, 20, 40}, Ratios: []float64{10, 15, 5},
		OurP99: []time.Duration{time.Millisecond}, P99s: []time.Duration{time.Second},
	}
	if err := WriteTable(&out, []Row{row}); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"| a point", "200 (100–300)", "20 (10–40)", "10.0 (5.0–15.0)", "| 1ms", "| 1s"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("the table lacks %q:\n%s", want, out.String())
		}
	}
}
