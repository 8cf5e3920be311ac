package gateway_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"vigil"
	"vigil/gateway"
	"vigil/internal/spool"
)

// steps is a Spool that notes what happens in which order.
type steps struct {
	mu     sync.Mutex
	done   []string
	number uint64
	full   bool
	err    error
	fail   error // of Sync
	recs   [][]byte
}

func (s *steps) note(what string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.done = append(s.done, what)
}

func (s *steps) put(ctx context.Context, what string, rec []byte) (uint64, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.full {
		if ctx.Err() == nil {
			return 0, errors.New("would wait for ever")
		}
		return 0, errors.New("full")
	}
	s.done = append(s.done, what)
	s.number++
	if what == "end" {
		s.recs = append(s.recs, rec)
	}
	return s.number, nil
}

func (s *steps) Begin(ctx context.Context, rec []byte) (uint64, error) {
	return s.put(ctx, "begin", rec)
}

func (s *steps) End(ctx context.Context, _ uint64, rec []byte) (uint64, error) {
	return s.put(ctx, "end", rec)
}

func (s *steps) Sync(context.Context, uint64) error {
	s.note("sync")
	return s.fail
}

func (s *steps) Err() error { return s.err }

// answer writes to the client, noting when.
type answer struct {
	http.ResponseWriter
	s *steps
}

func (a *answer) Write(p []byte) (int, error) {
	a.s.note("write")
	return a.ResponseWriter.Write(p)
}

// TestModes fixes the order of record, upstream and answer in each mode.
func TestModes(t *testing.T) {
	big := strings.Repeat("x", 5000)
	for name, c := range map[string]struct {
		mode   gateway.Mode
		method string
		body   string
		length bool
		want   string
	}{
		"spooled":            {gateway.Spooled, "POST", "small", true, "begin upstream write end"},
		"best effort":        {gateway.BestEffort, "POST", "small", true, "begin upstream write end"},
		"strict read":        {gateway.Strict, "GET", "small", true, "begin upstream end sync write"},
		"strict read, big":   {gateway.Strict, "GET", big, true, "begin upstream sync write end sync write"},
		"strict read, chunk": {gateway.Strict, "GET", big, false, "begin upstream sync write write end sync"},
		"strict write":       {gateway.Strict, "PUT", "small", true, "begin sync upstream end sync write"},
		"strict, no body":    {gateway.Strict, "DELETE", "", false, "begin sync upstream end sync"},
	} {
		t.Run(name, func(t *testing.T) {
			s := &steps{}
			g, err := gateway.New(gateway.Config{Spool: s, Mode: func(*http.Request) gateway.Mode { return c.mode }})
			if err != nil {
				t.Fatal(err)
			}
			inner := g.Wrap(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				s.note("upstream")
				if c.length {
					w.Header()["Content-Length"] = []string{itoa(len(c.body))}
				}
				if len(c.body) > 4096 {
					io.WriteString(w, c.body[:4096])
					io.WriteString(w, c.body[4096:])
				} else if c.body != "" {
					io.WriteString(w, c.body)
				}
			}))
			status, body := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				inner.ServeHTTP(&answer{w, s}, r)
			}), c.method)
			if got := strings.Join(s.done, " "); got != c.want || status != 200 || body != c.body {
				t.Errorf("%s; status %d, %d bytes; want %s", got, status, len(body), c.want)
			}
			events, err := gateway.NewReader(gateway.ReaderConfig{}).Events(s.recs[0])
			if err != nil {
				t.Fatal(err)
			}
			var x vigil.Exchange
			if err := json.Unmarshal(events[0].Doc, &x); err != nil || !x.Complete || int(x.ResponseBytes) != len(c.body) {
				t.Errorf("recorded %+v, %v", x, err)
			}
		})
	}
}

