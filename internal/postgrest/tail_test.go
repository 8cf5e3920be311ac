package postgrest

import (
	"bufio"
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"vigil/internal/auth"
	"vigil/internal/store"
)

// follower reads a live tail.
type follower struct {
	t      *testing.T
	res    *http.Response
	lines  *bufio.Scanner
	cancel context.CancelFunc
}

func follow(t *testing.T, h http.Handler, path string, headers ...[2]string) *follower {
	t.Helper()
	srv := httptest.NewServer(h)
	t.Cleanup(srv.Close)
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	t.Cleanup(cancel)
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, srv.URL+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Accept", "text/event-stream")
	for _, hd := range headers {
		r.Header.Set(hd[0], hd[1])
	}
	res, err := srv.Client().Do(r)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { res.Body.Close() })
	return &follower{t, res, bufio.NewScanner(res.Body), cancel}
}

// next returns the next event as "id data", or how often the tail said that it
// lives before it ended.
func (f *follower) next() string {
	f.t.Helper()
	id := ""
	for f.lines.Scan() {
		line := f.lines.Text()
		if v, ok := strings.CutPrefix(line, "id: "); ok {
			id = v
		}
		if v, ok := strings.CutPrefix(line, "data: "); ok {
			return id + " " + v
		}
	}
	return "end"
}

func (f *follower) want(events ...string) {
	f.t.Helper()
	for _, want := range events {
		if got := f.next(); got != want {
			f.t.Fatalf("got %q, want %q", got, want)
		}
	}
}

func TestTail(t *testing.T) {
	for _, st := range stores {
		t.Run(st.name, func(t *testing.T) {
			s := st.open(t, store.Config{Now: clock})
			fill(t, s, "events", `{"n":1}`, `{"n":2,"skip":true}`, `{"n":3}`)
			f := newFace(t, s)

			live := follow(t, f, "/events?select=event->n&event->skip=is.null")
			if ct := live.res.Header.Get("Content-Type"); ct != "text/event-stream; charset=utf-8" {
				t.Error(ct)
			}
			replay := follow(t, f, "/events?event->skip=is.null&limit=3&since=1")
			again := follow(t, f, "/events?select=id&since=0", [2]string{"Last-Event-ID", "2"})
			timed := follow(t, f, "/events?select=id&since="+clock().UTC().Format(time.RFC3339))
			late := follow(t, f, "/events?select=id&since=2099-01-01T00:00:00Z")

			replay.want(`3 {"id":3,"event":{"n": 3}}`)
			again.want(`3 {"id":3}`)
			timed.want(`1 {"id":1}`, `2 {"id":2}`, `3 {"id":3}`)
			fill(t, s, "logs", `{"other":"table"}`)
			fill(t, s, "events", `{"n":4,"skip":true}`)
			fill(t, s, "events", `{"n":5}`, `{"n":6}`)
			live.want(`5 {"n":5}`, `6 {"n":6}`)
			replay.want(`5 {"id":5,"event":{"n": 5}}`, `6 {"id":6,"event":{"n": 6}}`, "end")
			again.want(`4 {"id":4}`, `5 {"id":5}`)
			late.want(`4 {"id":4}`)
		})
	}
}

func TestTailRefuses(t *testing.T) {
	f := newFace(t, openMemory(t, store.Config{}))
	accept := [2]string{"Accept", "text/event-stream"}
	for path, want := range map[string]string{
		"/events?order=id.desc":       "PGRST100",
		"/events?order=event":         "PGRST100",
		"/events?offset=1":            "PGRST100",
		"/events?select=count()":      "PGRST100",
		"/events?nope=eq.1":           "42703",
		"/events?since=yesterday":     "22023",
		"/events?event->a=foo.1":      "PGRST100",
		"/system":                     "42501",
		"/events?since=1&select=nope": "42703",
	} {
		if status, body := f.get(t, path, accept); status/100 != 4 || errorOf(t, body).Code != want {
			t.Errorf("%s: %d %s, want %s", path, status, body, want)
		}
	}
	// Without the form of a tail, since is a filter like any other word.
	if status, _ := f.get(t, "/events?since=1"); status != 400 {
		t.Error(status)
	}
	if res := f.exchange(t, "HEAD", "/events", [][2]string{accept}, ""); res.StatusCode != 406 {
		t.Error(res.StatusCode)
	}
}

// A tail says that it lives, and ends with its token, by the face's clock.
func TestTailLivesAndEnds(t *testing.T) {
	f := newFace(t, openMemory(t, store.Config{}), func(c *Config) {
		a, err := auth.New(auth.Config{Secrets: []string{secret}, Now: clock})
		if err != nil {
			t.Fatal(err)
		}
		c.Authenticate = a.Authenticate
	})
	short, err := auth.Mint(secret, "auditor", clock().Add(time.Second), nil)
	if err != nil {
		t.Fatal(err)
	}
	tail := follow(t, f, "/events", [2]string{"Authorization", "Bearer " + short})
	beats := 0
	for tail.lines.Scan() {
		if tail.lines.Text() == ":" {
			beats++
		}
	}
	if err := tail.lines.Err(); err != nil || beats < 2 {
		t.Errorf("%d heartbeats, %v", beats, err)
	}
}

// A client that goes away ends its tail; so does a server that stops.
func TestTailIsCancelled(t *testing.T) {
	s := openMemory(t, store.Config{})
	f := newFace(t, s)
	ended := make(chan struct{})
	h := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer close(ended)
		f.ServeHTTP(w, r)
	})
	tail := follow(t, h, "/events")
	fill(t, s, "events", "1")
	tail.want(`1 {"id":1,"event":1}`)
	tail.cancel()
	select {
	case <-ended:
	case <-time.After(time.Minute):
		t.Fatal("the tail goes on without a client")
	}
}
