package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"vigil/internal/auth"
	"vigil/internal/freeport"
)

// secret signs the tokens of every server in these tests.
const secret = "a-secret-for-tests-only-0123456789"

// process is a vigil serve of its own, which can be killed.
type process struct {
	t     testing.TB
	dir   string // the store, or the state directory of a database
	store string // address of a database; empty: the store is dir
	addr  string
	admin string
	args  []string // before the command: strace and its options
	env   []string
	flags []string

	cmd *exec.Cmd
	out *output
	end chan struct{} // closed when the process is gone
	err error         // of Wait, after end
}

// output collects what a process prints, for the message of a failing test.
type output struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.String()
}

// newProcess chooses ports for a server over dir.
func newProcess(t testing.TB, dir string) *process {
	p := &process{t: t, dir: dir, addr: freeAddr(t), admin: freeAddr(t)}
	t.Cleanup(func() {
		if t.Failed() && p.out != nil {
			out := p.out.String()
			t.Logf("the server said last:\n%s", out[max(0, len(out)-4096):])
		}
	})
	return p
}

func freeAddr(t testing.TB) string {
	t.Helper()
	addr, err := freeport.Addr()
	if err != nil {
		t.Fatal(err)
	}
	return addr
}

// start starts the process without waiting for it.
func (p *process) start() {
	p.t.Helper()
	args := append(p.args, os.Args[0], "serve", "--listen", p.addr, "--admin", p.admin)
	if p.store == "" {
		args = append(args, "--store", "dir:"+p.dir)
	} else {
		args = append(args, "--state-dir", p.dir)
		p.env = append(p.env, "VIGIL_STORE="+p.store)
	}
	args = append(args, p.flags...)
	p.cmd = exec.Command(args[0], args[1:]...)
	p.cmd.Env = append(os.Environ(), "AS_VIGIL=1", "PGRST_JWT_SECRET="+secret)
	p.cmd.Env = append(p.cmd.Env, p.env...)
	p.cmd.Dir = filepath.Dir(p.dir)
	p.out = &output{}
	p.cmd.Stdout, p.cmd.Stderr = p.out, p.out
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	p.cmd.WaitDelay = time.Second
	if err := p.cmd.Start(); err != nil {
		p.t.Fatal(err)
	}
	p.end = make(chan struct{})
	go func(cmd *exec.Cmd, end chan struct{}) {
		p.err = cmd.Wait()
		close(end)
	}(p.cmd, p.end)
	p.t.Cleanup(p.kill)
}

// up waits until the server is ready, and reports whether it got there before
// it ended.
func (p *process) up() bool {
	for range 9000 {
		select {
		case <-p.end:
			return false
		default:
		}
		resp, err := http.Get("http://" + p.admin + "/ready")
		if err == nil {
			resp.Body.Close()
			if resp.StatusCode == http.StatusOK {
				return true
			}
		}
		time.Sleep(10 * time.Millisecond)
	}
	return false
}

// ready reports whether the server says that it takes events.
func (p *process) ready() bool {
	p.t.Helper()
	resp, err := http.Get("http://" + p.admin + "/ready")
	if err != nil {
		p.t.Fatal(err)
	}
	resp.Body.Close()
	return resp.StatusCode == http.StatusOK
}

// mustStart starts the server and waits until it is ready.
func (p *process) mustStart() {
	p.t.Helper()
	p.start()
	if !p.up() {
		p.kill()
		p.t.Fatalf("the server did not get ready:\n%s", p.out)
	}
}

// kill ends the process and what it started, at once.
func (p *process) kill() {
	_ = syscall.Kill(-p.cmd.Process.Pid, syscall.SIGKILL) // it may be gone
	<-p.end
}

// stop ends the server as an operator does.
func (p *process) stop() {
	p.t.Helper()
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		p.t.Fatal(err)
	}
	p.waitEnd()
	if p.err != nil {
		p.t.Fatalf("the server ended with %v:\n%s", p.err, p.out)
	}
}

