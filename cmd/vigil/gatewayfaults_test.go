package main

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// blackHole passes connections on until it is cut: then bytes vanish in both
// directions while the connections stay open, as behind a route that is gone.
type blackHole struct {
	net.Listener
	to  string
	cut atomic.Bool
}

func newBlackHole(t *testing.T, to string) *blackHole {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	b := &blackHole{Listener: l, to: to}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go b.pass(conn)
		}
	}()
	return b
}

func (b *blackHole) pass(from net.Conn) {
	defer from.Close()
	to, err := net.Dial("tcp", b.to)
	if err != nil {
		return
	}
	defer to.Close()
	var wg sync.WaitGroup
	for _, pair := range [][2]net.Conn{{from, to}, {to, from}} {
		wg.Go(func() {
			buf := make([]byte, 32<<10)
			for {
				n, err := pair[0].Read(buf)
				if n > 0 && !b.cut.Load() {
					_, _ = pair[1].Write(buf[:n]) // the reader sees what went wrong
				}
				if err != nil {
					pair[1].(*net.TCPConn).CloseWrite()
					return
				}
			}
		})
	}
	wg.Wait()
}

// TestGatewayPartition cuts the way between a gateway and the repository so that
// connections stay half open (F9): strict requests are refused, others go on and
// are there in the end, once.
func TestGatewayPartition(t *testing.T) {
	fhir := newFHIR(t)
	p := newProcess(t, filepath.Join(t.TempDir(), "store"))
	p.mustStart()
	hole := newBlackHole(t, p.addr)
	config := filepath.Join(t.TempDir(), "vigil.yaml")
	text := "gateways:\n  - policies:\n      - {route: /Observation/**, durability: strict}\n"
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	g := newGatewayProcess(t, filepath.Join(t.TempDir(), "spool"), fhir.URL, "http://"+hole.Addr().String(), "--config", config, "--forward-timeout", "1s")
	g.start()
	strict := func() int {
		resp, err := http.Get("http://" + g.listen + "/fhir/Observation/o-1")
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode == http.StatusServiceUnavailable && resp.Header.Get("Retry-After") == "" {
			t.Error("503 without Retry-After")
		}
		return resp.StatusCode
	}
	if status := strict(); status != http.StatusOK {
		t.Fatalf("strict: %d", status)
	}
	hole.cut.Store(true)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	done := make(chan map[string]bool)
	go func() { done <- load(ctx, g.listen, 2, "a") }()
	refused := false
	for range 1200 {
		if refused = strict() == http.StatusServiceUnavailable; refused {
			break
		}
		time.Sleep(50 * time.Millisecond)
	}
	if !refused {
		t.Errorf("strict requests go on while the repository is away:\n%s", g.out)
	}
	cancel()
	answered := <-done
	reached := fhir.all()
	delete(reached, "o-1") // asked for several times
	hole.cut.Store(false)
	exchanges, audits := p.settled(all(reached))
	compareReached(t, reached, answered, exchanges, audits)
	g.signal(syscall.SIGTERM)
}

