package ingest_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"vigil"
	"vigil/internal/auth"
	"vigil/internal/ingest"
	"vigil/internal/store"
)

// exchange is a document of the gateway.
const exchange = `{"id":"x-1","start":"2026-02-03T04:05:06.789012Z","duration":15000000,"method":"GET","route":"GET /Patient/?","path":"/Patient/1",` +
	`"status":403,"requestBytes":0,"responseBytes":0,"complete":true,"peer":["192.0.2.1"],"user":{"sub":"sample","by":"bearer","verified":true},"gateway":"gw"}`

// add stores events: the table, the format and the document of each.
func (f *face) add(events ...*vigil.Event) {
	f.t.Helper()
	if err := f.store.Write(context.Background(), events); err != nil {
		f.t.Fatal(err)
	}
}

func line(doc string) *vigil.Event {
	return &vigil.Event{Table: vigil.TableLogs, Format: vigil.FormatAidbox, Doc: []byte(doc)}
}

// follow opens a stream and returns what reads its lines.
func follow(t *testing.T, s *httptest.Server, path string, header ...string) (*bufio.Reader, *http.Response) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	t.Cleanup(cancel)
	r, err := http.NewRequestWithContext(ctx, "GET", s.URL+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { res.Body.Close() })
	return bufio.NewReader(res.Body), res
}

// next returns the next line.
func next(t *testing.T, r *bufio.Reader) string {
	t.Helper()
	s, err := r.ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSuffix(s, "\n")
}

func TestLogsFormats(t *testing.T) {
	f := newFace(t, nil)
	s := f.serve()
	auditor := f.token("auditor")
	for _, tt := range []struct{ path, accept, contentType, want string }{
		{"/_logs", "", "application/x-ndjson", `{"ev":"w/req","ts":"2026-02-03T04:05:06.789Z","tn":"box"`},
		{"/_logs?format=json", "text/html", "application/x-ndjson", `{"ev":"w/req"`},
		{"/_logs?format=pretty", "", "text/plain; charset=utf-8", "box 04:05:06 \x1b[0;37mgw\x1b[m \x1b[0;33mGET\x1b[m \x1b[m/Patient/1\x1b[m"},
		{"/_logs?format=event-stream", "", "text/event-stream", `data: {"ev":"w/req"`},
		{"/_logs", "text/event-stream", "text/event-stream", `data: {"ev":"w/req"`},
		{"/_logs?ev=w/resp", "", "application/x-ndjson", `{"ev":"w/resp"`},
		{"/_logs?ev=auth/*&lvl=warn", "", "application/x-ndjson", `{"ev":"auth/authorize-failed"`},
		{"/_logs?ev=auth/*&ev=w/resp&w_st=403&w_uid=sample&lvl=info", "", "application/x-ndjson", `{"ev":"w/resp"`},
		{"/_logs?ctx=x-1&ctx_end=true", "", "application/x-ndjson", `{"ev":"w/resp"`},
		{"/_logs?tables=exchanges&ev=w/resp", "", "application/x-ndjson", `{"ev":"w/resp"`},
	} {
		t.Run(tt.path, func(t *testing.T) {
			r, res := follow(t, s, tt.path, "Authorization", auditor, "Accept", tt.accept)
			if res.StatusCode != http.StatusOK || res.Header.Get("Content-Type") != tt.contentType {
				t.Fatalf("%d %s", res.StatusCode, res.Header)
			}
			if tt.contentType != "text/event-stream" && len(res.TransferEncoding) == 0 {
				t.Error("the stream is not chunked")
			}
			f.add(line(`{"ev":"log","lvl":"debug","ts":"2026-01-01T00:00:00.000Z","msg":"before"}`))
			f.add(&vigil.Event{Table: vigil.TableExchanges, Format: vigil.FormatExchange, Doc: []byte(exchange)})
			for {
				got := next(t, r)
				if strings.Contains(got, "before") && !strings.Contains(tt.path, "ev=") && !strings.Contains(tt.path, "ctx=") || got == ":" || got == "" {
					continue
				}
				if !strings.HasPrefix(got, tt.want) {
					t.Errorf("got %q", got)
				}
				return
			}
		})
	}
}