// TestStrictRefuses expects no request upstream that cannot be recorded, and no
// answer that looks whole.
func TestStrictRefuses(t *testing.T) {
	for name, c := range map[string]struct {
		spool  *steps
		method string
		want   string
		status int // 0: the connection is broken
	}{
		"destination away": {&steps{err: errors.New("away")}, "GET", "", 503},
		"full":             {&steps{full: true}, "GET", "", 503},
		"disk, write":      {&steps{fail: errors.New("disk")}, "POST", "begin sync end", 503},
		"disk, read":       {&steps{fail: errors.New("disk")}, "GET", "begin upstream end sync", 0},
	} {
		t.Run(name, func(t *testing.T) {
			g, err := gateway.New(gateway.Config{Spool: c.spool, Mode: func(*http.Request) gateway.Mode { return gateway.Strict }})
			if err != nil {
				t.Fatal(err)
			}
			status, body := serve(t, g.Wrap(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				c.spool.note("upstream")
				w.Header().Set("Content-Length", "6")
				io.WriteString(w, "secret")
			})), c.method)
			if got := strings.Join(c.spool.done, " "); got != c.want || status != c.status || strings.Contains(body, "secret") {
				t.Errorf("%s, want %s; status %d, body %s", got, c.want, status, body)
			}
			if c.status == 503 && (g.Stats().Refused != 1 || !strings.Contains(body, "OperationOutcome")) {
				t.Errorf("stats %+v, body %s", g.Stats(), body)
			}
		})
	}
	l := &log{}
	g, err := gateway.New(gateway.Config{Writer: l, Mode: func(*http.Request) gateway.Mode { return gateway.Strict }})
	if err != nil {
		t.Fatal(err)
	}
	if status, _ := serve(t, g.Wrap(http.NotFoundHandler()), "GET"); status != 503 {
		t.Errorf("strict without a spool: %d", status)
	}
}

// TestBestEffort counts what has no record and says so when it can.
func TestBestEffort(t *testing.T) {
	s := &steps{full: true}
	g, err := gateway.New(gateway.Config{Spool: s, Name: "gw-1", Mode: func(*http.Request) gateway.Mode { return gateway.BestEffort }})
	if err != nil {
		t.Fatal(err)
	}
	h := g.Wrap(http.NotFoundHandler())
	for range 3 {
		if status, _ := serve(t, h, "GET"); status != 404 {
			t.Fatal(status)
		}
	}
	if g.Stats().Lost != 3 {
		t.Errorf("stats %+v", g.Stats())
	}
	s.full = false
	serve(t, h, "GET")
	if g.Stats().Lost != 0 || len(s.recs) != 2 {
		t.Fatalf("stats %+v, %d records", g.Stats(), len(s.recs))
	}
	events, err := gateway.NewReader(gateway.ReaderConfig{}).Events(s.recs[1])
	if err != nil || len(events) != 1 || events[0].Table != vigil.TableSystem {
		t.Fatalf("%v, %v", events, err)
	}
	var doc struct {
		Severity, Action, Message string
		Source                    struct{ Observer string }
		Entity                    struct{ Detail []map[string]any }
	}
	if err := json.Unmarshal(events[0].Doc, &doc); err != nil || doc.Severity != "error" || doc.Action != "gap" ||
		doc.Source.Observer != "gw-1" || doc.Entity.Detail[0]["lost"] != 3.0 || !strings.HasPrefix(doc.Message, "3 requests") {
		t.Errorf("%s, %v", events[0].Doc, err)
	}
}

// TestStalledWriter has a Writer that takes nothing for a while, in front of
// which records wait in memory: requests wait too, and then each is recorded.
func TestStalledWriter(t *testing.T) {
	l := &log{}
	release := make(chan struct{})
	w := vigil.WriterFunc(func(ctx context.Context, events []*vigil.Event) error {
		<-release
		return l.Write(ctx, events)
	})
	s := start(t, http.NotFoundHandler(), func(c *gateway.Config) { c.Writer, c.MaxPending = w, 4000 })
	s.log = l
	const n = 40
	var wg sync.WaitGroup
	ended := make(chan struct{}, n)
	for range n {
		wg.Go(func() {
			s.get("/fhir/Patient/p")
			ended <- struct{}{}
		})
	}
	time.Sleep(50 * time.Millisecond)
	if len(ended) == n {
		t.Error("no request waited")
	}
	close(release)
	wg.Wait()
	if all := s.exchanges(); len(all) != n {
		t.Errorf("%d of %d", len(all), n)
	}
}

