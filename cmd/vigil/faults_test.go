package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// long says that the long form of the fault tests is wanted: make faults.
func long() bool { return os.Getenv("FAULTS") == "long" }

// refused names a fault that this machine does not let happen. Nothing else may
// be left out in CI.
func refused(t *testing.T, fault string, err error) {
	t.Helper()
	t.Skipf("left out: this machine refuses %s: %v", fault, err)
}

// TestFaultKill kills the server at random moments while eight clients write:
// what was acknowledged is stored, nothing twice, and the tree holds.
func TestFaultKill(t *testing.T) {
	rounds := 20
	if long() {
		rounds = 500
	}
	if testing.Short() {
		rounds = 3
	}
	p := newProcess(t, filepath.Join(t.TempDir(), "store"))
	var acked []string
	var slowest time.Duration
	for round := range rounds {
		start := time.Now()
		p.mustStart()
		slowest = max(slowest, time.Since(start))
		ctx, cancel := context.WithCancel(t.Context())
		killed := make(chan struct{})
		go func() {
			defer close(killed)
			time.Sleep(time.Duration(20+rand.IntN(200)) * time.Millisecond)
			p.kill()
			cancel()
		}()
		got, err := p.writers(ctx, 8, fmt.Sprint(round))
		<-killed
		if err != nil {
			t.Fatal(err)
		}
		acked = append(acked, got...)
		// A start proves the tail that a kill can hurt; the whole store, which
		// grows, is proved now and then, or the time would grow with its square.
		if rounds <= 20 || round%25 == 24 {
			verify(t, p.dir)
		}
	}
	verify(t, p.dir)
	p.mustStart()
	contains(t, p.stored(), acked)
	t.Logf("%d rounds, %d acknowledged, slowest start %s", rounds, len(acked), slowest)
}

// traced says whether strace can follow and inject here.
func traced(t *testing.T) {
	t.Helper()
	path, err := exec.LookPath("strace")
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("strace is not installed: scripts/tools.sh installs it")
		}
		t.Skip("left out: strace is not installed")
	}
	if out, err := exec.Command(path, "-f", "-e", "inject=fsync:error=EIO", "true").CombinedOutput(); err != nil {
		refused(t, "ptrace", fmt.Errorf("%w: %s", err, out))
	}
}

// TestFaultKillAtSystemCall kills the server at the Nth write, sync or rename,
// for every N from the first call of a start into hundreds of commits and their
// checkpoints. strace counts the calls of each thread, so the same N is another
// call in each round.
func TestFaultKillAtSystemCall(t *testing.T) {
	traced(t)
	step := 1
	if testing.Short() {
		step = 7
	}
	for _, calls := range []string{"pwrite64,pwritev,pwritev2,write", "fdatasync,fsync"} {
		t.Run(strings.SplitN(calls, ",", 2)[0], func(t *testing.T) { killAt(t, calls, step, true) })
	}
	// Commits neither rename nor truncate: those calls are of starts and checkpoints.
	t.Run("rename", func(t *testing.T) {
		killAt(t, "renameat,renameat2,rename,unlinkat,ftruncate,fallocate,linkat,mkdirat", step, false)
	})
}

// killAt kills a server at the Nth of the calls, for N from 1 until three rounds
// in a row got through all their commits. With commits some of the kills must
// have come after an acknowledgement.
func killAt(t *testing.T, calls string, step int, commits bool) {
	each, bound := 100, 60
	if long() {
		each, bound = 1000, 500
	}
	p := newProcess(t, filepath.Join(t.TempDir(), "store"))
	var acked []string
	kills, between, survivors := 0, 0, 0
	for n := 1; survivors < 3 && n <= bound; n += step {
		p.args = []string{"strace", "-f", "-qq", "-o", "/dev/null", "-e", "trace=" + calls, "-e", fmt.Sprintf("inject=%s:signal=KILL:when=%d", calls, n)}
		p.start()
		got, survived := []string(nil), p.up()
		for i := 0; survived && i < each; i++ {
			name := fmt.Sprintf("%d-%d", n, i)
			status, _, err := p.do(t.Context(), http.MethodPost, "/events", "event_logger", `{"event": {"n": "`+name+`"}}`)
			survived = err == nil
			if survived && status == http.StatusCreated {
				got = append(got, name)
			}
		}
		if survived {
			time.Sleep(1200 * time.Millisecond) // a checkpoint is signed
			select {
			case <-p.end:
				survived = false
			default:
			}
		}
		p.kill()
		acked = append(acked, got...)
		if survived {
			survivors++
			continue
		}
		survivors = 0
		if kills++; len(got) > 0 {
			between++
		}
	}
	t.Logf("%d kills, %d of them after an acknowledgement; %d acknowledged", kills, between, len(acked))
	if kills == 0 || commits && between == 0 {
		t.Error("no kill came where it was meant to")
	}
	p.args = nil
	p.mustStart()
	contains(t, p.stored(), acked)
	p.stop()
	verify(t, p.dir)
}