// TestLogsRights checks who reads what, that it is recorded when it begins, and
// that tables which nobody granted never show.
func TestLogsRights(t *testing.T) {
	f := newFace(t, nil)
	s := f.serve()
	for _, tt := range []struct {
		path, role string
		status     int
	}{
		{"/_logs", "", http.StatusUnauthorized},
		{"/_logs", "log_writer", http.StatusForbidden},
		{"/_logs?tables=logs", "event_logger", http.StatusForbidden},
		{"/_logs?tables=nothing", "auditor", http.StatusNotFound},
		{"/_logs?format=xml", "auditor", http.StatusBadRequest},
		{"/_logs?" + strings.Repeat("a=1&", 100), "auditor", http.StatusBadRequest},
	} {
		header := []string{}
		if tt.role != "" {
			header = []string{"Authorization", f.token(tt.role)}
		}
		if res := f.send("GET", tt.path, "", header...); res.Code != tt.status {
			t.Errorf("%s as %q: %d", tt.path, tt.role, res.Code)
		}
	}
	if res := f.send("POST", "/_logs", ""); res.Code != http.StatusMethodNotAllowed {
		t.Errorf("POST: %d", res.Code)
	}
	follow(t, s, "/_logs?x=*&patient=Patient%2F1+2", "Authorization", f.token("event_logger"))
	f.mu.Lock()
	begun := len(f.begun) == 1 && f.begun[0].Table == "_logs" && f.begun[0].Query == "x=*&patient=Patient/1 2" && f.begun[0].Principal == "sample-user"
	f.mu.Unlock()
	if !begun {
		t.Error("the stream is not recorded")
	}
	all, _ := follow(t, s, "/_logs", "Authorization", f.token("event_logger"))
	f.add(line(`{"ev":"secret","ts":"2026-01-01T00:00:00.000Z"}`),
		&vigil.Event{Table: vigil.TableEvents, Format: vigil.FormatLogserver, Doc: []byte(`{"action":"read","agent":{"who":"sample"}}`)})
	if got := next(t, all); !strings.Contains(got, `"type":"logserver"`) || !strings.Contains(got, `"op":"read"`) {
		t.Errorf("got %s", got)
	}
}

// TestLogsExpiry: a stream ends with its reader's token.
func TestLogsExpiry(t *testing.T) {
	f := newFace(t, nil)
	tok, err := auth.Mint(secret, "auditor", clock().Add(time.Second), nil)
	if err != nil {
		t.Fatal(err)
	}
	start := time.Now()
	r, _ := follow(t, f.serve(), "/_logs", "Authorization", "Bearer "+tok)
	if _, err := r.ReadString('\n'); err == nil || time.Since(start) > time.Minute {
		t.Errorf("after %v: %v", time.Since(start), err)
	}
}

// TestLogsDerived: AuditEvents that a gateway made are shown where their table is
// asked for, since the exchange is there already.
func TestLogsDerived(t *testing.T) {
	f := newFace(t, nil)
	s := f.serve()
	each, _ := follow(t, s, "/_logs", "Authorization", f.token("auditor"))
	named, _ := follow(t, s, "/_logs?tables=audit_events", "Authorization", f.token("auditor"))
	made := &vigil.Event{
		Table: vigil.TableAuditEvents, Format: vigil.FormatFHIRR4, Doc: []byte(`{"resourceType":"AuditEvent","id":"made"}`),
		Sender: &vigil.Sender{Listener: "gateway"},
	}
	sent := &vigil.Event{Table: vigil.TableAuditEvents, Format: vigil.FormatFHIRR4, Doc: []byte(`{"resourceType":"AuditEvent","id":"sent"}`)}
	f.add(made, sent)
	if got := next(t, each); !strings.Contains(got, `"id":"sent"`) {
		t.Errorf("got %s", got)
	}
	if got := next(t, named); !strings.Contains(got, `"id":"made"`) {
		t.Errorf("got %s", got)
	}
}

