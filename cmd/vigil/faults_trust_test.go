package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// TestFaultNoGuard puts an older copy of the store back and takes its guard
// away: the server signs nothing until the guard is back or vigil recover says
// why there is none.
func TestFaultNoGuard(t *testing.T) {
	p := newProcess(t, filepath.Join(t.TempDir(), "store"))
	p.mustStart()
	p.mustPost("old")
	p.stop()
	backup := filepath.Join(t.TempDir(), "backup")
	if err := os.CopyFS(backup, os.DirFS(p.dir)); err != nil {
		t.Fatal(err)
	}
	p.mustStart()
	p.mustPost("new")
	signed := p.checkpoint()
	p.stop()
	if err := os.RemoveAll(p.dir); err != nil {
		t.Fatal(err)
	}
	if err := os.CopyFS(p.dir, os.DirFS(backup)); err != nil {
		t.Fatal(err)
	}
	restoreModes(t, p.dir)
	guards, err := filepath.Glob(p.dir + ".guard/*.json")
	if err != nil || len(guards) != 1 {
		t.Fatalf("guards: %v, %v", guards, err)
	}
	if err := os.Remove(guards[0]); err != nil {
		t.Fatal(err)
	}

	p.start()
	if why := p.notReady(); !strings.Contains(why, guards[0]) || !strings.Contains(why, "vigil recover") {
		t.Errorf("/ready does not say what is missing and what to do: %s", why)
	}
	if status, _, err := p.do(t.Context(), http.MethodPost, "/events", "event_logger", `{"event": {"n": "refused"}}`); err != nil || status != http.StatusServiceUnavailable {
		t.Errorf("a write to a store without a guard: %d, %v", status, err)
	}
	time.Sleep(1200 * time.Millisecond) // a checkpoint would be signed
	if status, body, err := p.do(t.Context(), http.MethodGet, "/log/checkpoint", "", ""); err != nil || status == http.StatusOK {
		t.Errorf("a checkpoint was signed: %d %s %v", status, body, err)
	}
	p.stop()
	for _, cmd := range []string{"verify", "check"} {
		if code, out := command(t, cmd, "--store", "dir:"+p.dir); code != 1 || !strings.Contains(out, "no rollback guard") {
			t.Errorf("vigil %s: code %d:\n%s", cmd, code, out)
		}
	}
	if code, out := command(t, "recover", "--store", "dir:"+p.dir, "--reason", "the guard's disk is gone"); code != 0 {
		t.Fatalf("vigil recover: code %d:\n%s", code, out)
	}
	p.mustStart()
	p.mustPost("after")
	origin := func(checkpoint string) string { return strings.SplitN(checkpoint, "\n", 2)[0] }
	if again := p.checkpoint(); origin(again) != origin(signed)+"/e2" {
		t.Errorf("the new epoch is signed as %q, the old one was as %q", origin(again), origin(signed))
	}
	p.stop()
	verify(t, p.dir)
}

// TestFaultNoKey removes the key of a log that was signed: no other is made in
// its place, unless somebody names one.
func TestFaultNoKey(t *testing.T) {
	p := newProcess(t, filepath.Join(t.TempDir(), "store"))
	p.mustStart()
	p.checkpoint()
	_, first, err := p.do(t.Context(), http.MethodGet, "/log/key", "", "")
	if err != nil {
		t.Fatal(err)
	}
	p.stop()
	key := filepath.Join(p.dir, "log.key")
	if err := os.Rename(key, key+".aside"); err != nil {
		t.Fatal(err)
	}
	p.start()
	p.waitEnd()
	if out := p.out.String(); p.err == nil || !strings.Contains(out, key) || !strings.Contains(out, "--signing-key") {
		t.Errorf("the server ended with %v:\n%s", p.err, out)
	}
	if _, err := os.Stat(key); err == nil {
		t.Error("another key was made in its place")
	}
	p.flags = []string{"--signing-key", filepath.Join(t.TempDir(), "new.key")}
	p.mustStart()
	_, second, err := p.do(t.Context(), http.MethodGet, "/log/key", "", "")
	if err != nil || second == first {
		t.Errorf("the new key is %q, the old one was %q: %v", second, first, err)
	}
	p.checkpoint()
	p.stop()
	p.flags = nil
	if err := os.Rename(key+".aside", key); err != nil {
		t.Fatal(err)
	}
	p.mustStart()
	keys := []string{first, second, first}
	var starts []string // the third is written behind the start
	for deadline := time.Now().Add(time.Minute); len(starts) <= len(keys) && time.Now().Before(deadline); {
		_, body, err := p.do(t.Context(), http.MethodGet, "/system?select=m:event->>message&event->>message=like.vigil%20started*&order=id", "auditor", "")
		if err != nil {
			t.Fatal(err)
		}
		starts = strings.SplitAfter(body, "}")
	}
	if len(starts) != len(keys)+1 {
		t.Fatalf("%d starts are recorded: %s", len(starts)-1, starts)
	}
	for i, started := range starts[:len(keys)] {
		if !strings.Contains(started, "checkpoints are signed by "+strings.TrimSpace(keys[i])+`"`) {
			t.Errorf("start %d is recorded as %s, the key was %s", i, started, keys[i])
		}
	}
	p.stop()
	verify(t, p.dir)
}

