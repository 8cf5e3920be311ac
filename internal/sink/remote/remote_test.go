package remote

import (
	"context"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"vigil"
	"vigil/internal/sink"
)

// kinds makes a Sink of each kind.
var kinds = map[string]func(Config) (*Sink, error){
	"elasticsearch": func(c Config) (*Sink, error) {
		return NewElasticsearch(c, ElasticsearchOptions{Index: daily, APIKey: "hunter2"})
	},
	"loki":    func(c Config) (*Sink, error) { return NewLoki(c, map[string]string{"box": "audit"}) },
	"datadog": func(c Config) (*Sink, error) { return NewDatadog(c, DatadogOptions{APIKey: "hunter2"}) },
	"splunk":  func(c Config) (*Sink, error) { return NewSplunk(c, SplunkOptions{Token: "hunter2"}) },
	"otlp":    func(c Config) (*Sink, error) { return NewOTLP(c, OTLPOptions{}) },
	"seq":     func(c Config) (*Sink, error) { return NewSeq(c, SeqOptions{APIKey: "hunter2"}) },
	"ndjson":  NewNDJSON,
}

// good is an answer with which a server of a kind takes everything.
var good = map[string]string{
	"elasticsearch": `{"errors":false}`, "splunk": `{"text":"Success","code":0}`, "otlp": `{"partialSuccess":{}}`, "seq": `{"MinimumLevelAccepted":null}`,
}

// TestAnswers gives every kind every sort of answer. What is not a word about the
// lines themselves is to be waited out; nothing secret is in an error.
func TestAnswers(t *testing.T) {
	other := serve(t, say(200, `{"errors":false,"code":0}`))
	for kind, make := range kinds {
		t.Run(kind, func(t *testing.T) {
			for name, answer := range map[string]func(int, request, http.ResponseWriter){
				"500": say(500, "broken"), "steers": say(500, "a\x1b[31m\n\u202e\u2066b"), "502": say(502, ""), "503": say(503, `{"text":"Server is busy","code":9}`), "429": say(429, "slow down"),
				"401": say(401, "hunter?"), "403": say(403, `{"text":"Invalid token","code":4}`), "404": say(404, "no such page"), "405": say(405, ""), "100 continue": say(417, ""),
				"redirect": func(_ int, _ request, w http.ResponseWriter) {
					w.Header().Set("Location", other.URL+"/latest/meta-data?hunter2")
					w.WriteHeader(http.StatusPermanentRedirect)
				},
				"301": func(_ int, _ request, w http.ResponseWriter) {
					http.Redirect(w, &http.Request{Method: "POST"}, other.URL, http.StatusMovedPermanently)
				},
				"close": func(int, request, http.ResponseWriter) { panic(http.ErrAbortHandler) },
				"half": func(_ int, _ request, w http.ResponseWriter) {
					w.Header().Set("Content-Length", "100")
					io.WriteString(w, "{")
				},
				"hang": func(int, request, http.ResponseWriter) { time.Sleep(150 * time.Millisecond) },
			} {
				srv := serve(t, answer)
				var a aside
				c := config(strings.Replace(srv.URL, "http://", "http://user:hunter2@", 1)+"/?apiKey=hunter2", &a)
				c.Timeout = 100 * time.Millisecond
				s := must(t)(make(c))
				err := s.Write(t.Context(), events(`{"a":1}`, `{"a":2}`))
				if err == nil || vigil.KindOf(err) != vigil.Unavailable || len(a.got) > 0 {
					t.Errorf("%s: error %v, %d set aside", name, err, len(a.got))
				}
				if err != nil && (strings.Contains(err.Error(), "hunter2") || strings.ContainsAny(err.Error(), "\n\x1b\u202e\u2066")) {
					t.Errorf("%s: the error is %q", name, err)
				}
				if n := len(srv.requests()); n > 2 { // closed connections may be tried again by the transport
					t.Errorf("%s: %d requests", name, n)
				}
			}
			for _, c := range [...]struct{ url, header string }{{"http://127.0.0.1:1", ""}, {"http://no-such-host.invalid", ""}} {
				s := must(t)(make(config(c.url, new(aside))))
				if err := s.Write(t.Context(), events(`{"a":1}`)); err == nil || strings.Contains(err.Error(), "hunter2") {
					t.Errorf("%s: %v", c.url, err)
				}
			}
		})
	}
	if n := len(other.requests()); n != 0 {
		t.Errorf("%d requests went where a redirect led", n)
	}
}

