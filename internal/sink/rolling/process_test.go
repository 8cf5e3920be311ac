package rolling

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"vigil"
)

// TestMain makes the test binary a writer when it is started as one.
func TestMain(m *testing.M) {
	role, path := os.Getenv("ROLLING_TEST_ROLE"), os.Getenv("ROLLING_TEST_PATH")
	var err error
	switch role {
	case "":
		os.Exit(m.Run())
	case "kill":
		err = writeForever(path)
	case "shared":
		err = writeShared(path, os.Getenv("ROLLING_TEST_NAME"))
	case "full":
		err = writeFull(path)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func child(role, path string, env ...string) *exec.Cmd {
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(append(os.Environ(), "ROLLING_TEST_ROLE="+role, "ROLLING_TEST_PATH="+path), env...)
	cmd.Stderr = os.Stderr
	return cmd
}

// longLine is long enough for a kill to come in its middle.
func longLine(n int) string {
	return fmt.Sprintf("%08d %s", n, strings.Repeat(string(rune('a'+n%26)), 3000))
}

// writeForever writes numbered lines, tells each number that is written, and
// goes on behind what the parent says was the last one.
func writeForever(path string) error {
	var from int
	if _, err := fmt.Sscan(os.Getenv("ROLLING_TEST_NAME"), &from); err != nil {
		return err
	}
	o := Options{Path: path, SizeLimit: 20_000, Line: plain}
	if strings.HasSuffix(path, ".gen") {
		o.SizeLimit, o.MaxLines = 0, 7
	}
	f, err := Open(o)
	if err != nil {
		return err
	}
	out := bufio.NewWriterSize(os.Stdout, 1)
	for n := from; ; n++ {
		if err := f.Write(context.Background(), []*vigil.Event{event("%s", longLine(n))}); err != nil {
			return err
		}
		fmt.Fprintln(out, n)
		out.Flush()
	}
}

// TestKill kills a writer that rolls all the time, again and again, and expects
// every line that was written to be in exactly one file, whole; the one that was
// being written may be there twice, once cut.
func TestKill(t *testing.T) {
	rounds := 12
	if testing.Short() {
		rounds = 5
	}
	for _, name := range []string{"log.txt", "log.gen"} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			next := 0
			for round := range rounds {
				cmd := child("kill", filepath.Join(dir, name), fmt.Sprintf("ROLLING_TEST_NAME=%d", next))
				out, err := cmd.StdoutPipe()
				if err != nil {
					t.Fatal(err)
				}
				if err := cmd.Start(); err != nil {
					t.Fatal(err)
				}
				r := bufio.NewReader(out)
				for i, stop := 0, 10+round*13; ; i++ {
					var n int
					if _, err := fmt.Fscanln(r, &n); err != nil {
						break
					}
					next = n + 1
					if i == stop {
						// Not waited for: what it wrote until it died counts as well.
						if err := cmd.Process.Kill(); err != nil {
							t.Fatal(err)
						}
					}
				}
				if err := cmd.Wait(); err == nil || cmd.ProcessState.Sys().(syscall.WaitStatus).Signal() != syscall.SIGKILL {
					t.Fatalf("the writer ended by itself: %v", err)
				}
			}
			checkLines(t, dir, next, rounds)
		})
	}
}

// checkLines expects each line below next at least once, and no more than extra
// double or broken ones.
func checkLines(t *testing.T, dir string, next, extra int) {
	t.Helper()
	seen := map[string]int{}
	total := 0
	for _, text := range files(t, dir) {
		for line := range strings.SplitSeq(strings.TrimSuffix(text, "\n"), "\n") {
			if line != "" {
				seen[line]++
				total++
			}
		}
	}
	for n := range next {
		if seen[longLine(n)] == 0 {
			t.Fatalf("line %d of %d is not there", n, next)
		}
	}
	if next < 20 || total > next+2*extra {
		t.Errorf("%d lines for %d written", total, next)
	}
}

const sharedLines = 2000