// TestGatewayNamespace is F9 with a real link: the gateway lives in a network
// namespace of its own, whose link goes down and comes up again.
func TestGatewayNamespace(t *testing.T) {
	if _, err := exec.LookPath("ip"); err != nil {
		refused(t, "network namespaces", err)
	}
	name := "vigil" + strconv.Itoa(os.Getpid()%10000)
	ip := func(args ...string) error {
		if out, err := exec.Command("ip", args...).CombinedOutput(); err != nil {
			return fmt.Errorf("ip %s: %w: %s", strings.Join(args, " "), err, out)
		}
		return nil
	}
	inside, outside := "10.203.7.2", "10.203.7.1"
	for _, step := range [][]string{
		{"netns", "add", name},
		{"link", "add", name + "a", "type", "veth", "peer", "name", name + "b", "netns", name},
		{"addr", "add", outside + "/30", "dev", name + "a"},
		{"link", "set", name + "a", "up"},
		{"-n", name, "addr", "add", inside + "/30", "dev", name + "b"},
		{"-n", name, "link", "set", name + "b", "up"},
		{"-n", name, "link", "set", "lo", "up"},
	} {
		if err := ip(step...); err != nil {
			_ = ip("netns", "del", name)
			refused(t, "network namespaces", err)
		}
	}
	t.Cleanup(func() {
		_ = ip("netns", "del", name) // the link goes with it
	})
	p := newProcess(t, filepath.Join(t.TempDir(), "store"))
	_, port, _ := net.SplitHostPort(p.addr)
	p.addr = outside + ":" + port
	p.mustStart()
	// The FHIR server and the client are inside with the gateway: this test's own
	// binary serves and asks there.
	g := newGatewayProcess(t, filepath.Join(t.TempDir(), "spool"), "http://"+outside+":"+strconv.Itoa(forwardTo(t, outside)), "http://"+p.addr, "--forward-timeout", "1s")
	g.listen = inside + ":8090"
	for i, a := range g.args {
		if a == "--listen" {
			g.args[i+1] = g.listen
		}
	}
	g.prefix = []string{"ip", "netns", "exec", name}
	g.start()
	asked, answered := 0, map[string]bool{}
	ask := func() {
		id := "p-" + strconv.Itoa(asked)
		asked++
		client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: 30 * time.Second}
		resp, err := client.Get("http://" + g.listen + "/fhir/Patient/" + id)
		if err == nil {
			resp.Body.Close()
			answered[id] = true
		}
	}
	for range 20 {
		ask()
	}
	if err := ip("link", "set", name+"a", "down"); err != nil {
		t.Fatal(err)
	}
	time.Sleep(1500 * time.Millisecond)
	if err := ip("link", "set", name+"a", "up"); err != nil {
		t.Fatal(err)
	}
	for range 20 {
		ask()
	}
	exchanges, _ := p.settled(all(answered))
	if !all(answered)(exchanges) || len(answered) < 20 {
		t.Errorf("%d exchanges of %d requests, of which %d were answered:\n%s", len(exchanges), asked, len(answered), g.out)
	}
	for id, times := range exchanges {
		if times != 1 {
			t.Errorf("%s is there %d times", id, times)
		}
	}
	g.signal(syscall.SIGTERM)
}

// forwardTo is a FHIR server on an address of this machine.
func forwardTo(t *testing.T, host string) int {
	t.Helper()
	l, err := net.Listen("tcp", host+":0")
	if err != nil {
		t.Fatal(err)
	}
	s := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/fhir+json")
		_, _ = io.WriteString(w, `{"resourceType":"Patient"}`)
	})}
	go func() { _ = s.Serve(l) }()
	t.Cleanup(func() { s.Close() })
	return l.Addr().(*net.TCPAddr).Port
}

// TestGatewaySlowClients has clients that send half of a header, half of a body,
// or nothing (F11): others are served meanwhile, and the header has its time.
func TestGatewaySlowClients(t *testing.T) {
	fhir := newFHIR(t)
	p := newProcess(t, filepath.Join(t.TempDir(), "store"))
	listen := freeAddr(t)
	p.flags = []string{"--gateways", `[{listen: "` + listen + `", upstream: "` + fhir.URL + `/fhir"}]`, "--limits-header-time", "1s"}
	p.mustStart()
	var conns []net.Conn
	for i := range 300 {
		conn, err := net.Dial("tcp", listen)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		_, _ = io.WriteString(conn, []string{
			"GET /fhir/Patient/1 HTTP/1.1\r\nHost: h\r\nX-Half: ",
			"POST /fhir/Patient HTTP/1.1\r\nHost: h\r\nContent-Length: 1000\r\n\r\n{",
			"",
		}[i%3])
		conns = append(conns, conn)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
	defer cancel()
	if answered := load(ctx, listen, 4, "a"); len(answered) == 0 {
		t.Errorf("%d requests were answered beside the slow ones", len(answered))
	}
	conns[0].SetReadDeadline(time.Now().Add(time.Minute))
	if b, err := io.ReadAll(conns[0]); err != nil || strings.Contains(string(b), "200 OK") {
		t.Errorf("a header that does not end: %q, %v", b, err)
	}
	for _, conn := range conns {
		conn.Close()
	}
	p.stop()
}

// TestGatewaySlowDisk delays every sync and write of the spool (F10): requests
// take longer, none is lost or refused, and memory stays bounded.
func TestGatewaySlowDisk(t *testing.T) {
	traced(t)
	fhir := newFHIR(t)
	p := newProcess(t, filepath.Join(t.TempDir(), "store"))
	p.mustStart()
	g := newGatewayProcess(t, filepath.Join(t.TempDir(), "spool"), fhir.URL, "http://"+p.addr)
	g.prefix = []string{"strace", "-f", "-qq", "-o", "/dev/null", "-e", "trace=fdatasync,pwrite64", "-e", "inject=fdatasync,pwrite64:delay_enter=20ms"}
	g.start()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
	defer cancel()
	answered := load(ctx, g.listen, 16, "a")
	reached := fhir.all()
	exchanges, audits := p.settled(all(reached))
	for id := range reached {
		if exchanges[id] != 1 || answered[id] && audits[id] != 1 {
			t.Errorf("%s is recorded %d times, with %d AuditEvents", id, exchanges[id], audits[id])
		}
	}
	if len(answered) == 0 {
		t.Error("no request was answered")
	}
}

// TestGatewayMemory fills the spool of a gateway whose repository is away with
// large bodies: memory stays bounded.
func TestGatewayMemory(t *testing.T) {
	if testing.Short() {
		t.Skip("left out: the race detector, which short tests run under, has memory of its own")
	}
	fhir := newFHIR(t)
	g := newGatewayProcess(t, filepath.Join(t.TempDir(), "spool"), fhir.URL, "http://127.0.0.1:1")
	g.start()
	body := `{"resourceType":"Patient","id":"x","text":{"div":"` + strings.Repeat("x", 1<<20) + `"}}`
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for i := range 40 {
				resp, err := http.Post(fmt.Sprintf("http://%s/fhir/Patient/%d", g.listen, i), "application/fhir+json", strings.NewReader(body))
				if err != nil {
					t.Error(err)
					return
				}
				_, _ = io.Copy(io.Discard, resp.Body)
				resp.Body.Close()
			}
		})
	}
	wg.Wait()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", g.cmd.Process.Pid))
	if err != nil {
		t.Skip("left out: no /proc here")
	}
	for line := range strings.Lines(string(status)) {
		if kb, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			n, err := strconv.Atoi(strings.Fields(kb)[0])
			if err != nil || n > 700<<10 {
				t.Errorf("%d KiB for 320 MiB of records that wait, %v", n, err)
			}
			t.Logf("resident at most %d MiB while 320 MiB wait", n>>10)
		}
	}
}

