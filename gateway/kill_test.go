package gateway_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"vigil"
	"vigil/gateway"
	"vigil/internal/spool"
)

// TestMain is the gateway that TestKill kills, or a server of BenchmarkLoad, when
// it is asked to be.
func TestMain(m *testing.M) {
	if kind := os.Getenv("GATEWAY_TEST_LOAD"); kind != "" {
		if err := serveForLoad(kind, os.Getenv("GATEWAY_TEST_UPSTREAM"), os.Getenv("GATEWAY_TEST_DIR")); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	if dir := os.Getenv("GATEWAY_TEST_DIR"); dir != "" {
		if err := serveForKill(dir, os.Getenv("GATEWAY_TEST_UPSTREAM"), os.Getenv("GATEWAY_TEST_OUT")); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// serveForKill says on standard output where it listens, and serves.
func serveForKill(dir, upstream, out string) error {
	f, err := os.OpenFile(out, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	sp, err := spool.Open(spool.Config{Dir: dir, Writer: lineWriter(f), Events: gateway.NewReader(gateway.ReaderConfig{}).Events})
	if err != nil {
		return err
	}
	u, err := url.Parse(upstream)
	if err != nil {
		return err
	}
	g, err := gateway.New(gateway.Config{Spool: sp})
	if err != nil {
		return err
	}
	h, err := g.Proxy(gateway.ProxyConfig{Upstream: u})
	if err != nil {
		return err
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	fmt.Println(l.Addr())
	return http.Serve(l, h)
}

// lineWriter writes a batch as one line with one write(2): its key, then what
// each exchange was about and its status.
func lineWriter(f *os.File) vigil.Writer {
	return vigil.WriterFunc(func(ctx context.Context, events []*vigil.Event) error {
		line, _ := spool.Key(ctx)
		for _, e := range events {
			var x vigil.Exchange
			if err := json.Unmarshal(e.Doc, &x); err != nil {
				return err
			}
			line += fmt.Sprintf(" %s=%d", x.Key, x.Status)
		}
		_, err := f.WriteString(line + "\n")
		return err
	})
}

// TestKill kills a gateway under load again and again. Each request that reached
// the upstream has one event in the end, and each that was answered, its status.
func TestKill(t *testing.T) {
	var mu sync.Mutex
	reached, answered := map[string]bool{}, map[string]bool{}
	upstream := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		reached[r.URL.Path[len("/fhir/Patient/"):]] = true
		mu.Unlock()
		io.WriteString(w, `{"resourceType":"Patient"}`)
	}))
	defer upstream.Close()
	dir, out := t.TempDir(), t.TempDir()+"/out"
	for round := range 3 {
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), "GATEWAY_TEST_DIR="+dir, "GATEWAY_TEST_OUT="+out, "GATEWAY_TEST_UPSTREAM="+upstream.URL+"/fhir")
		cmd.Stderr = os.Stderr
		stdout, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		addr, err := bufio.NewReader(stdout).ReadString('\n')
		if err != nil {
			t.Fatal(err)
		}
		n := 0
		var wg sync.WaitGroup
		for c := range 8 {
			wg.Go(func() {
				once := &http.Client{Transport: &http.Transport{}}
				for i := 0; ; i++ {
					id := fmt.Sprintf("r%d-%d-%d", round, c, i)
					resp, err := once.Post("http://"+strings.TrimSpace(addr)+"/fhir/Patient/"+id, "", nil)
					if err != nil {
						return
					}
					_, err = io.Copy(io.Discard, resp.Body)
					resp.Body.Close()
					if err != nil {
						return
					}
					mu.Lock()
					answered[id] = true
					if n++; n == 40 { // however long its start took
						time.AfterFunc(250*time.Millisecond, func() { cmd.Process.Kill() })
					}
					mu.Unlock()
				}
			})
		}
		wg.Wait()
		cmd.Wait() // it was killed
	}
	f, err := os.OpenFile(out, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	sp, err := spool.Open(spool.Config{Dir: dir, Writer: lineWriter(f), Events: gateway.NewReader(gateway.ReaderConfig{}).Events})
	if err != nil {
		t.Fatal(err)
	}
	defer sp.Close()
	if err := sp.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	recorded := readLines(t, out)
	for id := range reached {
		if _, ok := recorded[id]; !ok {
			t.Errorf("%s reached the upstream and is not recorded", id)
		}
	}
	for id := range answered {
		if recorded[id] != "200" {
			t.Errorf("%s was answered, and is recorded with status %s", id, recorded[id])
		}
	}
	if len(answered) < 100 {
		t.Errorf("only %d requests were answered", len(answered))
	}
}

// readLines returns the status of each exchange, and fails where one is there
// twice under different keys.
func readLines(t *testing.T, out string) map[string]string {
	t.Helper()
	b, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	keys, recorded := map[string]bool{}, map[string]string{}
	for line := range strings.Lines(string(b)) {
		words := strings.Fields(line)
		if keys[words[0]] {
			continue // a store would have known it
		}
		keys[words[0]] = true
		for _, w := range words[1:] {
			id, status, _ := strings.Cut(w, "=")
			if _, ok := recorded[id]; ok {
				t.Errorf("%s is recorded twice", id)
			}
			recorded[id] = status
		}
	}
	return recorded
}
