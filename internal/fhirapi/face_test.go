package fhirapi

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"vigil"
	"vigil/internal/auth"
	"vigil/internal/format"
	"vigil/internal/format/convert"
	"vigil/internal/format/fhir"
	"vigil/internal/store"
	"vigil/internal/store/segment"
	"vigil/internal/web"
)

const (
	secret  = "a-secret-that-only-these-tests-know"
	own     = "../format/fhir/testdata/examples/"
	shared  = "../../../shared/data/"
	address = "http://vigil.test"
)

// face is the handler over a store of its own.
type face struct {
	http.Handler
	t      testing.TB
	api    *API
	store  store.Store
	mu     sync.Mutex
	access *web.Access // of the last request
	role   string      // whose token is sent; empty sends none
}

// clock is what the face and its tokens go by.
func clock() time.Time { return time.Date(2026, 11, 22, 9, 30, 0, 123456000, time.UTC) }

func storeConfig() store.Config { return store.Config{Now: clock, Mapping: format.New(nil)} }

func openMemory(t testing.TB) store.Store {
	t.Helper()
	s, err := store.NewMemory(storeConfig())
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func openSegment(t testing.TB) store.Store {
	t.Helper()
	s, err := segment.Open(segment.Options{Dir: filepath.Join(t.TempDir(), "store")}, storeConfig())
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

// newFace returns a face over s, asked by an administrator.
func newFace(t testing.TB, s store.Store, change ...func(*Config)) *face {
	t.Helper()
	a, err := auth.New(auth.Config{Secrets: []string{secret}, Now: clock})
	if err != nil {
		t.Fatal(err)
	}
	c := Config{
		Store: s, Authenticate: a.Authenticate, Allow: a.Grants().Check, Now: clock,
		Convert: convert.New(convert.Config{}).AuditEvent, Mapping: format.New(nil),
		BaseURL: func(*http.Request) string { return address },
	}
	for _, f := range change {
		f(&c)
	}
	f := &face{t: t, api: New(c), store: s, role: "admin"}
	f.Handler = web.Observer{Now: clock, Done: f.done}.Wrap(f.api.Handler())
	return f
}

// done keeps the record of a request.
func (f *face) done(_ *http.Request, a *web.Access) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.access = a
}

// do sends a request; headers are pairs.
func (f *face) do(method, path, body string, headers ...string) *httptest.ResponseRecorder {
	f.t.Helper()
	r := httptest.NewRequestWithContext(f.t.Context(), method, path, strings.NewReader(body))
	if body != "" {
		r.Header.Set("Content-Type", "application/fhir+json")
	}
	if f.role != "" {
		token, err := auth.Mint(secret, f.role, time.Time{}, map[string]any{"sub": "tester"})
		if err != nil {
			f.t.Fatal(err)
		}
		r.Header.Set("Authorization", "Bearer "+token)
	}
	for i := 0; i < len(headers); i += 2 {
		if headers[i+1] == "" {
			r.Header.Del(headers[i])
		} else {
			r.Header.Set(headers[i], headers[i+1])
		}
	}
	w := httptest.NewRecorder()
	f.ServeHTTP(w, r)
	return w
}

// must sends a request and wants a status.
func (f *face) must(status int, method, path, body string, headers ...string) *httptest.ResponseRecorder {
	f.t.Helper()
	w := f.do(method, path, body, headers...)
	if w.Code != status {
		f.t.Fatalf("%s %s: status %d, want %d: %.1000s", method, path, w.Code, status, w.Body)
	}
	return w
}

// create stores an AuditEvent and returns its id.
func (f *face) create(doc string) string {
	f.t.Helper()
	w := f.must(http.StatusCreated, "POST", "/fhir/AuditEvent", doc)
	return idOf(f.t, w.Header().Get("Location"))
}

// idOf returns the id in the address of a version.
func idOf(t testing.TB, location string) string {
	t.Helper()
	rest, ok := strings.CutSuffix(location, "/_history/1")
	if !ok {
		t.Fatalf("location %q", location)
	}
	return rest[strings.LastIndexByte(rest, '/')+1:]
}

// parsed reads an answer of either notation and wants it to be valid FHIR.
func parsed(t testing.TB, w *httptest.ResponseRecorder) *fhir.Node {
	t.Helper()
	v := fhir.R4
	if strings.Contains(w.Header().Get("Content-Type"), "fhirVersion=5.0") {
		v = fhir.R5
	}
	n, err := fhir.Parse(w.Body.Bytes(), v, fhir.Limits{Nodes: 10_000_000, Depth: 100})
	if err != nil {
		t.Fatalf("%v: %.1000s", err, w.Body)
	}
	if xml := looksXML(w.Body.Bytes()); xml != strings.Contains(w.Header().Get("Content-Type"), "fhir+xml") {
		t.Errorf("Content-Type %s of %.100s", w.Header().Get("Content-Type"), w.Body)
	}
	if issues := fhir.Validate(n, fhir.Options{Version: v}); fhir.Failed(issues) {
		t.Errorf("the answer is no valid %s: %v", n.Resource, issues)
	}
	return n
}

// outcomeOf wants an OperationOutcome and returns its issues as "code: text".
func outcomeOf(t testing.TB, w *httptest.ResponseRecorder) []string {
	t.Helper()
	n := parsed(t, w)
	if n.Resource != "OperationOutcome" {
		t.Fatalf("%s instead of an OperationOutcome: %.500s", n.Resource, w.Body)
	}
	var out []string
	for _, i := range n.All("issue") {
		out = append(out, i.Child("code").Text()+": "+i.Child("diagnostics").Text())
	}
	return out
}

// sample is a valid event: a read with the profile of IHE BALP.
func sample(t testing.TB) string {
	t.Helper()
	return compact(t, read(t, own+"auditevent-r4-own/balp-read.json"))
}

// sampleR5 is a valid event of R5.
func sampleR5(t testing.TB) string {
	t.Helper()
	files, err := filepath.Glob(own + "auditevent-r5-own/*.json")
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	return compact(t, read(t, files[0]))
}

func read(t testing.TB, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func compact(t testing.TB, doc []byte) string {
	t.Helper()
	var b bytes.Buffer
	if err := json.Compact(&b, doc); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// edited returns a document with a member set, or taken out where value is nil.
func edited(t testing.TB, doc, name string, value any) string {
	t.Helper()
	var m map[string]any
	if err := json.Unmarshal([]byte(doc), &m); err != nil {
		t.Fatal(err)
	}
	if value == nil {
		delete(m, name)
	} else {
		m[name] = value
	}
	b, err := json.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// bundleOf makes a Bundle with a POST of each document.
func bundleOf(kind string, docs ...string) string {
	var b strings.Builder
	b.WriteString(`{"resourceType":"Bundle","type":"` + kind + `","entry":[`)
	for i, doc := range docs {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString(`{"resource":` + doc)
		if kind != "collection" {
			b.WriteString(`,"request":{"method":"POST","url":"AuditEvent"}`)
		}
		b.WriteString("}")
	}
	b.WriteString("]}")
	return b.String()
}

// stored returns the events of a table, oldest first.
func (f *face) stored(table string) []*vigil.Event {
	f.t.Helper()
	var out []*vigil.Event
	for e, err := range f.store.Entries(f.t.Context(), 0) {
		if err != nil {
			f.t.Fatal(err)
		}
		if e.Table == table {
			out = append(out, e)
		}
	}
	return out
}

// mint makes a token with scopes.
func mint(t testing.TB, role, scope string) string {
	t.Helper()
	token, err := auth.Mint(secret, role, time.Time{}, map[string]any{"scope": scope})
	if err != nil {
		t.Fatal(err)
	}
	return token
}

func requestOf(t testing.TB, method, path string) *http.Request {
	t.Helper()
	return httptest.NewRequestWithContext(t.Context(), method, path, nil)
}

func principal(subject string) *auth.Principal {
	return &auth.Principal{Subject: subject, Role: "admin", Authenticated: true}
}