// TestGarbage expects kinds whose answers mean something to wait where they do not.
func TestGarbage(t *testing.T) {
	for _, kind := range []string{"elasticsearch", "splunk", "otlp", "seq"} {
		for _, text := range []string{"<html>", "{", `"x"`, "[]"} {
			srv := serve(t, say(200, text))
			s := must(t)(kinds[kind](config(srv.URL, new(aside))))
			if err := s.Write(t.Context(), events(`{"a":1}`)); err == nil {
				t.Errorf("%s takes the answer %s", kind, text)
			}
		}
	}
}

// TestRefused expects each kind to find the lines that the server will not take.
func TestRefused(t *testing.T) {
	for kind, make := range kinds {
		t.Run(kind, func(t *testing.T) {
			got := map[string]int{}
			srv := serve(t, func(_ int, r request, w http.ResponseWriter) {
				if strings.Contains(r.body, "bad") {
					w.WriteHeader(400)
					io.WriteString(w, `{"text":"Invalid data format","code":6}`)
					return
				}
				for i := range 40 {
					if strings.Contains(r.body, fmt.Sprintf(`good %02d`, i)) {
						got[fmt.Sprint(i)]++
					}
				}
				io.WriteString(w, good[kind])
			})
			var docs []string
			for i := range 40 {
				docs = append(docs, fmt.Sprintf(`{"m":"good %02d"}`, i))
			}
			docs[7], docs[8], docs[39] = `{"m":"bad 1"}`, `{"m":"bad 2"}`, `{"m":"bad 3"}`
			var a aside
			s := must(t)(make(config(srv.URL, &a)))
			if err := s.Write(t.Context(), events(docs...)); err != nil {
				t.Fatal(err)
			}
			for n, times := range got {
				if times != 1 {
					t.Errorf("line %s came %d times", n, times)
				}
			}
			if len(got) != 37 || len(a.got) != 3 || a.reasons()[`{"m":"bad 2"}`] == "" {
				t.Errorf("%d lines taken, set aside: %v", len(got), a.reasons())
			}
		})
	}
}

// TestAllRefused expects a server that refuses everything to be taken for a wrong
// one, before the whole log is set aside.
func TestAllRefused(t *testing.T) {
	srv := serve(t, say(400, "what is this?"))
	var a aside
	s := must(t)(NewNDJSON(config(srv.URL, &a)))
	var docs []string
	for i := range 1000 {
		docs = append(docs, fmt.Sprint(i))
	}
	batch := events(docs...)
	err := s.Write(t.Context(), batch)
	p, ok := errors.AsType[*sink.Partial](err)
	if !ok || p.Done != refusedInRow || len(a.got) != refusedInRow || !strings.Contains(err.Error(), "one after the other") {
		t.Fatalf("%d set aside, error %v", len(a.got), err)
	}
	srv.mu.Lock()
	srv.answer = say(200, "")
	srv.mu.Unlock()
	if err := s.Write(t.Context(), batch[p.Done:]); err != nil || len(a.got) != refusedInRow {
		t.Errorf("then %d set aside, %v", len(a.got), err)
	}
}

// TestSetAsideFails keeps what could not be set aside.
func TestSetAsideFails(t *testing.T) {
	srv := serve(t, say(400, "no"))
	c := config(srv.URL, new(aside))
	c.SetAside = func(context.Context, []sink.Refused) error { return errors.New("no room") }
	s := must(t)(NewNDJSON(c))
	if err := s.Write(t.Context(), events("1")); err == nil || !strings.Contains(err.Error(), "no room") {
		t.Errorf("Write: %v", err)
	}
}