// TestFaultSync makes the Nth sync fail: the server stops acknowledging, ends
// with a failure, and has what it acknowledged.
func TestFaultSync(t *testing.T) {
	traced(t)
	last := 6
	if long() {
		last = 60
	}
	p := newProcess(t, filepath.Join(t.TempDir(), "store"))
	p.mustStart()
	p.stop()
	var acked []string
	for n := 1; n <= last; n++ {
		p.args = []string{"strace", "-f", "-qq", "-o", "/dev/null", "-e", "trace=fdatasync", "-e", fmt.Sprintf("inject=fdatasync:error=EIO:when=%d+", n)}
		p.start()
		if p.up() {
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
			got, err := p.writers(ctx, 4, fmt.Sprint(n))
			cancel()
			if err != nil {
				t.Fatal(err)
			}
			acked = append(acked, got...)
		}
		p.waitEnd()
		if p.err == nil {
			t.Fatalf("the server ended well although its %d. sync failed:\n%s", n, p.out)
		}
	}
	p.args = nil
	p.mustStart()
	contains(t, p.stored(), acked)
	p.stop()
	verify(t, p.dir)
}

// TestFaultDiskFull fills a small disk: 507, reading goes on, and writing goes
// on by itself when there is room again.
func TestFaultDiskFull(t *testing.T) {
	disk := t.TempDir()
	if err := syscall.Mount("tmpfs", disk, "tmpfs", 0, "size=192m"); err != nil {
		refused(t, "mount", err)
	}
	t.Cleanup(func() { _ = syscall.Unmount(disk, syscall.MNT_DETACH) })
	ballast := filepath.Join(disk, "ballast")
	p := newProcess(t, filepath.Join(disk, "store"))
	p.mustStart()
	if err := os.WriteFile(ballast, make([]byte, 80<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	filler := `{"event": {"n": "%s", "filler": "` + strings.Repeat("0123456789abcdef", 4096) + `"}}`
	var acked []string
	full := false
	for i := 0; i < 5000 && !full; i++ {
		name := fmt.Sprint(i)
		body := strings.Replace(filler, "%s", name, 1)
		if i%2 == 1 { // what does not compress
			body = strings.Replace(body, "0123456789abcdef", randomText(60_000), 1)
		}
		status, text, err := p.do(t.Context(), http.MethodPost, "/events", "event_logger", body)
		switch {
		case err != nil:
			t.Fatalf("event %s: %v\n%s", name, err, p.out)
		case status == http.StatusCreated:
			acked = append(acked, name)
		case status == http.StatusInsufficientStorage:
			full = true
			if !strings.Contains(text, `"message"`) {
				t.Errorf("507 without an error object: %s", text)
			}
		case status != http.StatusServiceUnavailable:
			t.Fatalf("event %s: status %d: %s", name, status, text)
		}
	}
	if !full {
		t.Fatalf("the disk never got full after %d events", len(acked))
	}
	contains(t, p.stored(), acked)
	if p.ready() {
		t.Error("/ready says that a store on a full disk takes events")
	}
	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	resumed := false
	for range 600 {
		status, _, err := p.do(t.Context(), http.MethodPost, "/events", "event_logger", `{"event": {"n": "resumed"}}`)
		if err != nil {
			t.Fatalf("after there was room again: %v\n%s", err, p.out)
		}
		if status == http.StatusCreated {
			resumed = true
			break
		}
		time.Sleep(100 * time.Millisecond)
	}
	if !resumed {
		t.Fatalf("writing did not go on when there was room again:\n%s", p.out)
	}
	if !p.ready() {
		t.Error("/ready fails although writing goes on")
	}
	gap := false
	for range 600 {
		_, body, err := p.do(t.Context(), http.MethodGet, "/system?event->>message=like.gap*", "auditor", "")
		if err != nil {
			t.Fatal(err)
		}
		if gap = strings.Contains(body, "gap"); gap {
			break
		}
		time.Sleep(100 * time.Millisecond)
	}
	if !gap {
		t.Error("what could not be written while the disk was full was not recorded as a gap")
	}
	p.stop()
	p.mustStart()
	contains(t, p.stored(), append(acked, "resumed"))
	p.stop()
	verify(t, p.dir)
}

func randomText(n int) string {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte('a' + rand.IntN(26))
	}
	return string(b)
}

// TestFaultTwoWriters starts a second server on the same directory: it refuses
// with a clear word, and the first goes on.
func TestFaultTwoWriters(t *testing.T) {
	p := newProcess(t, filepath.Join(t.TempDir(), "store"))
	p.mustStart()
	q := newProcess(t, p.dir)
	q.start()
	q.waitEnd()
	if q.err == nil || !strings.Contains(q.out.String(), "another process") {
		t.Errorf("the second server ended with %v:\n%s", q.err, q.out)
	}
	if status, body, err := p.do(t.Context(), http.MethodPost, "/events", "event_logger", `{"event": {"n": "1"}}`); err != nil || status != http.StatusCreated {
		t.Errorf("the first server answers %d %s %v", status, body, err)
	}
}

// TestFaultRestoredBackup puts an older copy of the store back: the server
// starts read-only and signs nothing until vigil recover opens a new epoch.
func TestFaultRestoredBackup(t *testing.T) {
	p := newProcess(t, filepath.Join(t.TempDir(), "store"))
	post := func(n string) int {
		t.Helper()
		status, _, err := p.do(t.Context(), http.MethodPost, "/events", "event_logger", `{"event": {"n": "`+n+`"}}`)
		if err != nil {
			t.Fatalf("%v\n%s", err, p.out)
		}
		return status
	}
	p.mustStart()
	if post("old") != http.StatusCreated {
		t.Fatal("the first event was not taken")
	}
	p.stop()
	backup := filepath.Join(t.TempDir(), "backup")
	if err := os.CopyFS(backup, os.DirFS(p.dir)); err != nil {
		t.Fatal(err)
	}
	p.mustStart()
	for i := range 10 {
		if post(fmt.Sprint("new", i)) != http.StatusCreated {
			t.Fatal("an event was not taken")
		}
	}
	p.stop()
	if err := os.RemoveAll(p.dir); err != nil {
		t.Fatal(err)
	}
	if err := os.CopyFS(p.dir, os.DirFS(backup)); err != nil {
		t.Fatal(err)
	}
	restoreModes(t, p.dir)
	p.start()
	deadline := time.Now().Add(time.Minute)
	for {
		status, _, err := p.do(t.Context(), http.MethodGet, "/events?select=id", "auditor", "")
		if err == nil && status == http.StatusOK {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("the restored store is not read: %d %v\n%s", status, err, p.out)
		}
		time.Sleep(20 * time.Millisecond)
	}
	if status := post("refused"); status != http.StatusServiceUnavailable {
		t.Errorf("the restored store answers a write with %d", status)
	}
	if p.stored()["refused"] != 0 {
		t.Error("the restored store kept a refused event")
	}
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	p.waitEnd()
	if code, out := command(t, "recover", "--store", "dir:"+p.dir, "--reason", "the disk was replaced; restored from the backup"); code != 0 {
		t.Fatalf("vigil recover: code %d:\n%s", code, out)
	}
	p.mustStart()
	if post("after") != http.StatusCreated {
		t.Error("the recovered store takes no event")
	}
	status, body, err := p.do(t.Context(), http.MethodGet, "/system?event->>message=like.*epoch*", "auditor", "")
	if err != nil || status != http.StatusOK || !strings.Contains(body, "restored from the backup") {
		t.Errorf("the new epoch's reason is not in the log: %d %s %v", status, body, err)
	}
	p.stop()
	verify(t, p.dir)
}

// restoreModes gives copied files the modes that the store asks for.
func restoreModes(t *testing.T, dir string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			return os.Chmod(path, 0o700)
		}
		return os.Chmod(path, 0o600)
	})
	if err != nil {
		t.Fatal(err)
	}
}
