package ingest_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"vigil"
	"vigil/internal/auth"
	"vigil/internal/format"
	"vigil/internal/format/aidbox"
	"vigil/internal/ingest"
	"vigil/internal/jsonb"
	"vigil/internal/store"
	"vigil/internal/web"
)

const secret = "a-secret-that-only-these-tests-know"

// clock is what the faces and their tokens go by.
func clock() time.Time { return time.Date(2026, 11, 22, 9, 30, 0, 123456000, time.UTC) }

// face is the faces over a memory store, as a server mounts them.
type face struct {
	http.Handler
	t      testing.TB
	store  store.Store
	auth   *auth.Authenticator
	mu     sync.Mutex
	access []*web.Access // of the requests that are over
	begun  []*web.Access
}

// newFace returns the faces; change is asked for more configuration.
func newFace(t testing.TB, change func(*ingest.Config)) *face {
	t.Helper()
	s, err := store.NewMemory(store.Config{Now: clock, Mapping: format.New(nil)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	hash, err := auth.HashSecret("box-secret")
	if err != nil {
		t.Fatal(err)
	}
	a, err := auth.New(auth.Config{
		Secrets: []string{secret}, Now: clock,
		Basic: []auth.Client{{ID: "box-ui", Hash: hash, Role: "log_writer"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	c := ingest.Config{
		Store: s, Tables: vigil.Tables(), Size: s.Log().Size, Authenticate: a.Authenticate, Allow: a.Grants().Check,
		Lines: aidbox.Lines(aidbox.Options{Tenant: "box", Mapping: format.New(nil)}), Pretty: aidbox.AppendPretty,
		Tenant: "box", Now: clock, Limits: web.Limits{Body: 1 << 20, Depth: 100, Keys: 10_000},
		CORSOrigins: []string{"https://app.example.org"}, Heartbeat: 20 * time.Millisecond,
	}
	if change != nil {
		change(&c)
	}
	api := ingest.New(c)
	mux := http.NewServeMux()
	mux.Handle("/$loggy", api.Loggy())
	mux.Handle("/_logs", api.Logs())
	mux.Handle("/_bulk", api.Bulk())
	mux.Handle("/api/events/raw", api.CLEF())
	mux.Handle("/ingest/clef", api.CLEF())
	edge, err := web.NewEdge(web.EdgeConfig{})
	if err != nil {
		t.Fatal(err)
	}
	f := &face{t: t, store: s, auth: a}
	note := func(list *[]*web.Access) func(*web.Access) {
		return func(a *web.Access) {
			f.mu.Lock()
			defer f.mu.Unlock()
			copied := *a
			*list = append(*list, &copied)
		}
	}
	observer := web.Observer{Edge: edge, Now: clock, Done: func(_ *http.Request, a *web.Access) { note(&f.access)(a) }}
	f.Handler = observer.Wrap(web.Compress(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		web.AccessOf(r.Context()).Begin = note(&f.begun)
		mux.ServeHTTP(w, r)
	})))
	return f
}

// token returns the Authorization header of somebody with a role.
func (f *face) token(role string) string {
	f.t.Helper()
	tok, err := auth.Mint(secret, role, clock().Add(time.Hour), map[string]any{"sub": "sample-user", "client_id": "sample-client"})
	if err != nil {
		f.t.Fatal(err)
	}
	return "Bearer " + tok
}

// send sends a request; headers are names and values in turn.
func (f *face) send(method, path, body string, header ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, path, bytes.NewReader([]byte(body)))
	r.Header.Set("Content-Type", "application/json")
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	f.ServeHTTP(w, r)
	return w
}

// write sends as somebody who may add to the logs.
func (f *face) write(path, body string, header ...string) *httptest.ResponseRecorder {
	f.t.Helper()
	return f.send(http.MethodPost, path, body, append([]string{"Authorization", f.token("log_writer")}, header...)...)
}

// events returns everything that is stored.
func (f *face) events() (all []*vigil.Event) {
	f.t.Helper()
	for e, err := range f.store.Entries(context.Background(), 0) {
		if err != nil {
			f.t.Fatal(err)
		}
		if err := jsonb.Check(e.Doc, jsonb.Limits{}); err != nil {
			f.t.Fatalf("%s was stored: %v", e.Doc, err)
		}
		all = append(all, e)
	}
	return all
}

// last returns the last event and its document.
func (f *face) last() (*vigil.Event, map[string]any) {
	f.t.Helper()
	all := f.events()
	if len(all) == 0 {
		f.t.Fatal("nothing is stored")
	}
	e := all[len(all)-1]
	var doc map[string]any
	if err := json.Unmarshal(e.Doc, &doc); err != nil {
		f.t.Fatal(err)
	}
	return e, doc
}

// serve puts the faces behind a listener.
func (f *face) serve() *httptest.Server {
	s := httptest.NewServer(f)
	f.t.Cleanup(s.Close)
	return s
}

// text reads an answer to its end.
func text(t testing.TB, r io.Reader) string {
	t.Helper()
	b, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