func TestChunks(t *testing.T) {
	var sizes []int
	srv := serve(t, func(_ int, r request, w http.ResponseWriter) { sizes = append(sizes, strings.Count(r.body, "\n")) })
	c := config(srv.URL, new(aside))
	c.BatchLines, c.BatchBytes = 5, 1000
	c.Line = func(dst []byte, e *vigil.Event) []byte { // three lines an event, which stay together
		return append(sink.Document(sink.Document(dst, e), e), "\nlast\n"...)
	}
	s := must(t)(NewNDJSON(c))
	if err := s.Write(t.Context(), events("1", "2", "3", `"`+strings.Repeat("x", 2000)+`"`, "5")); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]int{6, 3, 3, 3}, sizes); diff != "" {
		t.Errorf("lines of requests (-want +got):\n%s", diff)
	}
}

// bodyOf sends documents by a kind and returns the one request.
func bodyOf(t *testing.T, make func(Config) (*Sink, error), kind string, docs ...string) request {
	t.Helper()
	srv := serve(t, say(200, good[kind]))
	s := must(t)(make(config(srv.URL, new(aside))))
	if err := s.Write(t.Context(), events(docs...)); err != nil {
		t.Fatal(err)
	}
	if n := len(srv.requests()); n != 1 {
		t.Fatalf("%d requests", n)
	}
	return srv.requests()[0]
}

func TestLoki(t *testing.T) {
	r := bodyOf(t, kinds["loki"], "loki", `{"ts":"2024-01-31T13:35:43.123Z","ev":"w/req"}`, `1`)
	want := `{"streams":[{"stream":{"box":"audit"},"values":[["1706708143123000000","{\"ts\":\"2024-01-31T13:35:43.123Z\",\"ev\":\"w/req\"}"],["` +
		strconv.FormatInt(taken.UnixNano(), 10) + `","1"]]}]}`
	if r.body != want || r.path != "/loki/api/v1/push" || !json.Valid([]byte(r.body)) {
		t.Errorf("%s %s, want %s", r.path, r.body, want)
	}
	if _, err := NewLoki(config("http://x", new(aside)), map[string]string{"a-b": "c"}); err == nil {
		t.Error("a-b is a label")
	}
}

// TestLokiGolden compares with what Aidbox's logger pushed.
func TestLokiGolden(t *testing.T) {
	const dir = "../../../../shared/data/aidbox/klog_golden/"
	b, err := os.ReadFile(dir + "loki_push.txt")
	if err != nil {
		t.Skip("the recorded requests are not here:", err)
	}
	lines, err := os.ReadFile(dir + "events.ndjson")
	if err != nil {
		t.Fatal(err)
	}
	type push struct {
		Streams []struct {
			Stream map[string]string
			Values [][2]string
		}
	}
	var want, got push
	_, body, _ := strings.Cut(string(b), "\n")
	body, _, _ = strings.Cut(body, "\n")
	if err := json.Unmarshal([]byte(body), &want); err != nil {
		t.Fatal(err)
	}
	r := bodyOf(t, func(c Config) (*Sink, error) { return NewLoki(c, map[string]string{"box": "aidbox", "env": "t"}) }, "loki",
		strings.Split(string(lines), "\n")[:2]...)
	if err := json.Unmarshal([]byte(r.body), &got); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("push (-recorded +got):\n%s", diff)
	}
}

