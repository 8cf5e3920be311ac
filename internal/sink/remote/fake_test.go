package remote

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"vigil"
	"vigil/internal/sink"
)

// request is what a server got.
type request struct {
	path, query string
	header      http.Header
	body        string
}

// server is an HTTP server that remembers what it got and answers what a test
// says.
type server struct {
	*httptest.Server
	mu     sync.Mutex
	got    []request
	answer func(n int, r request, w http.ResponseWriter)
}

// serve starts a server; answer is called with the number of the request, from 0.
func serve(t *testing.T, answer func(n int, r request, w http.ResponseWriter)) *server {
	t.Helper()
	s := &server{answer: answer}
	s.Server = httptest.NewServer(s)
	t.Cleanup(s.Close)
	return s
}

func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	in := io.Reader(r.Body)
	if r.Header.Get("Content-Encoding") == "gzip" {
		z, err := gzip.NewReader(in)
		if err != nil {
			http.Error(w, "no gzip", http.StatusBadRequest)
			return
		}
		in = z
	}
	b, err := io.ReadAll(in)
	if err != nil {
		return
	}
	req := request{r.URL.Path, r.URL.RawQuery, r.Header.Clone(), string(b)}
	s.mu.Lock()
	n := len(s.got)
	s.got = append(s.got, req)
	s.mu.Unlock()
	s.answer(n, req, w)
}

func (s *server) requests() []request {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]request(nil), s.got...)
}

// say answers with a status and a text.
func say(status int, text string) func(int, request, http.ResponseWriter) {
	return func(_ int, _ request, w http.ResponseWriter) {
		w.WriteHeader(status)
		io.WriteString(w, text)
	}
}

// aside remembers what was set aside.
type aside struct {
	mu  sync.Mutex
	got []sink.Refused
}

func (a *aside) add(_ context.Context, refused []sink.Refused) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.got = append(a.got, refused...)
	return nil
}

// reasons returns the documents that were set aside with why.
func (a *aside) reasons() map[string]string {
	a.mu.Lock()
	defer a.mu.Unlock()
	m := map[string]string{}
	for _, r := range a.got {
		m[string(r.Event.Doc)] = r.Reason
	}
	return m
}

// taken is when the events of tests were received.
var taken = time.Date(2026, 1, 2, 23, 59, 58, 123456000, time.UTC)

func events(docs ...string) []*vigil.Event {
	var out []*vigil.Event
	for i, d := range docs {
		e := &vigil.Event{Table: "logs", Format: vigil.FormatAidbox, Doc: []byte(d), ID: int64(i + 1), Index: int64(i), Received: taken}
		e.UID = vigil.NewUID(taken, [10]byte{9: byte(i + 1), 8: byte((i + 1) >> 8)})
		out = append(out, e)
	}
	return out
}

func config(url string, a *aside) Config {
	return Config{Name: "test", URL: url, Line: sink.Document, SetAside: a.add, Timeout: 5 * time.Second}
}

func must(t *testing.T) func(*Sink, error) *Sink {
	return func(s *Sink, err error) *Sink {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { s.Close() })
		return s
	}
}

// index is a server of Elasticsearch's _bulk API that keeps documents by _id.
type index struct {
	mu    sync.Mutex
	docs  map[string]string // by index/_id
	again int               // creates of what was there
	// item, where set, may answer for one document instead.
	item func(doc string) (status int, reason string)
}

// bulk answers a request as Elasticsearch does.
func (x *index) bulk(body string) (int, string) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.docs == nil {
		x.docs = map[string]string{}
	}
	var out bytes.Buffer
	failed := false
	sc := bufio.NewScanner(strings.NewReader(body))
	sc.Buffer(nil, 64<<20)
	for sc.Scan() {
		var action struct {
			Create struct {
				Index string `json:"_index"`
				ID    string `json:"_id"`
			} `json:"create"`
		}
		if err := json.Unmarshal(sc.Bytes(), &action); err != nil || action.Create.Index == "" || !sc.Scan() {
			return http.StatusBadRequest, `{"error":{"type":"illegal_argument_exception","reason":"Malformed action/metadata line"},"status":400}`
		}
		doc := sc.Text()
		status, reason := 201, ""
		if x.item != nil {
			if s, r := x.item(doc); s != 0 {
				status, reason = s, r
			}
		}
		id := action.Create.Index + "/" + action.Create.ID
		if action.Create.ID == "" {
			id = fmt.Sprint(action.Create.Index, "/auto", len(x.docs))
		}
		if _, there := x.docs[id]; status == 201 && there {
			status, reason = 409, "version conflict, document already exists"
			x.again++
		}
		if status == 201 {
			x.docs[id] = doc
		}
		if out.Len() > 0 {
			out.WriteByte(',')
		}
		if status == 201 {
			fmt.Fprintf(&out, `{"create":{"status":201}}`)
		} else {
			failed = true
			text, _ := json.Marshal(reason)
			fmt.Fprintf(&out, `{"create":{"status":%d,"error":{"type":"t","reason":%s}}}`, status, text)
		}
	}
	return http.StatusOK, fmt.Sprintf(`{"errors":%t,"items":[%s]}`, failed, &out)
}

func (x *index) answer(_ int, r request, w http.ResponseWriter) {
	status, text := x.bulk(r.body)
	w.WriteHeader(status)
	io.WriteString(w, text)
}

func newPlainServer(t testing.TB, h http.HandlerFunc) string {
	srv := httptest.NewServer(h)
	t.Cleanup(srv.Close)
	return srv.URL
}
