package transfer_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"vigil/internal/transfer"
)

// table is a target that knows keys, and that now and then takes records without
// saying so, or does not take them.
type table struct {
	mu    sync.Mutex
	keys  map[string]bool
	docs  []string
	fails func() (before, after bool)
}

var errAway = errors.New("the target is away")

func (t *table) Append(_ context.Context, key string, records []transfer.Record) (bool, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	before, after := false, false
	if t.fails != nil {
		before, after = t.fails()
	}
	if before {
		return false, errAway
	}
	merged := t.keys[key]
	if !merged {
		for _, r := range records {
			if strings.Contains(string(r.Doc), "refuse") {
				return false, &transfer.Refusal{Err: errors.New("not this one")}
			}
		}
		t.keys[key] = true
		for _, r := range records {
			t.docs = append(t.docs, string(r.Doc))
		}
	}
	if after {
		return false, errAway
	}
	return merged, nil
}

func (t *table) have() []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return append([]string(nil), t.docs...)
}

// following is a file that is followed, with what writes to it.
type following struct {
	t       *testing.T
	path    string
	target  *table
	refused []string
	told    []string
	stop    func()
	n       int
}

func newFollowing(t *testing.T) *following {
	f := &following{t: t, path: filepath.Join(t.TempDir(), "app.log"), target: &table{keys: map[string]bool{}}}
	t.Cleanup(func() {
		if f.stop != nil {
			f.stop()
		}
	})
	return f
}

// start follows the file until stop is called.
func (f *following) start() {
	ctx, cancel := context.WithCancel(context.Background())
	fo := &transfer.Follow{
		Target: f.target, Path: f.path, Cursor: f.path + ".follow", Poll: 2 * time.Millisecond, Grace: 20 * time.Millisecond, MaxBytes: 512, MaxRecord: 4096,
		Refused: func(b *transfer.BadRecord) error { f.refused = append(f.refused, string(b.Text)); return nil },
		Tell:    func(err error) { f.told = append(f.told, err.Error()) },
	}
	done := make(chan error, 1)
	go func() { done <- fo.Run(ctx) }()
	f.stop = func() {
		cancel()
		if err := <-done; err != nil {
			f.t.Error(err)
		}
		f.stop = nil
	}
}

// write appends n lines to a file.
func (f *following) write(n int) {
	var b strings.Builder
	for range n {
		f.n++
		fmt.Fprintf(&b, `{"ev":"log","ts":"2026-01-01T00:00:00.000Z","n":%d}`+"\n", f.n)
	}
	f.append(b.String())
}

func (f *following) append(text string) {
	f.t.Helper()
	file, err := os.OpenFile(f.path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		f.t.Fatal(err)
	}
	if _, err := file.WriteString(text); err != nil {
		f.t.Fatal(err)
	}
	if err := file.Close(); err != nil {
		f.t.Fatal(err)
	}
}

// check waits until every line that was written is there, and expects each once
// and in order.
func (f *following) check() {
	f.t.Helper()
	for end := time.Now().Add(time.Minute); len(f.target.have()) < f.n && time.Now().Before(end); {
		time.Sleep(time.Millisecond)
	}
	docs := f.target.have()
	for i, doc := range docs {
		if !strings.HasSuffix(doc, fmt.Sprintf(`"n":%d}`, i+1)) {
			f.t.Fatalf("line %d is %s", i+1, doc)
		}
	}
	if len(docs) != f.n {
		f.t.Fatalf("%d lines of %d", len(docs), f.n)
	}
}

func (f *following) rename(to string) {
	f.t.Helper()
	if err := os.Rename(f.path, f.path+to); err != nil {
		f.t.Fatal(err)
	}
}

func TestFollow(t *testing.T) {
	f := newFollowing(t)
	f.start() // before there is a file
	f.write(30)
	f.check()
	f.append(`{"ev":"log",`) // a line comes in parts
	time.Sleep(10 * time.Millisecond)
	f.n++
	f.append(fmt.Sprintf(`"n":%d}`, f.n))
	time.Sleep(10 * time.Millisecond)
	if n := len(f.target.have()); n != f.n-1 {
		t.Fatalf("%d lines: one without its end was taken", n)
	}
	f.append("\n")
	f.check()
	f.rename(".1")
	f.write(20)
	f.check()
	f.stop()
	f.write(3)
	f.rename(".old")
	time.Sleep(20 * time.Millisecond) // the times of files may be in steps of the scheduler's
	f.write(5)
	time.Sleep(20 * time.Millisecond)
	f.rename(".2")
	f.write(7)
	f.start() // rotated twice while nobody followed
	f.check()
	f.stop()
	f.start()
	f.write(1)
	f.check()
	if f.told != nil || f.refused != nil {
		t.Errorf("told %v, refused %v", f.told, f.refused)
	}
}