func TestDatadog(t *testing.T) {
	r := bodyOf(t, func(c Config) (*Sink, error) {
		return NewDatadog(c, DatadogOptions{APIKey: "KEY", Tags: "env:staging", Host: "h1"})
	}, "datadog", `{"ev":"w/req"}`, `{"ev":"w/resp"}`)
	want := `[{"message":"{\"ev\":\"w/req\"}","ddsource":"vigil","service":"vigil","ddtags":"env:staging","hostname":"h1"},` +
		`{"message":"{\"ev\":\"w/resp\"}","ddsource":"vigil","service":"vigil","ddtags":"env:staging","hostname":"h1"}]`
	if r.body != want || r.path != "/api/v2/logs" || r.header.Get("DD-API-KEY") != "KEY" {
		t.Errorf("%+v", r)
	}
	c := config("", new(aside))
	s := must(t)(NewDatadog(c, DatadogOptions{APIKey: "KEY", Site: "datadoghq.eu"}))
	if got := s.url.String(); got != "https://http-intake.logs.datadoghq.eu/api/v2/logs" {
		t.Errorf("address %s", got)
	}
	for _, o := range []DatadogOptions{{}, {APIKey: "K", Site: "evil.example/x?"}} {
		if _, err := NewDatadog(c, o); err == nil {
			t.Errorf("%+v is accepted", o)
		}
	}
}

func TestSplunk(t *testing.T) {
	r := bodyOf(t, func(c Config) (*Sink, error) {
		return NewSplunk(c, SplunkOptions{Token: "T", Index: "audit"})
	}, "splunk", `{"ts":"2024-01-31T13:35:43.000123Z"}`, `"text"`)
	want := `{"time":1706708143.000123,"sourcetype":"_json","source":"vigil","index":"audit","event":{"ts":"2024-01-31T13:35:43.000123Z"}}` + "\n" +
		`{"time":` + fmt.Sprintf("%d.123456", taken.Unix()) + `,"sourcetype":"_json","source":"vigil","index":"audit","event":"\"text\""}`
	if r.body != want || r.path != "/services/collector/event" || r.header.Get("Authorization") != "Splunk T" {
		t.Errorf("%+v", r)
	}
	// OpenTelemetry's collector has answered so.
	for _, ok := range []string{`{"text": "Success", "code": 0}`, `"OK"`} {
		srv := serve(t, say(200, ok))
		s := must(t)(NewSplunk(config(srv.URL, new(aside)), SplunkOptions{Token: "T"}))
		if err := s.Write(t.Context(), events("1")); err != nil {
			t.Errorf("%s: %v", ok, err)
		}
	}
	// A wrong index is the configuration's fault, not the event's.
	srv := serve(t, say(400, `{"text":"Incorrect index","code":7,"invalid-event-number":0}`))
	var a aside
	s := must(t)(NewSplunk(config(srv.URL, &a), SplunkOptions{Token: "T", Index: "none"}))
	if err := s.Write(t.Context(), events("1")); err == nil || len(a.got) > 0 {
		t.Errorf("wrong index: %v, %d set aside", err, len(a.got))
	}
}

// TestSplunkAck waits until the indexer has the events.
func TestSplunkAck(t *testing.T) {
	asked := 0
	srv := serve(t, func(_ int, r request, w http.ResponseWriter) {
		if r.path != "/services/collector/ack" {
			io.WriteString(w, `{"text":"Success","code":0,"ackId":5}`)
			return
		}
		asked++
		if r.body != `{"acks":[5]}` || r.header.Get("X-Splunk-Request-Channel") == "" || !strings.HasPrefix(r.query, "channel=") {
			t.Errorf("asked %+v", r)
		}
		fmt.Fprintf(w, `{"acks":{"5":%t}}`, asked == 3)
	})
	s := must(t)(NewSplunk(config(srv.URL, new(aside)), SplunkOptions{Token: "T", Ack: true}))
	if err := s.Write(t.Context(), events("1")); err != nil || asked != 3 {
		t.Errorf("asked %d times, %v", asked, err)
	}
	never := serve(t, say(200, `{"text":"Success","code":0}`))
	s = must(t)(NewSplunk(config(never.URL, new(aside)), SplunkOptions{Token: "T", Ack: true}))
	if err := s.Write(t.Context(), events("1")); err == nil {
		t.Error("no ackId, and no error")
	}
}

