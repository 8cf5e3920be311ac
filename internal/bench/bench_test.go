package bench

import (
	"bytes"
	"context"
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

func TestCompare(t *testing.T) {
	var order strings.Builder
	contender := func(name string) Contender {
		srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, name) }))
		t.Cleanup(srv.Close)
		addr := strings.TrimPrefix(srv.URL, "http://")
		return Contender{
			Name:   name,
			Load:   func(Point) Load { return Load{Addr: addr, Requests: [][]byte{Post(addr, "/", "t", nil)}, Want: 200} },
			Settle: func(context.Context) error { order.WriteString(name); return nil },
		}
	}
	rows, err := Compare(t.Context(), []Contender{contender("a"), contender("b")}, []Point{{Name: "p", Connections: 2, Size: 10}}, 2, 20*time.Millisecond)
	if err != nil {
		t.Fatal(err)
	}
	if order.String() != "abab" || len(rows) != 1 || len(rows[0].Results) != 2 || len(rows[0].Results[1]) != 2 {
		t.Errorf("the order is %s: %+v", order.String(), rows)
	}
	if one := rows[0].Results[0][0]; rows[0].Rates(0)[0] != 10*one.Rate() {
		t.Errorf("%v requests/s of 10 events are %v", one.Rate(), rows[0].Rates(0))
	}
}

func TestWriteTable(t *testing.T) {
	results := func(p99 time.Duration, rates ...int) (out []Result) {
		for _, r := range rates {
			out = append(out, Result{Done: r, Elapsed: time.Second, P99: p99})
		}
		return out
	}
	row := Row{Point: Point{Name: "a point"}, Results: [][]Result{
		results(time.Millisecond, 100, 300, 200), results(time.Second, 10, 20, 40),
	}}
	var out strings.Builder
	if err := WriteTable(&out, "events/s", []string{"ours", "theirs"}, []Row{row}); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"| ours events/s (min–max)", "| a point", "200 (100–300)", "20 (10–40)", "10.00 (5.00–15.00)", "| 1ms", "| 1s"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("the table lacks %q:\n%s", want, out.String())
		}
	}
}