// writeShared writes its lines to a file that others write to as well.
func writeShared(path, name string) error {
	f, err := Open(Options{Path: path, SizeLimit: 20_000, Shared: true, Line: plain})
	if err != nil {
		return err
	}
	for n := range sharedLines {
		if err := f.Write(context.Background(), []*vigil.Event{event("%s %04d %s", name, n, strings.Repeat(name, n%90))}); err != nil {
			return err
		}
	}
	return f.Close()
}

// TestShared lets three processes write to the same rolling file and expects
// every line of each, whole and in its order.
func TestShared(t *testing.T) {
	dir := t.TempDir()
	var writers []*exec.Cmd
	for _, name := range []string{"x", "y", "z"} {
		cmd := child("shared", filepath.Join(dir, "log.txt"), "ROLLING_TEST_NAME="+name)
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		writers = append(writers, cmd)
	}
	for _, cmd := range writers {
		if err := cmd.Wait(); err != nil {
			t.Fatal(err)
		}
	}
	n := newNames(filepath.Join(dir, "log.txt"), Infinite)
	all, err := n.members()
	if err != nil {
		t.Fatal(err)
	}
	next := map[string]int{}
	for i := len(all) - 1; i >= 0; i-- {
		text := files(t, dir)[all[i].name]
		if i > 0 && len(text) < 20_000 || len(text) > 20_000+200 {
			t.Errorf("%s has %d bytes", all[i].name, len(text))
		}
		for line := range strings.SplitSeq(strings.TrimSuffix(text, "\n"), "\n") {
			name, rest, _ := strings.Cut(line, " ")
			want := fmt.Sprintf("%04d %s", next[name], strings.Repeat(name, next[name]%90))
			if rest != want {
				t.Fatalf("%s: %q, want %q", all[i].name, line, want)
			}
			next[name]++
		}
	}
	if next["x"] != sharedLines || next["y"] != sharedLines || next["z"] != sharedLines || len(all) < 10 {
		t.Errorf("lines %v in %d files", next, len(all))
	}
}

// writeFull writes until the system takes only a part of a line, then goes on
// with more room. The limit of a file's size ends a write in its middle as a full
// disk does.
func writeFull(path string) error {
	signal.Ignore(syscall.SIGXFSZ)
	var all syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_FSIZE, &all); err != nil {
		return err
	}
	for i, shared := range []bool{false, true} {
		path := fmt.Sprint(path, i)
		f, err := Open(Options{Path: path, Shared: shared, Line: plain})
		if err != nil {
			return err
		}
		if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &syscall.Rlimit{Cur: 25, Max: all.Max}); err != nil {
			return err
		}
		first, second := []*vigil.Event{event("0123456789")}, []*vigil.Event{event("line two"), event("cut in the middle")}
		err = errors.Join(f.Write(context.Background(), first))
		if err != nil {
			return err
		}
		for range 3 {
			if err := f.Write(context.Background(), second); !errors.Is(err, syscall.EFBIG) {
				return fmt.Errorf("written with no room: %w", err)
			}
			second = second[len(second)-1:] // the first of them was taken
			if b, _ := os.ReadFile(path); string(b) != "0123456789\nline two\n" {
				return fmt.Errorf("with no room the file is %q", b)
			}
		}
		if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &all); err != nil {
			return err
		}
		if err := f.Write(context.Background(), second); err != nil {
			return err
		}
		if b, _ := os.ReadFile(path); string(b) != "0123456789\nline two\ncut in the middle\n" {
			return fmt.Errorf("the file is %q", b)
		}
	}
	return nil
}

func TestFullDisk(t *testing.T) {
	if out, err := child("full", filepath.Join(t.TempDir(), "log")).Output(); err != nil {
		t.Fatal(err, string(out))
	}
}

// TestFlushInterval expects a sync in the background, and its failure to be told.
func TestFlushInterval(t *testing.T) {
	f := open(t, Options{Path: filepath.Join(t.TempDir(), "log"), FlushInterval: time.Millisecond})
	write(t, f, "x")
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(time.Millisecond) {
		f.mu.Lock()
		dirty := f.dirty
		f.mu.Unlock()
		if !dirty {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("never synced")
		}
	}
}
