package remote

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"vigil"
	"vigil/internal/sink"
	"vigil/internal/store"
)

const daily = "'audit-logs'-yyyy-MM-dd"

func TestBulk(t *testing.T) {
	var x index
	srv := serve(t, x.answer)
	var a aside
	c := config(srv.URL, &a)
	c.User, c.Password, c.Gzip = "elastic", "secret", true
	s := must(t)(NewElasticsearch(c, ElasticsearchOptions{Index: daily}))
	docs := events(`{"ts":"2025-12-31T23:59:59.999Z","ev":"w/req"}`, `{"ev":"none of the day"}`, `{"@timestamp":"2026-02-03T00:30:00+01:00"}`, `{}`, `"text"`)
	for range 2 { // the second time everything is there
		if err := s.Write(t.Context(), docs); err != nil {
			t.Fatal(err)
		}
	}
	uid := func(i int) string { return docs[i].UID.String() }
	want := map[string]string{
		"audit-logs-2025-12-31/" + uid(0): `{"@timestamp":"2025-12-31T23:59:59.999Z","ts":"2025-12-31T23:59:59.999Z","ev":"w/req"}`,
		"audit-logs-2026-01-02/" + uid(1): `{"@timestamp":"2026-01-02T23:59:58.123456Z","ev":"none of the day"}`,
		"audit-logs-2026-02-02/" + uid(2): `{"@timestamp":"2026-02-03T00:30:00+01:00"}`,
		"audit-logs-2026-01-02/" + uid(3): `{"@timestamp":"2026-01-02T23:59:58.123456Z"}`,
		"audit-logs-2026-01-02/" + uid(4): `{"message":"\"text\"","@timestamp":"2026-01-02T23:59:58.123456Z"}`,
	}
	if diff := cmp.Diff(want, x.docs); diff != "" {
		t.Errorf("documents (-want +got):\n%s", diff)
	}
	r := srv.requests()[0]
	user, password, ok := (&http.Request{Header: r.header}).BasicAuth()
	if r.path != "/_bulk" || r.header.Get("Content-Type") != "application/x-ndjson" || !ok || user+password != "elasticsecret" || r.header.Get("Content-Encoding") != "gzip" {
		t.Errorf("request %+v", r)
	}
}

// TestBulkGolden sends the lines that Aidbox's logger was given and compares
// with what that sent; the index is of the event's day here, and there is an _id.
func TestBulkGolden(t *testing.T) {
	const dir = "../../../../shared/data/aidbox/klog_golden/"
	lines, err := os.ReadFile(dir + "events.ndjson")
	if err != nil {
		t.Skip("the recorded requests are not here:", err)
	}
	golden, err := os.ReadFile(dir + "es_bulk.txt")
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]int{}
	for l := range strings.Lines(string(golden)) {
		if strings.HasPrefix(l, "{") && !strings.HasPrefix(l, `{"create"`) {
			want[normal(t, l)]++
		}
	}
	var x index
	srv := serve(t, x.answer)
	s := must(t)(NewElasticsearch(config(srv.URL, new(aside)), ElasticsearchOptions{Index: "'aidbox-logs'-yyyy-MM-dd"}))
	if err := s.Write(t.Context(), events(strings.Split(strings.TrimSpace(string(lines)), "\n")...)); err != nil {
		t.Fatal(err)
	}
	got := map[string]int{}
	for id, doc := range x.docs {
		got[normal(t, doc)]++
		if !strings.HasPrefix(id, "aidbox-logs-2024-01-31/") {
			t.Errorf("index %s", id)
		}
	}
	for doc := range want {
		if got[doc] == 0 {
			t.Errorf("not sent: %s", doc)
		}
	}
	if len(want) < 3 || len(got) < len(want) {
		t.Errorf("%d documents, recorded %d", len(got), len(want))
	}
}