// TestLogsHostile: what applications send cannot break a line of any format.
func TestLogsHostile(t *testing.T) {
	f := newFace(t, nil)
	s := f.serve()
	var readers []*bufio.Reader
	for _, name := range []string{"json", "pretty", "event-stream"} {
		r, _ := follow(t, s, "/_logs?format="+name, "Authorization", f.token("auditor"))
		readers = append(readers, r)
	}
	message := "a\n{\"ev\":\"w/req\"}\r\n\u2028\u2029\u0085\u001b[2J\u007f\u202eevil"
	b, _ := json.Marshal(map[string]any{"type": message, "message": message, "v": message})
	if res := f.write("/$loggy", string(b), "X-Request-Id", "end"); res.Code != 200 {
		t.Fatal(res.Body)
	}
	f.write("/$loggy", `{"message":"the end"}`)
	for i, r := range readers {
		n := 0
		for {
			got := next(t, r)
			if got == ":" || got == "" {
				continue
			}
			if strings.Contains(got, "the end") {
				break
			}
			n++
			if strings.ContainsAny(strings.NewReplacer("\x1b[0;33m", "", "\x1b[0;31m", "", "\x1b[0;37m", "", "\x1b[m", "").Replace(got), "\x1b\r\u2028\u2029\u0085\x7f") {
				t.Errorf("reader %d got %q", i, got)
			}
		}
		if n != 1 {
			t.Errorf("reader %d: %d lines", i, n)
		}
	}
}

// stuck is a ResponseWriter whose client takes nothing until it is let go.
type stuck struct {
	http.ResponseWriter
	wrote chan struct{}
	free  chan struct{}
	got   strings.Builder
	first sync.Once
	end   func() // called when the event end has come
}

func (s *stuck) Write(p []byte) (int, error) {
	s.first.Do(func() { close(s.wrote) })
	<-s.free
	if bytes.Contains(p, []byte(`"ev":"end"`)) {
		defer s.end()
	}
	return s.got.Write(p)
}

// TestLogsSlow: a reader that takes nothing holds up neither the writer nor other
// readers, costs a bounded number of bytes, and is told how much it missed.
func TestLogsSlow(t *testing.T) {
	f := newFace(t, func(c *ingest.Config) { c.Held = 1 << 20 })
	ctx, cancel := context.WithCancel(context.Background())
	r := httptest.NewRequest("GET", "/_logs", nil).WithContext(ctx)
	r.Header.Set("Authorization", f.token("auditor"))
	w := &stuck{ResponseWriter: httptest.NewRecorder(), wrote: make(chan struct{}), free: make(chan struct{}), end: cancel}
	done := make(chan struct{})
	go func() {
		defer close(done)
		f.ServeHTTP(w, r)
	}()
	for len(f.begunList()) == 0 {
		runtime.Gosched()
	}
	f.add(line(`{"ev":"first","ts":"2026-01-01T00:00:00.000Z"}`))
	select {
	case <-w.wrote:
	case <-done:
		t.Fatal("the stream ended")
	}
	const rounds, each = 60, 50
	filler := strings.Repeat("x", 1000)
	for i := range rounds {
		var events []*vigil.Event
		for j := range each {
			events = append(events, line(fmt.Sprintf(`{"ev":"n","ts":"2026-01-01T00:00:00.000Z","n":%d,"msg":"%s"}`, i*each+j, filler)))
		}
		f.add(events...)
	}
	fast := f.serve()
	quick, _ := follow(t, fast, "/_logs?ev=last", "Authorization", f.token("auditor"))
	// The hub has read everything when a reader that came later gets a line.
	f.add(line(`{"ev":"last","ts":"2026-01-01T00:00:00.000Z"}`))
	next(t, quick)
	close(w.free)
	f.add(line(`{"ev":"end","ts":"2026-01-01T00:00:00.000Z"}`))
	<-done
	var missed, got int
	for l := range strings.SplitSeq(strings.TrimSpace(w.got.String()), "\n") {
		var v struct {
			Ev     string
			Missed int
		}
		if err := json.Unmarshal([]byte(l), &v); err != nil {
			t.Fatalf("%q: %v", l, err)
		}
		missed += v.Missed
		if v.Missed == 0 {
			got++
		}
	}
	if missed == 0 || missed+got < rounds*each+2 || missed+got > rounds*each+3 {
		t.Errorf("%d missed, %d got of %d", missed, got, rounds*each+3)
	}
}

func (f *face) begunList() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	out := make([]string, len(f.begun))
	return out
}

