package spool_test

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"vigil"
	"vigil/internal/spool"
)

// TestMain is the process that TestKill kills, when it is asked to be.
func TestMain(m *testing.M) {
	if dir := os.Getenv("SPOOL_TEST_DIR"); dir != "" {
		work(dir, os.Getenv("SPOOL_TEST_OUT"), os.Getenv("SPOOL_TEST_NAME"))
		return
	}
	os.Exit(m.Run())
}

// work begins and ends records as fast as it can and says on standard output
// what was taken. Its Writer appends to a file, batch by batch, with the keys.
func work(dir, out, name string) {
	f, err := os.OpenFile(out, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		panic(err)
	}
	s, err := spool.Open(spool.Config{Dir: dir, Events: asEvent, BatchEvents: 5, Purge: 5 * time.Millisecond, Writer: fileWriter(f), ByKey: os.Getenv("SPOOL_TEST_BYKEY") != ""})
	if err != nil {
		panic(err)
	}
	var mu sync.Mutex
	for g := range 4 {
		go func() {
			for i := 0; ; i++ {
				rec := fmt.Sprintf("%s-%d-%d", name, g, i)
				n, err := s.Begin(context.Background(), []byte(rec+"-begun"))
				if err != nil {
					panic(err)
				}
				say(&mu, rec+"-begun")
				if _, err := s.End(context.Background(), n, []byte(rec)); err != nil {
					panic(err)
				}
				say(&mu, rec)
			}
		}()
	}
	select {}
}

func say(mu *sync.Mutex, s string) {
	mu.Lock()
	defer mu.Unlock()
	os.Stdout.WriteString(s + "\n")
}

// fileWriter writes a batch as one line with one write(2): its key, then its
// events.
func fileWriter(f *os.File) vigil.Writer {
	return vigil.WriterFunc(func(ctx context.Context, events []*vigil.Event) error {
		line, _ := spool.Key(ctx)
		for _, e := range events {
			line += " " + string(e.Doc)
		}
		_, err := f.WriteString(line + "\n")
		return err
	})
}

// TestKill kills a process again and again while it writes. In the end every
// record that was taken is there, once, or as begun if its end was not taken.
func TestKill(t *testing.T) {
	t.Run("events", func(t *testing.T) { killAgain(t, false) })
	t.Run("key", func(t *testing.T) { killAgain(t, true) })
}

func killAgain(t *testing.T, byKey bool) {
	t.Parallel()
	dir, out := t.TempDir(), t.TempDir()+"/out"
	taken := map[string]bool{}
	for round := range 4 {
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), "SPOOL_TEST_DIR="+dir, "SPOOL_TEST_OUT="+out, fmt.Sprintf("SPOOL_TEST_NAME=r%d", round))
		if byKey {
			cmd.Env = append(cmd.Env, "SPOOL_TEST_BYKEY=1")
		}
		cmd.Stderr = os.Stderr
		stdout, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		n := 0
		for lines := bufio.NewScanner(stdout); lines.Scan(); {
			taken[lines.Text()] = true
			if n++; n == 30 { // however long its start took
				time.AfterFunc(time.Duration(100+100*round)*time.Millisecond, func() { cmd.Process.Kill() })
			}
		}
		cmd.Wait() // it was killed
	}
	f, err := os.OpenFile(out, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	flush(t, open(t, dir, fileWriter(f)))
	check(t, out, taken)
}

func check(t *testing.T, out string, taken map[string]bool) {
	t.Helper()
	b, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	keys, seen := map[string]string{}, map[string]bool{}
	for line := range strings.Lines(string(b)) {
		key, docs, _ := strings.Cut(strings.TrimSpace(line), " ")
		if before, ok := keys[key]; ok {
			if before != docs {
				t.Fatalf("the key %s came with other events", key)
			}
			continue // a store would have known it
		}
		keys[key] = docs
		for doc := range strings.FieldsSeq(docs) {
			if seen[doc] {
				t.Errorf("%s is there twice", doc)
			}
			seen[doc] = true
		}
	}
	lost := 0
	for rec := range taken {
		name, begun := strings.CutSuffix(rec, "-begun")
		if !seen[name] && !(begun && seen[rec]) {
			lost++
		}
		if begun && seen[name] && seen[rec] {
			t.Errorf("%s is there as ended and as begun", name)
		}
	}
	if lost > 0 || len(taken) < 100 {
		t.Errorf("%d of %d records are lost", lost, len(taken))
	}
}