// TestFaultImportedStore serves a store that was filled before any server ran:
// nothing was signed, so its key is made.
func TestFaultImportedStore(t *testing.T) {
	p := newProcess(t, filepath.Join(t.TempDir(), "store"))
	file := filepath.Join(t.TempDir(), "events.ndjson")
	if err := os.WriteFile(file, []byte(`{"id": 7, "event": {"n": "imported"}}`+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if code, out := command(t, "import", "--store", "dir:"+p.dir, file); code != 0 {
		t.Fatalf("vigil import: code %d:\n%s", code, out)
	}
	p.mustStart()
	contains(t, p.stored(), []string{"imported"})
	p.checkpoint()
	p.stop()
	verify(t, p.dir)
}

// TestFaultDamageWhileRunning changes a byte of a sealed block under a running
// server: reading it makes the damage known to everybody who looks.
func TestFaultDamageWhileRunning(t *testing.T) {
	p := newProcess(t, filepath.Join(t.TempDir(), "store"))
	p.flags = []string{"--set", "head-size=64KiB"}
	p.mustStart()
	const secretText = "confidential-text"
	var sealed []string
	for i := 0; len(sealed) == 0 && i < 400; i++ {
		body := `{"event": {"n": "` + fmt.Sprint(i) + `", "text": "` + secretText + randomText(2000) + `"}}`
		if status, _, err := p.do(t.Context(), http.MethodPost, "/events", "event_logger", body); err != nil || status != http.StatusCreated {
			t.Fatalf("status %d, %v", status, err)
		}
		sealed, _ = filepath.Glob(filepath.Join(p.dir, "segments", "*.events.seg"))
	}
	if len(sealed) == 0 {
		t.Fatal("nothing was sealed")
	}
	p.stop()
	p.mustStart()
	f, err := os.OpenFile(sealed[0], os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteAt([]byte("XXXX"), 200); err != nil {
		t.Fatal(err)
	}
	if status, _, err := p.do(t.Context(), http.MethodGet, "/events?select=n:event->>n", "auditor", ""); err == nil && status == http.StatusOK {
		t.Error("a part of the table was answered as if it were whole")
	}
	if why := p.notReady(); !strings.Contains(why, filepath.Base(sealed[0])) || !strings.Contains(why, "files:") || !strings.Contains(why, "store: ok") {
		t.Errorf("/ready says %s", why)
	}
	resp, err := http.Get("http://" + p.admin + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	metrics, err := io.ReadAll(resp.Body)
	if err != nil || !regexp.MustCompile(`(?m)^vigil_store_damage_total [1-9]`).Match(metrics) {
		t.Errorf("the damage is not counted: %v", err)
	}
	if log := p.out.String(); strings.Count(log, "a file is damaged") != 1 || strings.Contains(log, secretText) {
		t.Errorf("the log has:\n%s", log)
	}
	p.mustPost("more")
	p.stop()
}

// mustPost adds an event with the number n.
func (p *process) mustPost(n string) {
	p.t.Helper()
	status, body, err := p.do(context.Background(), http.MethodPost, "/events", "event_logger", `{"event": {"n": "`+n+`"}}`)
	if err != nil || status != http.StatusCreated {
		p.t.Fatalf("event %s: %d %s %v\n%s", n, status, body, err, p.out)
	}
}

// checkpoint waits for a checkpoint and returns it.
func (p *process) checkpoint() string {
	p.t.Helper()
	for range 2400 {
		status, body, err := p.do(context.Background(), http.MethodGet, "/log/checkpoint", "", "")
		if err == nil && status == http.StatusOK {
			return body
		}
		time.Sleep(25 * time.Millisecond)
	}
	p.t.Fatalf("no checkpoint was signed:\n%s", p.out)
	return ""
}

// notReady waits until the server says why it is not ready, and returns that.
func (p *process) notReady() string {
	p.t.Helper()
	for range 2400 {
		resp, err := http.Get("http://" + p.admin + "/ready")
		if err == nil {
			body, rerr := io.ReadAll(resp.Body)
			resp.Body.Close()
			if rerr == nil && resp.StatusCode == http.StatusServiceUnavailable {
				return string(body)
			}
		}
		time.Sleep(25 * time.Millisecond)
	}
	p.t.Fatalf("the server never said that it is not ready:\n%s", p.out)
	return ""
}