// TestFollowTruncated: a file that is copied and truncated, as logrotate's
// copytruncate does it, while it is followed and while not.
func TestFollowTruncated(t *testing.T) {
	f := newFollowing(t)
	f.write(40)
	for round := range 4 {
		if round%2 == 0 {
			f.start()
			f.check()
		} else {
			f.start()
			f.check()
			f.stop()
			f.write(10) // these are in the copy alone
		}
		b, err := os.ReadFile(f.path)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(fmt.Sprintf("%s.%d", f.path, round+1), b, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Truncate(f.path, 0); err != nil {
			t.Fatal(err)
		}
		time.Sleep(5 * time.Millisecond)
		f.write(3)
		if f.stop == nil {
			f.start()
		}
		f.check()
		f.stop()
	}
}

// TestFollowFaults: the target fails before and after it took lines, and the
// program ends at any time. Every line is there once.
func TestFollowFaults(t *testing.T) {
	f := newFollowing(t)
	r := rand.New(rand.NewPCG(1, 2))
	f.target.fails = func() (bool, bool) { return r.IntN(3) == 0, r.IntN(3) == 0 }
	for i := range 40 {
		f.write(1 + i%20)
		f.start()
		time.Sleep(time.Duration(i%5) * 2 * time.Millisecond)
		if i%7 == 6 {
			f.stop()
			f.rename(fmt.Sprintf(".%d", i))
		} else {
			f.stop()
		}
	}
	f.write(1)
	f.start()
	f.check()
}

// TestFollowBad: what is no line of JSON, or is refused, is told and passed.
func TestFollowBad(t *testing.T) {
	f := newFollowing(t)
	f.write(2)
	f.append("a stack trace\n{\"refuse\":1}\n\n" + strings.Repeat("x", 9000) + "\n")
	f.write(2)
	f.start()
	f.check()
	f.stop()
	if len(f.refused) < 3 || f.refused[0] != "a stack trace" || !strings.Contains(strings.Join(f.refused, "\n"), `{"refuse":1}`) {
		t.Errorf("refused %.100q", f.refused)
	}
	// A cursor that cannot be read is an error, not a new beginning.
	if err := os.WriteFile(f.path+".follow", []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	fo := &transfer.Follow{Target: f.target, Path: f.path, Cursor: f.path + ".follow"}
	if err := fo.Run(context.Background()); err == nil || !strings.Contains(err.Error(), "remove it") {
		t.Errorf("damaged cursor: %v", err)
	}
	// Where the file is another one the import goes on, and says so.
	if err := os.Remove(f.path + ".follow"); err != nil {
		t.Fatal(err)
	}
	f.target.docs, f.target.keys, f.n = nil, map[string]bool{}, 0
	if err := os.Remove(f.path); err != nil {
		t.Fatal(err)
	}
	f.write(5)
	f.start()
	f.check()
	f.stop()
	if err := os.Remove(f.path); err != nil {
		t.Fatal(err)
	}
	f.write(1)
	f.start()
	f.check()
	f.stop()
	if len(f.told) != 1 {
		t.Errorf("told %v", f.told)
	}
}

// TestFollowPipe takes lines of a pipe as they come, and the rest at its end.
func TestFollowPipe(t *testing.T) {
	f := newFollowing(t)
	r, w := io.Pipe()
	n := 0
	f.target.fails = func() (bool, bool) { n++; return n%2 == 1, false }
	fo := &transfer.Follow{Target: f.target, Poll: time.Millisecond}
	done := make(chan error, 1)
	go func() { done <- fo.Pipe(context.Background(), r) }()
	f.n = 2
	fmt.Fprint(w, `{"n":1}`+"\n"+`{"n":2}`+"\n")
	f.check() // though the pipe goes on
	f.n = 3
	fmt.Fprint(w, `{"n":3}`)
	w.Close()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	f.check()
	broken, w := io.Pipe()
	w.CloseWithError(errAway)
	if err := fo.Pipe(context.Background(), broken); !errors.Is(err, errAway) {
		t.Errorf("broken pipe: %v", err)
	}
}

// TestFollowPipeInterrupted ends a pipe while its target is away: what was read
// goes over when the target is back for the last attempt, or the end is an error.
func TestFollowPipeInterrupted(t *testing.T) {
	for _, back := range []bool{true, false} {
		f := newFollowing(t)
		ctx, interrupt := context.WithCancel(context.Background())
		tried := make(chan struct{}, 1)
		f.target.fails = func() (bool, bool) {
			select {
			case tried <- struct{}{}:
			default:
			}
			return ctx.Err() == nil || !back, false
		}
		r, w := io.Pipe()
		fo := &transfer.Follow{Target: f.target, Poll: time.Millisecond, Grace: 50 * time.Millisecond}
		if back {
			fo.Grace = time.Minute
		}
		done := make(chan error, 1)
		go func() { done <- fo.Pipe(ctx, r) }()
		fmt.Fprint(w, `{"n":1}`+"\n")
		<-tried
		interrupt()
		if err := <-done; (err == nil) != back {
			t.Errorf("target back: %v, the end is %v", back, err)
		}
		if got := len(f.target.have()); (got == 1) != back {
			t.Errorf("target back: %v, it has %d lines", back, got)
		}
		w.Close()
	}
}
