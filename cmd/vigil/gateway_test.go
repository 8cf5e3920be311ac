package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// fhirServer is what stands behind gateways in these tests. It notes the last
// part of every path that it was asked for.
type fhirServer struct {
	*httptest.Server
	mu      sync.Mutex
	reached map[string]bool
}

func newFHIR(t testing.TB) *fhirServer {
	t.Helper()
	f := &fhirServer{reached: map[string]bool{}}
	f.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		f.mu.Lock()
		f.reached[filepath.Base(r.URL.Path)] = true
		f.mu.Unlock()
		_, _ = io.Copy(io.Discard, r.Body)
		w.Header().Set("Content-Type", "application/fhir+json")
		_, _ = io.WriteString(w, `{"resourceType":"Patient","id":"`+filepath.Base(r.URL.Path)+`"}`)
	}))
	t.Cleanup(f.Close)
	return f
}

// all returns what was reached so far.
func (f *fhirServer) all() map[string]bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return maps.Clone(f.reached)
}

// gatewayProcess is a vigil gateway --forward of its own.
type gatewayProcess struct {
	t      testing.TB
	listen string
	admin  string
	spool  string
	prefix []string // before the program: strace, ip netns exec
	args   []string
	cmd    *exec.Cmd
	out    *output
	end    chan struct{}
}

func newGatewayProcess(t testing.TB, dir, upstream, to string, more ...string) *gatewayProcess {
	g := &gatewayProcess{t: t, listen: freeAddr(t), admin: freeAddr(t), spool: dir}
	g.args = append([]string{
		"gateway", "--upstream", upstream + "/fhir", "--listen", g.listen, "--admin", g.admin,
		"--forward", to, "--spool", filepath.Join(dir, "gateway"),
	}, more...)
	return g
}