func normal(t *testing.T, doc string) string {
	t.Helper()
	var m map[string]any
	if err := json.Unmarshal([]byte(doc), &m); err != nil {
		t.Fatal(err)
	}
	b, err := json.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// TestBulkItems expects 409 to be done, 400 to be set aside, and 429 to come again.
func TestBulkItems(t *testing.T) {
	busy := true
	x := index{item: func(doc string) (int, string) {
		switch {
		case strings.Contains(doc, "bad"):
			return 400, "failed to parse field [d]\x1b[31m"
		case strings.Contains(doc, "busy") && busy:
			return 429, "rejected execution"
		}
		return 0, ""
	}}
	srv := serve(t, x.answer)
	var a aside
	s := must(t)(NewElasticsearch(config(srv.URL, &a), ElasticsearchOptions{Index: daily}))
	batch := events(`{"n":1}`, `{"bad":1}`, `{"n":2}`, `{"busy":1}`, `{"bad":2}`, `{"n":3}`)
	err := s.Write(t.Context(), batch)
	p, ok := errors.AsType[*sink.Partial](err)
	if !ok || p.Done != 3 || vigil.KindOf(err) != vigil.Unavailable {
		t.Fatalf("while it is busy: %v", err)
	}
	busy = false
	if err := s.Write(t.Context(), batch[p.Done:]); err != nil {
		t.Fatal(err)
	}
	want := map[string]string{`{"bad":1}`: "400 t: failed to parse field [d] [31m", `{"bad":2}`: "400 t: failed to parse field [d] [31m"}
	if diff := cmp.Diff(want, a.reasons()); diff != "" || len(a.got) != 2 {
		t.Errorf("%d set aside (-want +got):\n%s", len(a.got), diff)
	}
	if len(x.docs) != 4 {
		t.Errorf("documents %v", x.docs)
	}
}

// TestBulkEmptyAnswer sends what VictoriaLogs 1.26 cannot read, such as a line
// beyond its insert.maxLineSizeBytes: it answers 200 and nothing else. One such
// event must not hold up those after it; a server that never says anything is no
// Elasticsearch, and must not get the whole log set aside.
func TestBulkEmptyAnswer(t *testing.T) {
	x := new(index)
	srv := serve(t, func(n int, r request, w http.ResponseWriter) {
		if !strings.Contains(r.body, "too long") {
			x.answer(n, r, w)
		}
	})
	var a aside
	s := must(t)(NewElasticsearch(config(srv.URL, &a), ElasticsearchOptions{Index: daily}))
	if err := s.Write(t.Context(), events(`{"n":1}`, `{"n":"too long"}`, `{"n":3}`)); err != nil {
		t.Fatal(err)
	}
	if len(x.docs) != 2 || len(a.reasons()) != 1 || !strings.Contains(a.reasons()[`{"n":"too long"}`], "no word") {
		t.Errorf("%d documents taken, set aside: %v", len(x.docs), a.reasons())
	}
	mute := serve(t, say(200, ""))
	a = aside{}
	s = must(t)(NewElasticsearch(config(mute.URL, &a), ElasticsearchOptions{Index: daily}))
	if err := s.Write(t.Context(), events(slices.Repeat([]string{"{}"}, refusedInRow+1)...)); err == nil || len(a.got) != refusedInRow {
		t.Errorf("a server without a word: %v, %d set aside", err, len(a.got))
	}
}

// TestBulkTroubles follows a store into a server that does everything wrong in
// turn, and expects each document there once.
func TestBulkTroubles(t *testing.T) {
	x := index{item: func(doc string) (int, string) {
		if strings.Contains(doc, `"n":77}`) {
			return 400, "never"
		}
		return 0, ""
	}}
	elsewhere := serve(t, say(200, `{"errors":false}`))
	srv := serve(t, func(n int, r request, w http.ResponseWriter) {
		switch n % 12 {
		case 0:
			http.Error(w, "broken", http.StatusInternalServerError)
		case 1:
			time.Sleep(150 * time.Millisecond) // longer than the timeout
		case 2: // has it, and hangs up
			x.bulk(r.body)
			panic(http.ErrAbortHandler)
		case 3:
			io.WriteString(w, "<html>It works!</html>")
		case 4:
			w.Header().Set("Location", elsewhere.URL+"/_bulk")
			w.WriteHeader(http.StatusTemporaryRedirect)
		case 5:
			w.Header().Set("Retry-After", "0")
			w.WriteHeader(http.StatusTooManyRequests)
		case 6:
			io.WriteString(w, `{"errors":true,"items":[]}`)
		case 7: // has a part of it, and says half of an answer
			x.bulk(strings.Join(strings.SplitAfter(r.body, "\n")[:4], ""))
			w.Header().Set("Content-Length", "1000")
			io.WriteString(w, `{"errors":fal`)
		case 8:
			w.WriteHeader(http.StatusRequestEntityTooLarge)
		case 9:
			http.Error(w, "who?", http.StatusUnauthorized)
		default:
			x.answer(n, r, w)
		}
	})
	m, err := store.NewMemory(store.Config{})
	if err != nil {
		t.Fatal(err)
	}
	const count = 600
	for i := range count {
		if err := m.Write(t.Context(), []*vigil.Event{{Table: "events", Format: vigil.FormatLogserver, Doc: fmt.Appendf(nil, `{"n":%d}`, i)}}); err != nil {
			t.Fatal(err)
		}
	}
	var a aside
	c := config(srv.URL, &a)
	c.Timeout, c.BatchLines = 100*time.Millisecond, 20
	s := must(t)(NewElasticsearch(c, ElasticsearchOptions{Index: daily}))
	f, err := sink.NewFollower(sink.FollowerConfig{
		Name: "x", Log: m, Cursor: filepath.Join(t.TempDir(), "c"), Writer: s, BatchEvents: 50,
		MinPause: time.Millisecond, MaxPause: 5 * time.Millisecond,
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
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(5 * time.Millisecond) {
		x.mu.Lock()
		n := len(x.docs)
		x.mu.Unlock()
		if n == count-1 {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d documents of %d: %v", n, count-1, f.Err())
		}
	}
	seen := map[string]bool{}
	for _, doc := range x.docs {
		seen[doc[strings.Index(doc, `"n"`):]] = true
	}
	if len(seen) != count-1 || len(a.reasons()) != 1 || len(elsewhere.requests()) != 0 || x.again == 0 {
		t.Errorf("%d different documents, %v set aside, %d requests elsewhere, %d came again", len(seen), a.reasons(), len(elsewhere.requests()), x.again)
	}
}

func TestBulkRefusedAtStart(t *testing.T) {
	for _, c := range []struct{ url, index, want string }{
		{"http://localhost:9200", "'Audit'-yyyy", "lower-case"},
		{"http://localhost:9200", "audit-yyyy", "no letter of a date"},
		{"http://localhost:9200", "'a", "no end"},
		{"http://localhost:9200", "", "cannot be the name"},
		{"http://localhost:9200", "'a'-MMM", "lower-case"}, // Jan
		{"http://localhost:9200", "'a'/yyyy", "cannot be the name"},
		{"localhost:9200", "'a'", "want a URL"},
		{"ftp://user:hunter2@x", "'a'", "want a URL"},
	} {
		_, err := NewElasticsearch(config(c.url, new(aside)), ElasticsearchOptions{Index: c.index})
		if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s %s: %v", c.url, c.index, err)
		}
	}
}

// TestPattern has what Java 17's DateTimeFormatter gives for these patterns.
func TestPattern(t *testing.T) {
	at := time.Date(2024, 2, 5, 0, 7, 9, 123456789, time.UTC)
	for pattern, want := range map[string]string{
		"'aidbox-logs'-yyyy-MM-dd": "aidbox-logs-2024-02-05",
		"yyyy.MM.dd.HH":            "2024.02.05.00",
		"uuuu-D":                   "2024-36",
		"yy M d H m s":             "24 2 5 0 7 9",
		"hh KK kk a":               "12 00 24 AM",
		"SSS SSSSSSSSS S n":        "123 123456789 1 123456789",
		"EEE EEEE":                 "Mon Monday",
		"MMM MMMM":                 "Feb February",
		"Q QQ QQQ QQQQ":            "1 01 Q1 1st quarter",
		"'it''s' ''yyyy''":         "it's '2024'",
		"YYYY-'w'ww":               "2024-w06",
		"DDD":                      "036",
	} {
		p, err := ParsePattern(pattern)
		if err != nil {
			t.Errorf("%s: %v", pattern, err)
			continue
		}
		if got := string(p.Append(nil, at)); got != want {
			t.Errorf("%s: %s, want %s", pattern, got, want)
		}
	}
	for _, bad := range []string{"audit", "'x", "yyyy[", "HHH", "MMMMM", "b", "T", "#"} {
		if _, err := ParsePattern(bad); err == nil {
			t.Errorf("%s is accepted", bad)
		}
	}
}

func FuzzPattern(f *testing.F) {
	f.Add("'aidbox-logs'-yyyy-MM-dd")
	f.Add("''yyyyyyyyyQQQQ'")
	f.Fuzz(func(t *testing.T, s string) {
		p, err := ParsePattern(s)
		if err != nil {
			return
		}
		for _, at := range []time.Time{{}, taken, time.Date(12345, 12, 31, 23, 59, 59, 999999999, time.UTC), time.Date(-5, 1, 1, 0, 0, 0, 0, time.UTC)} {
			if len(p.Append(nil, at)) > 16*len(s)+16 {
				t.Fatalf("%q gives %q", s, p.Append(nil, at))
			}
		}
	})
}

// BenchmarkBulk sends to a server that reads everything and has no other work.
func BenchmarkBulk(b *testing.B) {
	srv := newDrain(b)
	const doc = `{"ts":"2026-01-02T03:04:05.678Z","ev":"w/resp","lvl":"info","w_m":"get","w_url":"/Patient/example","w_st":200,"d":12,"ctx":"00000000-0000-7000-8000-000000000000","w_addr":"192.0.2.7","w_uid":"example","w_cid":"example-app","w":"synthetic-worker","tn":"box","w_r":"GET /Patient/:id","w_user_agent":"synthetic/1.0"}`
	var docs []string
	for range 1000 {
		docs = append(docs, doc)
	}
	batch := events(docs...)
	s, err := NewElasticsearch(config(srv, new(aside)), ElasticsearchOptions{Index: daily})
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if err := s.Write(b.Context(), batch); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.N*len(batch))/b.Elapsed().Seconds(), "lines/s")
}

