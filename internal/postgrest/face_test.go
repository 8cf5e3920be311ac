package postgrest

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"vigil"
	"vigil/internal/auth"
	"vigil/internal/store"
	"vigil/internal/store/segment"
	"vigil/internal/web"
)

// secret is the one that the tokens of oracle.jsonl are signed with, and clock
// the time at which they were made.
const secret = "logserver-test-secret-0123456789abcdef"

func clock() time.Time { return time.Unix(1795321086, 0) }

// stores are what the face is tested over.
var stores = []struct {
	name string
	open func(testing.TB, store.Config) store.Store
}{
	{"memory", openMemory},
	{"segment", openSegment},
}

func openMemory(t testing.TB, c store.Config) store.Store {
	t.Helper()
	s, err := store.NewMemory(c)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// openSegment opens a store in files whose events are soon sealed, so that
// queries go over segments and the head.
func openSegment(t testing.TB, c store.Config) store.Store {
	t.Helper()
	s, err := segment.Open(segment.Options{Dir: filepath.Join(t.TempDir(), "store"), HeadBytes: 8 << 10, JournalFile: 1 << 20}, c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// face is a handler over a store of its own.
type face struct {
	http.Handler
	store  store.Store
	access *web.Access // of the last request
}

// newFace returns a face with logserver's roles over s.
func newFace(t testing.TB, s store.Store, change ...func(*Config)) *face {
	t.Helper()
	a, err := auth.New(auth.Config{Secrets: []string{secret}, AnonRole: "web_anon", Now: clock})
	if err != nil {
		t.Fatal(err)
	}
	c := Config{
		Store: s, Authenticate: a.Authenticate, Allow: a.Grants().Check, Aggregates: true,
		Now: clock, Heartbeat: 20 * time.Millisecond,
	}
	for _, f := range change {
		f(&c)
	}
	f := &face{store: s}
	h := New(c)
	f.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		f.access = &web.Access{Peer: "192.0.2.7"}
		h.ServeHTTP(w, r.WithContext(web.WithAccess(r.Context(), f.access)))
	})
	return f
}

// token returns an Authorization header for a role.
func token(t testing.TB, role string) string {
	t.Helper()
	s, err := auth.Mint(secret, role, time.Time{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	return "Bearer " + s
}

// exchange sends one request as it would come over the wire.
func (f *face) exchange(t testing.TB, method, path string, headers [][2]string, body string) *http.Response {
	t.Helper()
	var wire bytes.Buffer
	wire.WriteString(method + " " + path + " HTTP/1.1\r\nHost: vigil.test\r\n")
	for _, h := range headers {
		wire.WriteString(h[0] + ": " + h[1] + "\r\n")
	}
	if body != "" {
		wire.WriteString("Content-Length: " + itoa(int64(len(body))) + "\r\n")
	}
	wire.WriteString("\r\n" + body)
	r, err := http.ReadRequest(bufio.NewReader(&wire))
	if err != nil {
		t.Fatalf("%s %s: %v", method, path, err)
	}
	w := httptest.NewRecorder()
	f.ServeHTTP(w, r)
	return w.Result()
}

// get sends a GET and returns status and body.
func (f *face) get(t testing.TB, path string, headers ...[2]string) (int, string) {
	t.Helper()
	res := f.exchange(t, "GET", path, headers, "")
	return res.StatusCode, bodyOf(t, res)
}

// post sends a POST as event_logger and returns status and body.
func (f *face) post(t testing.TB, path, body string, headers ...[2]string) (int, string) {
	t.Helper()
	headers = append([][2]string{{"Authorization", token(t, "event_logger")}}, headers...)
	res := f.exchange(t, "POST", path, headers, body)
	return res.StatusCode, bodyOf(t, res)
}

func bodyOf(t testing.TB, res *http.Response) string {
	t.Helper()
	var b bytes.Buffer
	if _, err := b.ReadFrom(res.Body); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// errorOf reads PostgREST's error object.
func errorOf(t testing.TB, body string) (e struct{ Code, Message, Details, Hint string }) {
	t.Helper()
	if err := json.Unmarshal([]byte(body), &e); err != nil {
		t.Fatalf("not an error object: %s", body)
	}
	return e
}

// fill adds documents to a table of s.
func fill(t testing.TB, s store.Store, table string, docs ...string) {
	t.Helper()
	events := make([]*vigil.Event, len(docs))
	for i, d := range docs {
		events[i] = &vigil.Event{Table: table, Format: vigil.FormatLogserver, Doc: []byte(d)}
	}
	if err := s.Write(context.Background(), events); err != nil {
		t.Fatal(err)
	}
}

// shared returns the path of a file beside the module, and leaves the test out
// where it is not there.
func shared(t testing.TB, name string) string {
	t.Helper()
	path := filepath.Join("..", "..", "..", "shared", "data", name)
	if _, err := os.Stat(path); err != nil {
		t.Skipf("left out: %s is not here", name)
	}
	return path
}

// lines calls f with each line of a file of JSON lines.
func lines[T any](t testing.TB, path string, f func(T)) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(b)) {
		var v T
		if err := json.Unmarshal([]byte(line), &v); err != nil {
			t.Fatal(err)
		}
		f(v)
	}
}

// logserverRows returns the documents that the oracle's table held as ids 1 to 33.
func logserverRows(t testing.TB) (docs []string) {
	t.Helper()
	lines(t, shared(t, "postgrest/oracle_seed.ndjson"), func(row json.RawMessage) { docs = append(docs, string(row)) })
	return docs
}