func (g *gatewayProcess) start() {
	g.t.Helper()
	words := append(append(g.prefix[:len(g.prefix):len(g.prefix)], os.Args[0]), g.args...)
	g.cmd = exec.Command(words[0], words[1:]...)
	g.cmd.Env = append(os.Environ(), "AS_VIGIL=1", "VIGIL_TOKEN="+token(g.t, "gateway"))
	g.cmd.Dir = g.t.TempDir()
	g.out = &output{}
	g.cmd.Stdout, g.cmd.Stderr = g.out, g.out
	g.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	if err := g.cmd.Start(); err != nil {
		g.t.Fatal(err)
	}
	g.end = make(chan struct{})
	go func(cmd *exec.Cmd, end chan struct{}) {
		_ = cmd.Wait() // it may be killed
		close(end)
	}(g.cmd, g.end)
	g.t.Cleanup(func() { g.signal(syscall.SIGKILL) })
	for range 6000 {
		if conn, err := net.Dial("tcp", g.listen); err == nil {
			conn.Close()
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	g.t.Fatalf("the gateway did not get ready:\n%s", g.out)
}

// signal ends the process.
func (g *gatewayProcess) signal(s syscall.Signal) {
	_ = syscall.Kill(-g.cmd.Process.Pid, s) // it may be gone
	select {
	case <-g.end:
	case <-time.After(30 * time.Second):
		g.t.Errorf("the gateway did not end:\n%s", g.out)
	}
}

// load sends requests from several clients until ctx ends or nobody answers, and
// returns the ids that were answered.
func load(ctx context.Context, addr string, clients int, prefix string) map[string]bool {
	var mu sync.Mutex
	answered := map[string]bool{}
	var wg sync.WaitGroup
	for c := range clients {
		wg.Go(func() {
			client := &http.Client{Transport: &http.Transport{}}
			defer client.CloseIdleConnections()
			for i := 0; ctx.Err() == nil; i++ {
				id := fmt.Sprintf("%s-%d-%d", prefix, c, i)
				resp, err := client.Post("http://"+addr+"/fhir/Patient/"+id, "", nil)
				if err != nil {
					return
				}
				_, err = io.Copy(io.Discard, resp.Body)
				resp.Body.Close()
				if err != nil || resp.StatusCode != http.StatusOK {
					return
				}
				mu.Lock()
				answered[id] = true
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	return answered
}

// exchanges reads how often each id is in the table exchanges, and how often in
// audit_events.
func (p *process) exchanges() (exchanges, audits map[string]int) {
	p.t.Helper()
	read := func(table, column string) map[string]int {
		status, body, err := p.do(context.Background(), http.MethodGet, "/"+table+"?select=n:"+column, "auditor", "")
		if err != nil || status != http.StatusOK {
			p.t.Fatalf("read %s: status %d: %v", table, status, err)
		}
		var rows []struct{ N string }
		if err := json.Unmarshal([]byte(body), &rows); err != nil {
			p.t.Fatal(err)
		}
		n := map[string]int{}
		for _, r := range rows {
			n[filepath.Base(r.N)]++
		}
		return n
	}
	return read("exchanges", "event->>path"), read("audit_events", "event->entity->0->what->>reference")
}

// settled waits until the repository has as many exchanges as are wanted, and
// AuditEvents too, which come a little later.
func (p *process) settled(want func(exchanges map[string]int) bool) (exchanges, audits map[string]int) {
	p.t.Helper()
	for range 1200 {
		if exchanges, audits = p.exchanges(); want(exchanges) && len(audits) >= len(exchanges) {
			return exchanges, audits
		}
		time.Sleep(50 * time.Millisecond)
	}
	return exchanges, audits
}

// compare fails the test unless all that reached the server is recorded once.
func compareReached(t *testing.T, reached, answered map[string]bool, exchanges, audits map[string]int) {
	t.Helper()
	missing := 0
	for id := range reached {
		if exchanges[id] != 1 {
			if missing++; missing < 5 {
				t.Errorf("%s reached the server and is recorded %d times", id, exchanges[id])
			}
		}
		if audits[id] != 1 && answered[id] {
			if missing++; missing < 5 {
				t.Errorf("%s has %d AuditEvents", id, audits[id])
			}
		}
	}
	if len(answered) == 0 {
		t.Error("no request was answered")
	}
}

func all(reached map[string]bool) func(map[string]int) bool {
	return func(exchanges map[string]int) bool {
		for id := range reached {
			if exchanges[id] == 0 {
				return false
			}
		}
		return true
	}
}

// TestGatewayKill kills a gateway that forwards, and the repository behind it,
// under load and by turns: each request that reached the server has its event
// once.
func TestGatewayKill(t *testing.T) {
	fhir := newFHIR(t)
	p := newProcess(t, filepath.Join(t.TempDir(), "store"))
	p.mustStart()
	g := newGatewayProcess(t, filepath.Join(t.TempDir(), "spool"), fhir.URL, "http://"+p.addr)
	answered := map[string]bool{}
	for round := range 4 {
		g.start()
		ctx, cancel := context.WithCancel(t.Context())
		killed := make(chan struct{})
		go func() {
			defer close(killed)
			time.Sleep(300 * time.Millisecond)
			if round%2 == 1 {
				p.kill()
				time.Sleep(200 * time.Millisecond)
			}
			_ = g.cmd.Process.Kill()
		}()
		for id := range load(ctx, g.listen, 8, fmt.Sprint(round)) {
			answered[id] = true
		}
		cancel()
		<-killed
		<-g.end
		if round%2 == 1 {
			p.mustStart()
		}
	}
	g.start()
	exchanges, audits := p.settled(all(fhir.all()))
	compareReached(t, fhir.all(), answered, exchanges, audits)
	if out := g.out.String(); strings.Contains(out, "quarantine") {
		t.Errorf("something went to quarantine:\n%s", out)
	}
	g.signal(syscall.SIGTERM)
	if code, out := command(t, "spool", "status", filepath.Join(g.spool, "gateway")); code != 0 || !strings.Contains(out, "nothing waits") {
		t.Errorf("spool status: code %d: %s", code, out)
	}
}

// TestGatewayStoreAway stops the repository for a while under load. Requests go
// on; in the end each has its event once, in the order of their ends.
func TestGatewayStoreAway(t *testing.T) {
	fhir := newFHIR(t)
	p := newProcess(t, filepath.Join(t.TempDir(), "store"))
	p.mustStart()
	g := newGatewayProcess(t, filepath.Join(t.TempDir(), "spool"), fhir.URL, "http://"+p.addr)
	g.start()
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
	defer cancel()
	killed := make(chan struct{})
	go func() {
		defer close(killed)
		time.Sleep(500 * time.Millisecond)
		p.kill()
	}()
	answered := load(ctx, g.listen, 4, "a")
	<-killed // who kills it reads what the next start writes
	p.mustStart()
	exchanges, audits := p.settled(all(fhir.all()))
	compareReached(t, fhir.all(), answered, exchanges, audits)
	status, body, err := p.do(t.Context(), http.MethodGet, "/exchanges?select=event->>path&order=id", "auditor", "")
	if err != nil || status != http.StatusOK {
		t.Fatal(status, err)
	}
	last := map[string]int{}
	var rows []struct{ Path string }
	if err := json.Unmarshal([]byte(body), &rows); err != nil {
		t.Fatal(err)
	}
	for _, r := range rows {
		var c, i int
		if _, err := fmt.Sscanf(filepath.Base(r.Path), "a-%d-%d", &c, &i); err != nil {
			t.Fatal(err)
		}
		if before, ok := last[fmt.Sprint(c)]; ok && i != before+1 {
			t.Fatalf("request %d of client %d comes after %d", i, c, before)
		}
		last[fmt.Sprint(c)] = i
	}
	g.signal(syscall.SIGTERM)
}

// TestGatewayWithStore has a gateway in vigil serve: the store's faces are not on
// its address, policies are told, and a stop leaves nothing behind.
func TestGatewayWithStore(t *testing.T) {
	fhir := newFHIR(t)
	p := newProcess(t, filepath.Join(t.TempDir(), "store"))
	listen := freeAddr(t)
	config := func(level string) []string {
		return []string{"--gateways", `[{name: front, listen: "` + listen + `", upstream: "` + fhir.URL + `/fhir", policies: [{route: /metadata, methods: [GET], level: none}, {route: "/Patient/**", level: ` + level + `, redact: ["body:Patient.name"], pseudonymize: ["query:identifier"]}], pseudonym-key: "` + keyFile(t) + `"}]`}
	}
	p.flags = config("request")
	p.mustStart()
	get := func(method, path, body string) {
		t.Helper()
		r, err := http.NewRequestWithContext(t.Context(), method, "http://"+listen+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Content-Type", "application/fhir+json")
		resp, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		if b, _ := io.ReadAll(resp.Body); resp.StatusCode != http.StatusOK || !strings.Contains(string(b), "Patient") {
			t.Errorf("%s: %d %s", path, resp.StatusCode, b)
		}
	}
	get("GET", "/fhir/metadata", "")
	get("GET", "/fhir/metadata", "")
	get("PUT", "/fhir/Patient/p-1", `{"resourceType":"Patient","id":"p-1","name":[{"family":"Secret"}],"gender":"other"}`)
	get("GET", "/fhir/Patient?identifier=urn:x|77", "")
	get("GET", "/events", "") // is the server's, not the store's
	p.stop()
	p.flags = config("metadata")
	p.mustStart()
	code, pseudonym := command(t, "hmac", "--key-file", keyFile(t), "urn:x|77")
	if code != 0 {
		t.Fatal(pseudonym)
	}
	status, body, err := p.do(t.Context(), http.MethodGet, "/exchanges?select=event&order=id", "auditor", "")
	if err != nil || status != 200 {
		t.Fatal(status, err)
	}
	for want, times := range map[string]int{
		"Secret": 0, `"gateway": "front"`: 3, `gender`: 1, "metadata": 0, "urn:x": 0,
		"identifier=" + strings.ReplaceAll(strings.TrimSpace(pseudonym), ":", "%3A"): 2,
	} {
		if n := strings.Count(body, want); n != times {
			t.Errorf("%q is there %d times, want %d, in %s", want, n, times, body)
		}
	}
	// By what stands behind the last colon, as the command's help says.
	found := pseudonym[strings.LastIndex(pseudonym, ":")+1:]
	if _, body, err := p.do(t.Context(), http.MethodGet, "/exchanges?select=id&event->>query=like.*"+strings.TrimSpace(found)+"*", "auditor", ""); err != nil || !strings.Contains(body, `"id"`) {
		t.Errorf("the pseudonym finds nothing: %v, %s", err, body)
	}
	told := func() bool {
		_, body, err = p.do(t.Context(), http.MethodGet, "/system?select=event&event->source->>observer=eq.front&order=id", "auditor", "")
		return err == nil && strings.Contains(body, `"policies of the gateway in force"`) &&
			strings.Contains(body, `"policies of the gateway changed"`) && strings.Contains(body, `{"excluded": 2}`)
	}
	for i := 0; i < 3000 && !told(); i++ {
		time.Sleep(20 * time.Millisecond)
	}
	if !told() {
		t.Errorf("%v: %s", err, body)
	}
	fhir.Close()
	if p.ready() {
		t.Error("ready although the server is away")
	}
}

// keyFile writes a key of pseudonyms.
func keyFile(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(path, []byte("0123456789abcdef0123456789abcdef\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestForwardNeedsToken does not begin to wait for a repository that will refuse
// everything, unless that is what was asked for.
func TestForwardNeedsToken(t *testing.T) {
	c := gatewayCmd{Forward: "https://audit.example"}
	if _, err := c.forwarder(&stdio{}); !errors.As(err, new(usageError)) || !strings.Contains(err.Error(), "vigil token --role gateway") {
		t.Errorf("without a token: %v", err)
	}
	for _, token := range []string{"", "t"} {
		if _, err := c.forwarder(&stdio{Env: []string{"VIGIL_TOKEN=" + token}}); err != nil {
			t.Errorf("with the token %q: %v", token, err)
		}
	}
}