// TestRefusingWriter has a Writer that refuses one event for good.
func TestRefusingWriter(t *testing.T) {
	l := &log{}
	w := vigil.WriterFunc(func(ctx context.Context, events []*vigil.Event) error {
		if slices.ContainsFunc(events, func(e *vigil.Event) bool { return strings.Contains(string(e.Doc), `"key":"bad"`) }) {
			return vigil.Errorf(vigil.Invalid, "no")
		}
		return l.Write(ctx, events)
	})
	s := start(t, http.NotFoundHandler(), func(c *gateway.Config) { c.Writer = w })
	s.log = l
	for _, id := range []string{"a", "bad", "b"} {
		s.get("/fhir/Patient/" + id)
	}
	all := s.exchanges()
	if len(all) != 2 || all[0].Key != "a" || all[1].Key != "b" || len(l.all()) != 3 {
		t.Errorf("%d events, %+v", len(l.all()), all)
	}
}

// TestSpool runs a gateway over the spool on disk, with the store away, over a
// restart: every exchange arrives once.
func TestSpool(t *testing.T) {
	dir := t.TempDir()
	l := &log{}
	away := vigil.WriterFunc(func(context.Context, []*vigil.Event) error { return errors.New("away") })
	reader := gateway.NewReader(gateway.ReaderConfig{})
	open := func(w vigil.Writer) *spool.Spool {
		sp, err := spool.Open(spool.Config{Dir: dir, Writer: w, Events: reader.Events})
		if err != nil {
			t.Fatal(err)
		}
		return sp
	}
	sp := open(away)
	modes := []gateway.Mode{gateway.Spooled, gateway.Strict, gateway.BestEffort}
	var n int
	var mu sync.Mutex
	s := start(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, `{"resourceType":"Patient","id":"`+r.URL.Path[len("/fhir/Patient/"):]+`","meta":{"versionId":"7"}}`)
	}), func(c *gateway.Config) {
		c.Spool, c.Writer = sp, nil
		c.Mode = func(*http.Request) gateway.Mode { mu.Lock(); defer mu.Unlock(); n++; return modes[n%3] }
	})
	s.log = l
	const total = 60
	for i := range total {
		s.get("/fhir/Patient/p-" + itoa(i))
	}
	if err := sp.Close(); err != nil {
		t.Fatal(err)
	}
	sp = open(l)
	defer sp.Close()
	if err := sp.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	all := s.exchanges()
	if len(all) != total {
		t.Fatalf("%d of %d", len(all), total)
	}
	for i, x := range all {
		if x.Key != "p-"+itoa(i) || x.Version != "7" || !x.Complete {
			t.Errorf("%d: %+v", i, x)
		}
	}
}

// TestInterrupted reads a record that began and never ended.
func TestInterrupted(t *testing.T) {
	var begun []byte
	s := &beginning{f: func(rec []byte) { begun = rec }}
	g, err := gateway.New(gateway.Config{Spool: s})
	if err != nil {
		t.Fatal(err)
	}
	serve(t, g.Wrap(http.NotFoundHandler()), "DELETE")
	events, err := gateway.NewReader(gateway.ReaderConfig{}).Events(begun)
	if err != nil {
		t.Fatal(err)
	}
	var x vigil.Exchange
	if err := json.Unmarshal(events[0].Doc, &x); err != nil || x.Status != 0 || x.Complete || x.Interaction != "delete" ||
		x.Error != "the gateway was stopped before the exchange ended" {
		t.Errorf("%s, %v", events[0].Doc, err)
	}
}

type beginning struct {
	steps
	f func([]byte)
}

func (b *beginning) Begin(_ context.Context, rec []byte) (uint64, error) {
	b.f(slices.Clone(rec))
	return 1, nil
}
