package bench

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"vigil/internal/freeport"
)

// upstreamFor starts the upstream in this process.
func upstreamFor(t *testing.T) string {
	t.Helper()
	return listening(t, ServeUpstream)
}

// listening runs a server until the test ends, and waits until it listens.
func listening(t *testing.T, serve func(ctx context.Context, addr string) error) string {
	t.Helper()
	addr, err := freeport.Addr()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- serve(ctx, addr) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	for range 500 {
		if res, err := http.Get("http://" + addr + "/fhir/metadata"); err == nil {
			res.Body.Close()
			return addr
		}
		time.Sleep(5 * time.Millisecond)
	}
	t.Fatal("the server does not answer")
	return ""
}

func TestUpstream(t *testing.T) {
	upstream := upstreamFor(t)
	proxy := listening(t, func(ctx context.Context, addr string) error {
		return ServeProxy(ctx, addr, "http://"+upstream, http.DefaultTransport.(*http.Transport).Clone())
	})
	for _, addr := range []string{upstream, proxy} {
		f := Front{Name: "x", Addr: addr}
		for _, c := range []Contender{f.Reader("t"), f.Uploader("t"), f.Creator("t")} {
			l := c.Load(Point{})
			l.Connections, l.Duration = 4, 200*time.Millisecond
			if r, err := l.Run(t.Context()); err != nil || r.Done < 4 {
				t.Errorf("%s: %d requests, %v", addr, r.Done, err)
			}
		}
		// A body of unknown length is read to its end, too.
		for range 2 {
			res, err := http.Post("http://"+addr+"/fhir/Binary", "text/plain", io.LimitReader(strings.NewReader(strings.Repeat("x", 1<<20)), 1<<19))
			if err != nil {
				t.Fatal(err)
			}
			body, err := io.ReadAll(res.Body)
			res.Body.Close()
			if err != nil || res.StatusCode != http.StatusCreated || string(body) != patient {
				t.Errorf("%d %q, %v", res.StatusCode, body, err)
			}
		}
	}
	if n := len(upload("x", "t")); n < 200_000 || n > 201_000 {
		t.Errorf("uploads of %d bytes", n)
	}
}

func TestNginx(t *testing.T) {
	p, err := StartNginx(t.Context(), filepath.Join(t.TempDir(), "nginx"), upstreamFor(t))
	if errors.Is(err, exec.ErrNotFound) {
		t.Skip("nginx is not installed")
	}
	if err != nil {
		t.Fatal(err)
	}
	f := Front{Name: "nginx", Addr: p.Addr}
	for _, c := range []Contender{f.Reader("t"), f.Uploader("t")} {
		l := c.Load(Point{})
		l.Connections, l.Duration = 4, 50*time.Millisecond
		if _, err := l.Run(t.Context()); err != nil {
			t.Error(err)
		}
	}
	if err := p.Stop(); err != nil {
		t.Error(err)
	}
	if _, err := http.Get("http://" + p.Addr); err == nil {
		t.Error("nginx goes on")
	}
}

// TestOpenLoop has a server stop for a while: a closed loop would see one slow
// request on each connection, an open one every request that was to be sent then.
func TestOpenLoop(t *testing.T) {
	var asked atomic.Int64
	begun := time.Now()
	srv := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		asked.Add(1)
		if s := time.Since(begun); s > 100*time.Millisecond && s < 300*time.Millisecond {
			time.Sleep(300*time.Millisecond - s)
		}
	}))
	defer srv.Close()
	addr := strings.TrimPrefix(srv.URL, "http://")
	l := OpenLoop{Addr: addr, Connections: 4, Rate: 400, Duration: 500 * time.Millisecond, Request: Get(addr, "/", "t"), Want: 200}
	begun = time.Now()
	r, err := l.Run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if r.Done != 200 || asked.Load() != 200 {
		t.Errorf("%d requests, %d asked, want 200", r.Done, asked.Load())
	}
	// Two fifths of the requests were meant to be sent while it stood.
	if r.P99 < 120*time.Millisecond || r.P50 > r.P99 {
		t.Errorf("p50 %s, p99 %s: the stop is not seen", r.P50, r.P99)
	}
	l.Want = http.StatusTeapot
	if _, err := l.Run(t.Context()); err == nil {
		t.Error("another answer than the wanted one is taken for success")
	}
}

func TestCompareOpen(t *testing.T) {
	addr, settled := upstreamFor(t), 0
	fronts := []Front{
		{Name: "direct", Addr: addr},
		{Name: "ours", Addr: addr, Settle: func(context.Context) error { settled++; return nil }},
	}
	all, err := CompareOpen(t.Context(), fronts, "t", 3, 60*time.Millisecond)
	if err != nil {
		t.Fatal(err)
	}
	if len(all) != 2 || len(all[1].Results) != 3 || settled != 4 || all[0].Results[0].Done != 60 {
		t.Errorf("settled %d times: %+v", settled, all)
	}
	all[0].Results = []Result{{P50: 100 * time.Microsecond, P99: time.Millisecond}}
	all[1].Results = []Result{{P50: 250 * time.Microsecond, P99: 2 * time.Millisecond}}
	var out strings.Builder
	if err := WriteLatencies(&out, all, "direct"); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"| p50 to direct", "250 (250–250)", "| 2ms", "2.50 (2.50–2.50)", "150 (150–150)"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("the table lacks %q:\n%s", want, out.String())
		}
	}
}

func TestDrained(t *testing.T) {
	asked, text := 0, "vigil_other 1\nvigil_spool_waiting_bytes{gateway=\"a\"} 0\nvigil_spool_waiting_bytes{gateway=\"b\"} 1.5e+06\n"
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if asked++; asked == 3 {
			text = strings.Replace(text, "1.5e+06", "0", 1)
		}
		io.WriteString(w, text)
	}))
	defer srv.Close()
	v := &Vigil{Admin: strings.TrimPrefix(srv.URL, "http://")}
	if err := v.Drained(t.Context()); err != nil || asked < 3 {
		t.Errorf("asked %d times, %v", asked, err)
	}
	text = "vigil_other 1\n"
	if err := v.Drained(t.Context()); err == nil {
		t.Error("no spool is an empty one")
	}
}
