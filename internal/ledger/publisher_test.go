package ledger

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// box is an output that fails as long as it is told to.
type box struct {
	mu   sync.Mutex
	fail bool
	got  [][]byte
	puts int
}

func (b *box) Put(_ context.Context, checkpoint []byte) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.puts++
	if b.fail {
		return errors.New("box is shut")
	}
	b.got = append(b.got, checkpoint)
	return nil
}

func (b *box) String() string { return "box" }

func (b *box) sizes(t *testing.T) []int64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	var out []int64
	for _, c := range b.got {
		out = append(out, must(ReadCheckpoint(c)).Size)
	}
	return out
}

// metric returns the value of a metric that has one series.
func metric(t *testing.T, r *prometheus.Registry, name string) float64 {
	t.Helper()
	for _, f := range must(r.Gather()) {
		if m := f.GetMetric(); f.GetName() == name && len(m) == 1 {
			return m[0].GetCounter().GetValue() + m[0].GetGauge().GetValue()
		}
	}
	t.Fatalf("no metric %s", name)
	return 0
}

func TestPublisher(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "guard")
	synctest.Test(t, func(t *testing.T) {
		s := newSigner(t, "log.example/a")
		l := NewLog("log.example/a", &MemoryTiles{})
		out, metrics := &box{}, prometheus.NewRegistry()
		p := must(NewPublisher(PublisherConfig{
			Log: l, Signer: s, Guard: must(OpenGuard(dir)), StoreID: "s1", Epoch: 1,
			LastIDs: func() map[string]int64 { return map[string]int64{"events": l.Size()} },
			Outputs: []Output{out}, Metrics: metrics,
		}))
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- p.Run(ctx) }()
		// Half a second past a turn, so that none is at the instant of a change.
		time.Sleep(10*time.Second + 500*time.Millisecond)
		if l.Checkpoint() != nil {
			t.Error("an empty log was signed")
		}
		fill(t, l, 10)
		time.Sleep(time.Second)
		fill(t, l, 400)
		time.Sleep(5 * time.Second)
		if c, err := OpenCheckpoint(l.Checkpoint(), s.Verifier()); err != nil || c.Size != 400 || c.Root != l.Root() {
			t.Errorf("checkpoint is %+v, %v", c, err)
		}
		if got := out.sizes(t); len(got) != 2 || got[0] != 10 || got[1] != 400 {
			t.Errorf("outputs got %v", got)
		}
		out.mu.Lock()
		out.fail, out.puts = true, 0
		out.mu.Unlock()
		for i := range 60 {
			fill(t, l, int64(401+i))
			time.Sleep(time.Second)
		}
		if c, _ := l.Signed(); c.Size < 459 {
			t.Errorf("a failing output holds up signing at %d", c.Size)
		}
		out.mu.Lock()
		if out.puts < 5 || out.puts > 10 { // 1+1+2+4+8+16+32 seconds
			t.Errorf("%d attempts in a minute", out.puts)
		}
		out.fail, out.got = false, nil
		out.mu.Unlock()
		time.Sleep(time.Minute)
		if got := out.sizes(t); len(got) != 1 || got[0] != 460 {
			t.Errorf("outputs got %v once they worked, want the newest alone", got)
		}
		if n := metric(t, metrics, "vigil_checkpoint_output_failures_total"); n < 5 {
			t.Errorf("%v failures counted", n)
		}
		fill(t, l, 461)
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
		if c, _ := l.Signed(); c.Size != 461 {
			t.Errorf("the end is not signed: %d", c.Size)
		}
		if got := out.sizes(t); got[len(got)-1] != 461 {
			t.Errorf("the end is not handed over: %v", got)
		}
		if n := metric(t, metrics, "vigil_checkpoint_size"); n != 461 {
			t.Errorf("the size is measured as %v", n)
		}
	})
}

// TestPublisherOrder breaks the guard: nothing may become visible then.
func TestPublisherOrder(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "guard")
	l := NewLog("log.example/a", &MemoryTiles{})
	fill(t, l, 5)
	out, metrics := &box{}, prometheus.NewRegistry()
	p := must(NewPublisher(PublisherConfig{
		Log: l, Signer: newSigner(t, "log.example/a"), Guard: must(OpenGuard(dir)), StoreID: "s1", Epoch: 1,
		Outputs: []Output{out}, Metrics: metrics,
	}))
	if err := os.WriteFile(dir, nil, 0o600); err != nil { // where the directory should be
		t.Fatal(err)
	}
	if p.Now(t.Context()) == nil {
		t.Fatal("published without a guard")
	}
	if l.Checkpoint() != nil || p.outputs[0].newest != nil {
		t.Error("a checkpoint is visible that the guard does not know")
	}
	if n := metric(t, metrics, "vigil_checkpoint_failures_total"); n != 1 {
		t.Errorf("%v failures counted", n)
	}
	if err := os.Remove(dir); err != nil {
		t.Fatal(err)
	}
	if err := p.Now(t.Context()); err != nil || l.Checkpoint() == nil {
		t.Errorf("not published when the guard works again: %v", err)
	}
}

