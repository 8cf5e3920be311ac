package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// bulkServer is a server of _bulk that keeps documents by _id and refuses those
// that say so. While it is away it answers 503.
type bulkServer struct {
	*httptest.Server
	mu   sync.Mutex
	away bool
	docs map[string]string
}

func newBulkServer(t *testing.T) *bulkServer {
	b := &bulkServer{docs: map[string]string{}}
	b.Server = httptest.NewServer(b)
	t.Cleanup(b.Close)
	return b
}

func (b *bulkServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.away {
		w.WriteHeader(http.StatusServiceUnavailable)
		return
	}
	var items []string
	for s := bufio.NewScanner(r.Body); s.Scan(); {
		var action struct {
			Create struct {
				ID string `json:"_id"`
			} `json:"create"`
		}
		if json.Unmarshal(s.Bytes(), &action) != nil || action.Create.ID == "" || !s.Scan() {
			http.Error(w, "no _bulk", http.StatusBadRequest)
			return
		}
		status := 201
		switch doc := s.Text(); {
		case strings.Contains(doc, "refuse me"):
			status = 400
		case b.docs[action.Create.ID] != "":
			status = 409
		default:
			b.docs[action.Create.ID] = doc
		}
		items = append(items, fmt.Sprintf(`{"create":{"status":%d,"error":{"type":"test","reason":"so"}}}`, status))
	}
	fmt.Fprintf(w, `{"errors":true,"items":[%s]}`, strings.Join(items, ","))
}

// count returns how many documents have the text in them.
func (b *bulkServer) count(text string) int {
	b.mu.Lock()
	defer b.mu.Unlock()
	n := 0
	for _, doc := range b.docs {
		n += strings.Count(doc, text)
	}
	return n
}

func (b *bulkServer) setAway(away bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.away = away
}

// eventually waits for something to come true.
func eventually(t *testing.T, what string, p *process, is func() bool) {
	t.Helper()
	for end := time.Now().Add(time.Minute); !is(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("never: %s\n%s", what, p.out)
		}
	}
}

// TestSinks serves with a file and a server of _bulk as sinks, which is away at
// first, while the process is killed and started again: the file has every line,
// the server each once, and what it refuses is in quarantine.
func TestSinks(t *testing.T) {
	es := newBulkServer(t)
	es.setAway(true)
	dir := filepath.Join(t.TempDir(), "store")
	p := newProcess(t, dir)
	p.env = []string{
		`VIGIL_SINKS=[{type: file, path: out/audit.log, format: document, tables: [events]}, ` +
			`{type: elasticsearch, url: "` + es.URL + `", api-key: hunter2, tables: [events], where: "event->>n=neq.second"}]`,
		"AIDBOX_LOGS=" + filepath.Join(filepath.Dir(dir), "devbox"),
	}
	p.mustStart()
	post := func(body string) {
		t.Helper()
		status, text, err := p.do(context.Background(), "POST", "/events", "event_logger", body)
		if err != nil || status != http.StatusCreated {
			t.Fatalf("%d %s %v", status, text, err)
		}
	}
	const n = 30
	for i := range n {
		post(fmt.Sprintf(`{"event":{"n":"first %02d"}}`, i))
	}
	file := filepath.Join(filepath.Dir(dir), "out", "audit.log")
	lines := func() string {
		b, _ := os.ReadFile(file)
		return string(b)
	}
	eventually(t, "the file has the lines", p, func() bool { return strings.Count(lines(), "first") >= n })
	p.kill()
	es.setAway(false)
	p.mustStart()
	post(`{"event":{"n":"refuse me"}}`)
	post(`{"event":{"n":"second"}}`)
	post(`{"event":{"n":"third"}}`)
	eventually(t, "the server has all", p, func() bool { return es.count("third") == 1 && es.count("first") == n })
	eventually(t, "the file has all", p, func() bool { return strings.Contains(lines(), "third") })
	eventually(t, "quarantine has one", p, func() bool {
		_, text, _ := p.do(context.Background(), "GET", "/quarantine?select=event", "auditor", "")
		return strings.Contains(text, `"reason": "400 test: so"`) && strings.Count(text, "refuse me") == 1
	})
	eventually(t, "system says so", p, func() bool {
		_, text, _ := p.do(context.Background(), "GET", "/system?event->>message=like.*refused*", "auditor", "")
		return strings.Contains(text, "sink elasticsearch was refused lines for good")
	})
	p.stop()
	for i := range n {
		want := fmt.Sprintf(`{"n":"first %02d"}`+"\n", i)
		if !strings.Contains(lines(), want) {
			t.Errorf("the file has no %s", want)
		}
	}
	if es.count("second") != 0 || es.count("refuse me") != 0 {
		t.Errorf("the server has what is filtered or refused")
	}
	if b, err := os.ReadFile(filepath.Join(filepath.Dir(dir), "devbox")); err != nil || len(b) == 0 {
		t.Errorf("AIDBOX_LOGS: %d bytes, %v", len(b), err)
	}
	if strings.Contains(p.out.String(), "hunter2") {
		t.Error("the log has a secret")
	}
	if out := p.out.String(); strings.Contains(out, "test: so") || !strings.Contains(out, "a line was refused for good") {
		t.Errorf("the log has what a server said of a document, or not that it refused one:\n%s", out)
	}
}

// TestSinksRefused expects what cannot be opened to end the start, named.
func TestSinksRefused(t *testing.T) {
	dir := t.TempDir()
	for sinks, want := range map[string]string{
		"[{type: file, path: /proc/none/audit.log}]":                       "sink file: open log file",
		"[{type: file, path: x, format: xml}]":                             `unknown format "xml"`,
		"[{type: file, path: x, tables: [visits]}]":                        "there is no table visits",
		"[{type: file, path: x, where: 'none=eq.1'}]":                      "where: ",
		"[{type: file, path: x, level: loud}]":                             `level "loud"`,
		"[{type: elasticsearch, url: 'http://127.0.0.1:1', index: Audit}]": "no letter of a date",
		"[{type: file, path: x, rolling-interval: Week}]":                  "want one of Infinite",
	} {
		p := newProcess(t, filepath.Join(dir, "store"))
		p.env = []string{"VIGIL_SINKS=" + sinks}
		p.start()
		p.waitEnd()
		if p.err == nil || !strings.Contains(p.out.String(), want) {
			t.Errorf("%s: %v\n%s", sinks, p.err, p.out)
		}
	}
}

func TestJavaIndex(t *testing.T) {
	for in, want := range map[string]string{
		"logstash-{0:yyyy.MM.dd}": "'logstash-'yyyy.MM.dd", "audit": "'audit'", "{0:yyyy}-o'clock-{0:MM}": "yyyy'-o''clock-'MM",
	} {
		if got, err := javaIndex(in); err != nil || got != want {
			t.Errorf("%s: %s %v, want %s", in, got, err, want)
		}
	}
	for _, bad := range []string{"{1}", "a{0:yyyy", "{0:yyyy}}", "a}b"} {
		if got, err := javaIndex(bad); err == nil {
			t.Errorf("%s: %s", bad, got)
		}
	}
}