// newDrain starts a server that takes every _bulk.
func newDrain(b *testing.B) string {
	srv := newPlainServer(b, func(w http.ResponseWriter, r *http.Request) {
		if _, err := io.Copy(io.Discard, bufio.NewReaderSize(r.Body, 64<<10)); err != nil {
			http.Error(w, "", http.StatusBadRequest)
			return
		}
		io.WriteString(w, `{"errors":false}`)
	})
	return srv
}

// TestResumed gives the rest of a batch, of which a part was taken, the ids that it
// would have had in the whole: under others it would pass for what is there.
func TestResumed(t *testing.T) {
	var x index
	srv := serve(t, func(n int, r request, w http.ResponseWriter) {
		if n == 1 {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		x.answer(n, r, w)
	})
	c := config(srv.URL, new(aside))
	key := func(context.Context) string { return "k1" }
	c.Key, c.BatchLines = key, 1
	s := sink.Resume(must(t)(NewElasticsearch(c, ElasticsearchOptions{Index: "'i'"})), key)
	batch := []*vigil.Event{{Doc: []byte(`{"n":1}`), Received: taken}, {Doc: []byte(`{"n":2}`), Received: taken}, {Doc: []byte(`{"n":3}`), Received: taken}}
	if err := s.Write(t.Context(), batch); err == nil {
		t.Fatal("the server was well")
	}
	if err := s.Write(t.Context(), batch); err != nil {
		t.Fatal(err)
	}
	for i, e := range batch {
		if got := x.docs[fmt.Sprintf("i/k1-%d", i)]; !strings.Contains(got, string(e.Doc[1:])) {
			t.Errorf("%d: %q", i, got)
		}
	}
	if len(x.docs) != 3 || x.again != 0 {
		t.Errorf("%d documents, %d again", len(x.docs), x.again)
	}
}