// TestRollback puts a store back to older states and has the guard notice.
func TestRollback(t *testing.T) {
	g := must(OpenGuard(filepath.Join(t.TempDir(), "guard")))
	s := newSigner(t, "log.example/a")
	open := func(size, from int64, epoch int, ids map[string]int64) (*Log, *Publisher, error) {
		l := NewLog("log.example/a", &MemoryTiles{})
		for i := range size {
			l.Append(leafHash(from + i))
		}
		l.Publish(size)
		p, err := NewPublisher(PublisherConfig{
			Log: l, Signer: s, Guard: g, StoreID: "s1", Epoch: epoch,
			LastIDs: func() map[string]int64 { return ids },
		})
		return l, p, err
	}
	if _, err := g.Load("s1"); !errors.Is(err, fs.ErrNotExist) {
		t.Fatalf("a new guard: %v", err)
	}
	_, p, err := open(100, 0, 1, map[string]int64{"events": 90, "logs": 10})
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Now(t.Context()); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		size, from int64
		epoch      int
		ids        map[string]int64
		bad        bool
	}{
		"same":        {100, 0, 1, map[string]int64{"events": 90, "logs": 10}, false},
		"grown":       {300, 0, 1, map[string]int64{"events": 280, "logs": 20}, false},
		"older":       {99, 0, 1, map[string]int64{"events": 90, "logs": 9}, true},
		"empty":       {0, 0, 1, nil, true},
		"forked":      {300, 7, 1, nil, true},
		"ids back":    {100, 0, 1, map[string]int64{"events": 89, "logs": 10}, true},
		"epoch back":  {300, 0, 0, nil, true},
		"table added": {100, 0, 1, map[string]int64{"events": 90, "logs": 10, "more": 0}, false},
		"recovered":   {50, 0, 2, map[string]int64{"events": 40}, false},
	} {
		l, _, err := open(c.size, c.from, c.epoch, c.ids)
		e, ok := errors.AsType[*RollbackError](err)
		if ok != c.bad || err != nil && !ok {
			t.Errorf("%s: %v", name, err)
		}
		if c.bad && ok && (e.State.Size != 100 || !strings.Contains(err.Error(), "vigil recover")) {
			t.Errorf("%s: the error does not say what to do: %v", name, err)
		}
		if !c.bad && c.epoch == 1 && l.Checkpoint() == nil {
			t.Errorf("%s: the remembered checkpoint is not shown", name)
		}
	}
}

// TestForkIsNotSigned changes a tile under a running publisher.
func TestForkIsNotSigned(t *testing.T) {
	tiles := &MemoryTiles{}
	l := NewLog("log.example/a", tiles)
	fill(t, l, 1_000)
	p := must(NewPublisher(PublisherConfig{Log: l, Signer: newSigner(t, "log.example/a")}))
	if err := p.Now(t.Context()); err != nil {
		t.Fatal(err)
	}
	fill(t, l, 1_200)
	var told error
	l.OnDamage(func(err error) { told = err })
	tiles.tiles[tileID{0, 3}][5] ^= 1
	if err := p.Now(t.Context()); !errors.Is(err, ErrForked) {
		t.Errorf("signed over a changed tile: %v", err)
	}
	if !errors.Is(told, ErrForked) {
		t.Errorf("told %v", told)
	}
}