// waitEnd waits until the process is gone.
func (p *process) waitEnd() {
	p.t.Helper()
	select {
	case <-p.end:
	case <-time.After(30 * time.Second):
		p.kill()
		p.t.Fatalf("the server did not end:\n%s", p.out)
	}
}

// token returns a token of a role.
func token(t testing.TB, role string) string {
	t.Helper()
	s, err := auth.Mint(secret, role, time.Time{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// do sends a request and returns status and body.
func (p *process) do(ctx context.Context, method, path, role, body string) (int, string, error) {
	req, err := http.NewRequestWithContext(ctx, method, "http://"+p.addr+path, strings.NewReader(body))
	if err != nil {
		return 0, "", err
	}
	if role != "" {
		req.Header.Set("Authorization", "Bearer "+token(p.t, role))
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, "", err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	return resp.StatusCode, string(b), err
}

// stored reads every event of the table back and returns the numbers n of the
// documents with how often each is there. It fails where an id comes twice.
func (p *process) stored() map[string]int {
	p.t.Helper()
	status, body, err := p.do(context.Background(), http.MethodGet, "/events?select=id,n:event->>n", "auditor", "")
	if err != nil || status != http.StatusOK {
		p.t.Fatalf("read back: status %d: %v", status, err)
	}
	var rows []struct {
		ID int64
		N  string
	}
	if err := json.Unmarshal([]byte(body), &rows); err != nil {
		p.t.Fatal(err)
	}
	found, last := map[string]int{}, int64(0)
	for _, r := range rows {
		if r.ID <= last {
			p.t.Fatalf("id %d comes after id %d", r.ID, last)
		}
		last = r.ID
		found[r.N]++
	}
	return found
}

// command runs a command in this process and returns its code and what it printed.
func command(t testing.TB, args ...string) (int, string) {
	t.Helper()
	var out bytes.Buffer
	std := &stdio{In: strings.NewReader(""), Out: &out, Err: &out, Env: []string{"PGRST_JWT_SECRET=" + secret}, Dir: t.TempDir()}
	return run(t.Context(), args, std), out.String()
}

// verify fails the test unless the store's every leaf and root hold.
func verify(t testing.TB, dir string) {
	t.Helper()
	if code, out := command(t, "verify", "--store", "dir:"+dir); code != 0 {
		t.Fatalf("vigil verify: code %d:\n%s", code, out)
	}
}

// writers posts numbered events from several clients until ctx ends or the
// server goes away, and returns the numbers that were acknowledged.
func (p *process) writers(ctx context.Context, clients int, prefix string) (acked []string, unexpected error) {
	var mu sync.Mutex
	var wg sync.WaitGroup
	for c := range clients {
		wg.Go(func() {
			for i := 0; ctx.Err() == nil; i++ {
				n := fmt.Sprintf("%s-%d-%d", prefix, c, i)
				status, _, err := p.do(ctx, http.MethodPost, "/events", "event_logger", `{"event": {"n": "`+n+`"}}`)
				switch {
				case err != nil:
					return
				case status == http.StatusCreated:
					mu.Lock()
					acked = append(acked, n)
					mu.Unlock()
				case status != http.StatusServiceUnavailable && status != http.StatusInsufficientStorage:
					mu.Lock()
					unexpected = errors.Join(unexpected, fmt.Errorf("event %s: status %d", n, status))
					mu.Unlock()
					return
				}
			}
		})
	}
	wg.Wait()
	return acked, unexpected
}

// contains fails the test unless everything acknowledged is stored, once.
func contains(t testing.TB, stored map[string]int, acked []string) {
	t.Helper()
	for _, n := range acked {
		if stored[n] != 1 {
			t.Errorf("event %s was acknowledged and is stored %d times", n, stored[n])
		}
	}
}