func TestSeq(t *testing.T) {
	long := `{"@t":"2024-01-31T13:35:43.1230000Z","@mt":"` + strings.Repeat("x", 400) + `"}`
	srv := serve(t, say(201, `{"MinimumLevelAccepted":null}`))
	var a aside
	s := must(t)(NewSeq(config(srv.URL+"/api/events/raw", &a), SeqOptions{APIKey: "K", EventLimit: 300}))
	batch := events(`{"@t":"2024-01-31T13:35:43.1230000Z","@mt":"{A}","A":1}`, `{"ts":"2024-01-31T13:35:43.123Z","lvl":"warn","ev":"w/req","@x":1}`, `"text"`, long)
	if err := s.Write(t.Context(), batch); err != nil {
		t.Fatal(err)
	}
	r := srv.requests()[0]
	lines := strings.Split(r.body, "\n")
	want := []string{
		`{"@t":"2024-01-31T13:35:43.1230000Z","@mt":"{A}","A":1}`,
		`{"@t":"2024-01-31T13:35:43.1230000Z","@m":"w/req","@l":"warn","ts":"2024-01-31T13:35:43.123Z","lvl":"warn","ev":"w/req","@@x":1}`,
		`{"@t":"2026-01-02T23:59:58.1234560Z","@m":"\"text\""}`,
	}
	if diff := cmp.Diff(want, lines[:3]); diff != "" || len(lines) != 5 || lines[4] != "" {
		t.Errorf("%d lines (-want +got):\n%s", len(lines), diff)
	}
	if !json.Valid([]byte(lines[3])) || !strings.Contains(lines[3], `"EventBodySample":"{\"@t\"`) || !strings.Contains(lines[3], `"@l":"Error"`) {
		t.Errorf("oversized: %s", lines[3])
	}
	if len(a.got) != 1 || string(a.got[0].Event.Doc) != long {
		t.Errorf("set aside: %v", a.got)
	}
	if r.path != "/api/events/raw" || r.query != "clef" || r.header.Get("X-Seq-ApiKey") != "K" || r.header.Get("Content-Type") != "application/vnd.serilog.clef" {
		t.Errorf("%+v", r)
	}
	if r := bodyOf(t, kinds["seq"], "seq", "1"); r.path != "/ingest/clef" || r.query != "" {
		t.Errorf("path %s?%s", r.path, r.query)
	}
}

// TestSeqLevel leaves out what Seq does not want, and asks again after a while.
func TestSeqLevel(t *testing.T) {
	least := `"Warning"`
	srv := serve(t, func(_ int, _ request, w http.ResponseWriter) {
		fmt.Fprintf(w, `{"MinimumLevelAccepted":%s}`, least)
	})
	now := taken
	c := config(srv.URL, new(aside))
	c.Now = func() time.Time { return now }
	s := must(t)(NewSeq(c, SeqOptions{}))
	batch := events(`{"@t":"2024-01-31T13:35:43Z","@mt":"info"}`, `{"@t":"2024-01-31T13:35:43Z","@mt":"x","@l":"Error"}`, `{"@t":"2024-01-31T13:35:43Z","@mt":"x","@l":"Special"}`)
	counts := func() (out []int) {
		for _, r := range srv.requests() {
			out = append(out, strings.Count(r.body, "\n"))
		}
		return out
	}
	write := func() {
		t.Helper()
		if err := s.Write(t.Context(), batch); err != nil {
			t.Fatal(err)
		}
	}
	write() // nothing is known yet
	write() // information is left out
	if err := s.Write(t.Context(), batch[:1]); err != nil {
		t.Fatal(err)
	}
	now = now.Add(3 * time.Minute)
	least = "null"
	write()
	write()
	if diff := cmp.Diff([]int{3, 2, 3, 3}, counts()); diff != "" {
		t.Errorf("lines of requests (-want +got):\n%s", diff)
	}
}