// TestDamageIsTold changes and removes tiles under proofs.
func TestDamageIsTold(t *testing.T) {
	for name, prove := range map[string]func(l *Log) error{
		"inclusion":               func(l *Log) error { return second(l.Proof(300, []byte("leaf 300"))) },
		"growth":                  func(l *Log) error { return second(l.Consistency(300, 1000)) },
		"growth to an older size": func(l *Log) error { return second(l.Consistency(300, 900)) },
		"tile":                    func(l *Log) error { return second(l.Tile(0, 1, 256)) },
	} {
		for _, lost := range []bool{false, true} {
			tiles := &MemoryTiles{}
			l := NewLog("log.example/a", tiles)
			for i := range 1000 {
				l.Append(HashLeaf([]byte(fmt.Sprint("leaf ", i))))
			}
			if err := l.Flush(); err != nil {
				t.Fatal(err)
			}
			l.Publish(1000)
			if err := must(NewPublisher(PublisherConfig{Log: l, Signer: newSigner(t, "log.example/a")})).Now(t.Context()); err != nil {
				t.Fatal(err)
			}
			var told error
			l.OnDamage(func(err error) { told = err })
			if err := prove(l); err != nil || told != nil {
				t.Fatalf("%s: %v, told %v", name, err, told)
			}
			if lost {
				delete(tiles.tiles, tileID{0, 1})
			} else {
				tiles.tiles[tileID{0, 1}][32*(301-256)] ^= 1
			}
			// A verifier compares a tile with the root; the server hands it on.
			if err := prove(l); (err == nil || told == nil) && (lost || name != "tile") {
				t.Errorf("%s, lost %v: %v, told %v", name, lost, err, told)
			}
		}
	}
}

func TestGuardDamage(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "guard")
	g := must(OpenGuard(dir))
	want := GuardState{StoreID: "s1", Epoch: 2, Size: 9, Root: Hash{1}, LastIDs: map[string]int64{"events": 4}, Checkpoint: []byte("x")}
	if err := g.Save(want); err != nil {
		t.Fatal(err)
	}
	none, ok := errors.AsType[*NoGuardError](second(g.Load("s2")))
	if !ok || !errors.Is(none, fs.ErrNotExist) || none.File != filepath.Join(dir, "s2.json") || !strings.Contains(none.Error(), none.File) {
		t.Errorf("a store that is not known: %v", none)
	}
	if got, err := g.Load("s1"); err != nil || got.Size != 9 || got.LastIDs["events"] != 4 || got.Root != want.Root {
		t.Fatalf("%+v, %v", got, err)
	}
	path := filepath.Join(dir, "s1.json")
	good := must(os.ReadFile(path))
	if st := must(os.Stat(path)); st.Mode().Perm() != 0o600 {
		t.Errorf("mode is %v", st.Mode())
	}
	for i := range good {
		bad := append([]byte(nil), good...)
		bad[i] ^= 1
		if err := os.WriteFile(path, bad, 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := g.Load("s1"); err == nil {
			t.Fatalf("byte %d was changed and nobody saw it", i)
		}
	}
	for _, id := range []string{"", "../s1", "a/b", "a.b", strings.Repeat("a", 65)} {
		if err := g.Save(GuardState{StoreID: id}); err == nil {
			t.Errorf("store id %q is taken", id)
		}
		if _, err := g.Load(id); err == nil || errors.Is(err, fs.ErrNotExist) {
			t.Errorf("store id %q is looked for: %v", id, err)
		}
	}
}

func TestOutputs(t *testing.T) {
	path := filepath.Join(t.TempDir(), "checkpoint")
	var hits []string
	mux := http.NewServeMux()
	mux.HandleFunc("POST /ok", func(_ http.ResponseWriter, r *http.Request) { hits = append(hits, r.Header.Get("Content-Type")) })
	mux.HandleFunc("POST /bad", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(500) })
	mux.HandleFunc("POST /moved", func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "/ok?inner=1", http.StatusTemporaryRedirect)
	})
	srv := httptest.NewServer(mux)
	defer srv.Close()
	put := func(s string) error {
		o, err := ParseOutput(s)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(o.String(), "secret") {
			t.Errorf("%s shows a secret", o)
		}
		return o.Put(t.Context(), []byte("text"))
	}
	if err := put(path); err != nil || string(must(os.ReadFile(path))) != "text" {
		t.Error(err)
	}
	if err := put("file://" + path); err != nil {
		t.Error(err)
	}
	if err := put(srv.URL + "/ok?token=secret"); err != nil || len(hits) != 1 || hits[0] != "text/plain; charset=utf-8" {
		t.Error(err, hits)
	}
	for _, bad := range []string{"/bad", "/moved", "/none"} {
		if put(srv.URL+bad) == nil {
			t.Errorf("%s is no error", bad)
		}
	}
	if len(hits) != 1 {
		t.Error("a redirect was followed")
	}
	srv.Close()
	if err := put(srv.URL + "/ok?token=secret"); err == nil || strings.Contains(err.Error(), "secret") {
		t.Errorf("no server: %v", err)
	}
	for _, bad := range []string{"", "ftp://x", "http://", "file://x"} {
		if _, err := ParseOutput(bad); err == nil {
			t.Errorf("%q is taken", bad)
		}
	}
}