// TestGatewayTLS stands between a client with a certificate and a server that
// wants one, over HTTP/2 on both sides.
func TestGatewayTLS(t *testing.T) {
	ca := newAuthority(t)
	upstream := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/fhir+json")
		fmt.Fprintf(w, `{"resourceType":"Patient","text":"%s from %s"}`, r.Proto, r.TLS.PeerCertificates[0].Subject.CommonName)
	}), TLSConfig: &tls.Config{ClientCAs: ca.pool, ClientAuth: tls.RequireAndVerifyClientCert, Certificates: []tls.Certificate{ca.pair("server.test")}}}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go func() { _ = upstream.ServeTLS(l, "", "") }()
	defer upstream.Close()
	p := newProcess(t, filepath.Join(t.TempDir(), "store"))
	listen := freeAddr(t)
	front, back := ca.files("127.0.0.1"), ca.files("gateway.test")
	p.flags = []string{"--gateways", `[{listen: "` + listen + `", tls: {cert: "` + front[0] + `", key: "` + front[1] + `", client-ca: "` + ca.path + `"}, upstreams: [{url: "https://` + l.Addr().String() +
		`/fhir", tls: {ca: "` + ca.path + `", cert: "` + back[0] + `", key: "` + back[1] + `", name: server.test}}]}]`}
	p.mustStart()
	client := &http.Client{Transport: &http.Transport{ForceAttemptHTTP2: true, TLSClientConfig: &tls.Config{RootCAs: ca.pool, Certificates: []tls.Certificate{ca.pair("nurse")}}}}
	resp, err := client.Get("https://" + listen + "/fhir/Patient/p-1")
	if err != nil {
		t.Fatalf("%v\n%s", err, p.out)
	}
	defer resp.Body.Close()
	b, _ := io.ReadAll(resp.Body)
	if resp.Proto != "HTTP/2.0" || string(b) != `{"resourceType":"Patient","text":"HTTP/2.0 from gateway.test"}` {
		t.Errorf("%s %s", resp.Proto, b)
	}
	p.settled(func(e map[string]int) bool { return len(e) == 1 })
	_, body, err := p.do(t.Context(), http.MethodGet, "/exchanges?select=user:event->user,protocol:event->>protocol", "auditor", "")
	if err != nil || !strings.Contains(body, `"by": "certificate"`) || !strings.Contains(body, `CN=nurse`) || !strings.Contains(body, `"verified": true`) || !strings.Contains(body, "HTTP/2.0") {
		t.Errorf("%s, %v", body, err)
	}
}