// TestIDs gives events of a spool, which have no UID yet, an id of their batch.
func TestIDs(t *testing.T) {
	var x index
	srv := serve(t, x.answer)
	c := config(srv.URL, new(aside))
	c.Key = func(context.Context) string { return "k1" }
	c.Line = func(dst []byte, e *vigil.Event) []byte { return append(sink.Document(dst, e), "{\"second\":1}\n"...) }
	s := must(t)(NewElasticsearch(c, ElasticsearchOptions{Index: "'i'"}))
	for range 2 {
		if err := s.Write(t.Context(), []*vigil.Event{{Doc: []byte("1"), Received: taken}, {Doc: []byte("2"), Received: taken}}); err != nil {
			t.Fatal(err)
		}
	}
	for _, id := range []string{"i/k1-0", "i/k1-0-1", "i/k1-1", "i/k1-1-1"} {
		if x.docs[id] == "" {
			t.Errorf("no %s in %v", id, x.docs)
		}
	}
	if len(x.docs) != 4 {
		t.Errorf("%d documents", len(x.docs))
	}
}

// TestAuthority trusts the authority of the configuration, and no server without.
func TestAuthority(t *testing.T) {
	srv := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.Copy(io.Discard, r.Body) }))
	t.Cleanup(srv.Close)
	srv.Config.ErrorLog = nil
	c := config(srv.URL, new(aside))
	if err := must(t)(NewNDJSON(c)).Write(t.Context(), events("1")); err == nil {
		t.Error("a server with an unknown certificate got an event")
	}
	c.CA = filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(c.CA, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: srv.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := must(t)(NewNDJSON(c)).Write(t.Context(), events("1")); err != nil {
		t.Error(err)
	}
	if err := os.WriteFile(c.CA, []byte("none"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := NewNDJSON(c); err == nil {
		t.Error("a file without a certificate is accepted")
	}
}

func TestHeaders(t *testing.T) {
	srv := serve(t, say(204, ""))
	c := config(srv.URL+"/in?x=1", new(aside))
	c.Header = map[string]string{"X-Scope-OrgID": "t1", "Content-Type": "text/plain"}
	if err := must(t)(NewNDJSON(c)).Write(t.Context(), events("1")); err != nil {
		t.Fatal(err)
	}
	if r := srv.requests()[0]; r.header.Get("X-Scope-OrgID") != "t1" || r.header.Get("Content-Type") != "text/plain" || r.path != "/in" || r.query != "x=1" || r.body != "1\n" {
		t.Errorf("%+v", r)
	}
	c.Header = map[string]string{"X-Bad": "hunter2\r\nX: y"}
	if _, err := NewNDJSON(c); err == nil || strings.Contains(err.Error(), "hunter2") {
		t.Errorf("a header with a line's end: %v", err)
	}
}

func FuzzAnswer(f *testing.F) {
	for _, s := range []string{`{"errors":true,"items":[{"create":{"status":400}}]}`, `{"code":6,"text":""}`, `{"partialSuccess":{"rejectedLogRecords":9}}`, `{"MinimumLevelAccepted":"Error"}`} {
		f.Add(200, s)
	}
	sinks := map[string]*Sink{}
	for kind, make := range kinds {
		s, err := make(config("http://localhost:1", new(aside)))
		if err != nil {
			f.Fatal(err)
		}
		sinks[kind] = s
	}
	items := []item{{e: events("1")[0], line: []byte("{}"), object: true}, {e: events("2")[0], event: 1, line: []byte("x")}}
	f.Fuzz(func(t *testing.T, status int, body string) {
		for kind, s := range sinks {
			judge := s.p.judge
			if judge == nil {
				judge = byStatus
			}
			out := judge(t.Context(), s, &answer{status: status, header: http.Header{}, body: []byte(body)}, items)
			if out.done < 0 || out.done >= len(items) || out.err != nil && out.refused != "" {
				t.Fatalf("%s: %+v", kind, out)
			}
			for _, r := range out.items {
				if r.item < 0 || r.item >= len(items) {
					t.Fatalf("%s: %+v", kind, out)
				}
			}
		}
	})
}