// TestLogsReaders has 100 readers while events are stored, among them some that
// take nothing: the memory stays bounded and nobody who reads misses anything.
func TestLogsReaders(t *testing.T) {
	if testing.Short() {
		t.Skip("a load test")
	}
	f := newFace(t, nil)
	s := f.serve()
	const readers, asleep, total = 90, 10, 10_000
	var ends sync.WaitGroup
	var lost atomic.Int64
	for range readers {
		r, _ := follow(t, s, "/_logs?tables=logs", "Authorization", f.token("auditor"))
		ends.Go(func() {
			n := 0
			for {
				l, err := r.ReadString('\n')
				if err != nil {
					lost.Add(1)
					return
				}
				var v struct {
					Ev     string
					Missed int64
				}
				_ = json.Unmarshal([]byte(l), &v)
				lost.Add(v.Missed)
				if n++; v.Ev == "last" {
					return
				}
			}
		})
	}
	for range asleep {
		conn, err := net.Dial("tcp", s.Listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		fmt.Fprintf(conn, "GET /_logs HTTP/1.1\r\nHost: h\r\nAuthorization: %s\r\n\r\n", f.token("auditor"))
	}
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	start := time.Now()
	filler := strings.Repeat("x", 200)
	for i := 0; i < total; i += 100 {
		var events []*vigil.Event
		for j := range 100 {
			events = append(events, line(fmt.Sprintf(`{"ev":"n","ts":"2026-01-01T00:00:00.000Z","n":%d,"msg":"%s"}`, i+j, filler)))
		}
		f.add(events...)
		time.Sleep(time.Until(start.Add(time.Duration(i) * time.Second / 5000)))
	}
	f.add(line(`{"ev":"last","ts":"2026-01-01T00:00:00.000Z"}`))
	took := time.Since(start)
	ends.Wait()
	runtime.GC()
	runtime.ReadMemStats(&after)
	t.Logf("%d events to %d readers: stored in %v, all read after %v; heap %+d KiB; %d missed",
		total, readers, took, time.Since(start), (int64(after.HeapAlloc)-int64(before.HeapAlloc))>>10, lost.Load())
	if lost.Load() > 0 {
		t.Errorf("%d events were missed by readers that read", lost.Load())
	}
	if grown := int64(after.HeapAlloc) - int64(before.HeapAlloc); grown > 64<<20 {
		t.Errorf("the heap grew by %d bytes", grown)
	}
	if took > 30*time.Second { // two of them are the rate; a reader that holds up the writer has no end
		t.Errorf("the writer took %v", took)
	}
}

// TestLogsPage: the page is served to anybody, holds nothing, and its policy lets
// no other script run.
func TestLogsPage(t *testing.T) {
	f := newFace(t, nil)
	res := f.send("GET", "/_logs", "", "Accept", "text/html,*/*")
	policy := res.Header().Get("Content-Security-Policy")
	if res.Code != 200 || !strings.Contains(policy, "default-src 'none'") || strings.Contains(policy, "unsafe") || !strings.Contains(policy, "frame-ancestors 'none'") {
		t.Fatalf("%d %s", res.Code, policy)
	}
	body := text(t, res.Body)
	for _, never := range []string{"innerHTML", "insertAdjacentHTML", "document.write", "eval(", "outerHTML", "onclick=", " style="} {
		if strings.Contains(body, never) {
			t.Errorf("the page has %s", never)
		}
	}
	other := f.send("GET", "/_logs?format=ui", "")
	if other.Header().Get("Content-Security-Policy") == policy {
		t.Error("the nonce is used twice")
	}
	if head := f.send("HEAD", "/_logs?format=ui", ""); head.Code != 200 || head.Body.Len() != 0 {
		t.Errorf("HEAD: %d, %d bytes", head.Code, head.Body.Len())
	}
}

// erasing gives of every event with "gone" in it what an erasure leaves.
type erasing struct{ ingest.Store }

func (s erasing) Entries(ctx context.Context, from int64) iter.Seq2[*vigil.Event, error] {
	return func(yield func(*vigil.Event, error) bool) {
		for e, err := range s.Store.Entries(ctx, from) {
			if err == nil && strings.Contains(string(e.Doc), "gone") {
				e = store.Remains(e, [32]byte{})
			}
			if !yield(e, err) {
				return
			}
		}
	}
}

// TestLogsErased erases a line before the stream comes to it: the next is shown.
func TestLogsErased(t *testing.T) {
	f := newFace(t, func(c *ingest.Config) { c.Store = erasing{c.Store} })
	r, _ := follow(t, f.serve(), "/_logs?tables=logs", "Authorization", f.token("auditor"))
	f.add(line(`{"ev":"x","w":"gone"}`))
	f.add(line(`{"ev":"x","w":"gone"}`), line(`{"ev":"x","w":"stays"}`))
	if got := next(t, r); !strings.Contains(got, "stays") {
		t.Errorf("the first line is %s", got)
	}
}
