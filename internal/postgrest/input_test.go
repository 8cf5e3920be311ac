package postgrest

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"vigil/internal/auth"
	"vigil/internal/store"
	"vigil/internal/web"
)

// zip returns s as gzip.
func zip(t testing.TB, s string) string {
	t.Helper()
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	if _, err := w.Write([]byte(s)); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// TestBadInput is the list of bad input: each gets its 4xx with an error object,
// and nothing is stored.
func TestBadInput(t *testing.T) {
	json := [2]string{"Content-Type", "application/json"}
	gz := [2]string{"Content-Encoding", "gzip"}
	nested := strings.Repeat("[", 101) + strings.Repeat("]", 101)
	keys := "{" + strings.Repeat(`"":0,`, 100_000) + `"":0}`
	tests := []struct {
		name    string
		path    string
		headers [][2]string
		body    string
		status  int
		code    string
	}{
		{"not JSON", "/events", [][2]string{json}, "hello", 400, "PGRST102"},
		{"not an object", "/events", nil, `"x"`, 400, "PGRST102"},
		{"array of others", "/events", nil, `[1]`, 400, "PGRST102"},
		{"nothing", "/events", nil, "", 400, "PGRST102"},
		{"truncated", "/events", nil, `{"event":{"a":`, 400, "PGRST102"},
		{"latin1", "/events", nil, "{\"event\":\"caf\xe9\"}", 400, "PGRST102"},
		{"UTF-16", "/events", nil, "\xff\xfe{\x00}\x00", 400, "PGRST102"},
		{"byte order mark", "/events", nil, "\xef\xbb\xbf{\"event\":1}", 400, "PGRST102"},
		{"too large", "/events", nil, `{"event":"` + strings.Repeat("x", 1<<20) + `"}`, 413, "54000"},
		{"too deep", "/events", nil, `{"event":` + nested + `}`, 400, "54000"},
		{"too many keys", "/events", nil, `{"event":` + keys + `}`, 400, "54000"},
		{"NUL", "/events", nil, `{"event":"\u0000"}`, 400, "22P05"},
		{"NUL byte", "/events", nil, "{\"event\":\"\x00\"}", 400, "PGRST102"},
		{"lone surrogate", "/events", nil, `{"event":"\udead"}`, 400, "PGRST102"},
		{"NaN", "/events", nil, `{"event":NaN}`, 400, "PGRST102"},
		{"number beyond numeric", "/events", nil, `{"event":1e200000}`, 400, "22003"},
		{"number of too many digits", "/events", nil, `{"event":` + strings.Repeat("9", 140_000) + `}`, 400, "22003"},
		{"gzip bomb", "/events", [][2]string{gz}, zip(t, strings.Repeat(" ", 64<<20)), 413, "54000"},
		{"not gzip", "/events", [][2]string{gz}, `{"event":1}`, 400, "PGRST102"},
		{"truncated gzip", "/events", [][2]string{gz}, zip(t, `{"event":"0123456789"}`)[:20], 400, "PGRST102"},
		{"another coding", "/events", [][2]string{{"Content-Encoding", "br"}}, `{"event":1}`, 415, "PGRST102"},
		{"another type", "/events", [][2]string{{"Content-Type", "text/plain"}}, `{"event":1}`, 400, "PGRST102"},
		{"another type of JSON", "/events", [][2]string{{"Content-Type", "application/fhir+json"}}, `{"event":1}`, 400, "PGRST102"},
		{"missing event", "/events", nil, `{}`, 400, "23502"},
		{"null event", "/events", nil, `{"event":null}`, 400, "23502"},
		{"one bad row", "/events", nil, `[{"event":1},{"event":null}]`, 400, "23502"},
		{"unknown table", "/nope", nil, `{"event":1}`, 404, "PGRST205"},
		{"unknown column", "/events", nil, `{"event":1,"evil":2}`, 400, "PGRST204"},
		{"unknown column in columns", "/events?columns=event,evil", nil, `{"event":1}`, 400, "PGRST204"},
		{"our column", "/events", nil, `{"event":1,"_sender":{"sub":"me"}}`, 400, "428C9"},
		{"our column in columns", "/events?columns=event,_received", nil, `{"event":1}`, 400, "428C9"},
		{"unknown operator", "/events?id=foo.1", nil, `{"event":1}`, 400, "PGRST100"},
		{"ragged CSV", "/events", [][2]string{{"Content-Type", "text/csv"}}, "id,event\n5", 400, "PGRST102"},
		{"form that is no JSON", "/events", [][2]string{{"Content-Type", "application/x-www-form-urlencoded"}}, "event=hello", 400, "PGRST102"},
		{"upsert", "/events", [][2]string{{"Prefer", "resolution=merge-duplicates"}}, `{"event":1}`, 405, "PGRST117"},
		{"idempotency key too long", "/events", [][2]string{{"Idempotency-Key", strings.Repeat("k", 256)}}, `{"event":1}`, 400, "22023"},
		{"idempotency key of nothing", "/events", [][2]string{{"Idempotency-Key", ""}}, `{"event":1}`, 400, "22023"},
		{"two idempotency keys", "/events", [][2]string{{"Idempotency-Key", "a"}, {"Idempotency-Key", "b"}}, `{"event":1}`, 400, "22023"},
	}
	s := openMemory(t, store.Config{})
	f := newFace(t, s, func(c *Config) {
		c.Limits = web.DefaultLimits()
		c.Limits.Body = 1 << 20
	})
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			status, body := f.post(t, tt.path, tt.body, tt.headers...)
			runtime.ReadMemStats(&after)
			if status != tt.status || errorOf(t, body).Code != tt.code {
				t.Errorf("got %d %s, want %d %s", status, body, tt.status, tt.code)
			}
			if n := s.Log().Size(); n != 0 {
				t.Fatalf("%d events were stored", n)
			}
			if grown := after.TotalAlloc - before.TotalAlloc; grown > 16<<20 {
				t.Errorf("took %d bytes", grown)
			}
		})
	}
	// What PostgreSQL takes is taken.
	for _, doc := range []string{strings.Repeat("9", 10_000), `{"a":1,"a":2}`, `"=cmd()"`, strings.Repeat("[", 100) + strings.Repeat("]", 100)} {
		if status, body := f.post(t, "/events", `{"event":`+doc+`}`); status != 201 {
			t.Errorf("%.40s: %d %s", doc, status, body)
		}
	}
	if _, got := f.get(t, "/events?select=event&id=eq.3", [2]string{"Accept", "text/csv"}); got != "event\n\"\"\"=cmd()\"\"\"" {
		t.Errorf("a cell was changed: %s", got)
	}
}

func TestBadQueries(t *testing.T) {
	f := newFace(t, openMemory(t, store.Config{}))
	for path, code := range map[string]string{
		"/nope":                         "PGRST205",
		"/events?nope=eq.1":             "42703",
		"/events?select=nope":           "42703",
		"/events?order=nope":            "42703",
		"/events?id=foo.1":              "PGRST100",
		"/events?id=eq.abc":             "22P02",
		"/events?event->>a=eq.%FF":      "22021",
		"/events?id=eq.1%00":            "22021",
		"/events?limit=-1":              "PGRST103",
		"/events?select=event->>a::foo": "42704",
		"/events?event->tags=cs.{":      "22P02",
		"/events/..%2f..%2fetc/passwd":  "PGRST125",
		"/..%2fevents":                  "PGRST205",
	} {
		fill(t, f.store, "events", `{"a":"x"}`)
		status, body := f.get(t, path)
		if e := errorOf(t, body); status/100 != 4 || e.Code != code {
			t.Errorf("%s: %d %s, want %s", path, status, body, code)
		}
	}
}

// TestCaptured replays the bytes that logserver's clients send.
func TestCaptured(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(shared(t, "logserver/captured"), "*.http"))
	if err != nil || len(files) < 10 {
		t.Fatal(files, err)
	}
	a, err := auth.New(auth.Config{Secrets: []string{strings.Repeat("x", 32)}, AnonRole: "web_anon"})
	if err != nil {
		t.Fatal(err)
	}
	s := openMemory(t, store.Config{})
	f := newFace(t, s, func(c *Config) { c.Authenticate = a.Authenticate })
	for i, file := range files {
		wire, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		r, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(wire)))
		if err != nil {
			t.Fatal(file, err)
		}
		w := httptest.NewRecorder()
		f.ServeHTTP(w, r)
		if w.Code != 201 || s.Log().Size() != int64(i+1) {
			t.Errorf("%s: %d %s", filepath.Base(file), w.Code, w.Body)
		}
	}
}

// FuzzPost sends any body as any type: never an error of ours, and an event is
// stored if and only if the answer is 201.
func FuzzPost(f *testing.F) {
	f.Add("application/json", "", `[{"event":{"a":1}},{"id":3,"event":"x"}]`)
	f.Add("application/x-ndjson", "columns=event", "{\"event\":1}\n{\"event\":2}")
	f.Add("text/csv", "select=id", "id,event\n1,\"{\"\"a\"\":1}\"\r\n2,NULL")
	f.Add("application/x-www-form-urlencoded", "", "event=%7B%7D&id=2")
	f.Add("", "select=event->>a::int8,count()", `{"event":{"a":"x"}}`)
	bearer := token(f, "event_logger")
	f.Fuzz(func(t *testing.T, contentType, rawQuery, body string) {
		s := openMemory(t, store.Config{})
		h := newFace(t, s)
		r := httptest.NewRequest(http.MethodPost, "/events", strings.NewReader(body))
		r.URL.RawQuery = rawQuery
		r.Header.Set("Content-Type", contentType)
		r.Header.Set("Authorization", bearer)
		r.Header.Set("Prefer", "return=representation")
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		stored := s.Log().Size()
		switch {
		case w.Code >= 500, w.Code != 201 && stored > 0:
			t.Fatalf("%d with %d stored: %s", w.Code, stored, w.Body)
		case w.Code == 201 && h.access.Rows != stored:
			t.Fatalf("%d rows answered, %d stored", h.access.Rows, stored)
		case w.Code != 201:
			errorOf(t, w.Body.String())
		}
	})
}

// FuzzGet asks anything: never an error of ours, and rows or an error object.
func FuzzGet(f *testing.F) {
	for _, q := range []string{
		"select=id,event->a::text&event->>a=eq.1&limit=2", "select=count(),id.sum()&or=(id.gt.1,event->b.is.null)", "order=event->a.desc.nullslast&offset=1",
		`event->tags=cs.["x"]`, "event=fts.x", "id=in.(1,2)&id=not.eq.3", "event->>a=imatch.^a.*", "_patient=eq.x", "since=1",
	} {
		f.Add(q, "", "")
	}
	f.Add("select=id,id", "text/csv", "count=exact, timezone=+01:00")
	f.Add("id=eq.1", "application/vnd.pgrst.object+json;nulls=stripped", "")
	s := openMemory(f, store.Config{})
	fill(f, s, "events", `{"a":1,"tags":["x"]}`, `{"a":"a","b":null}`, `"x"`)
	h := newFace(f, s)
	f.Fuzz(func(t *testing.T, rawQuery, accept, prefer string) {
		if strings.Contains(accept, "event-stream") {
			return // does not end
		}
		r := httptest.NewRequest(http.MethodGet, "/events", nil)
		r.URL.RawQuery = rawQuery
		if accept != "" {
			r.Header.Set("Accept", accept)
		}
		r.Header.Set("Prefer", prefer)
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		switch {
		case w.Code >= 500:
			t.Fatalf("%d: %s", w.Code, w.Body)
		case w.Code >= 400:
			errorOf(t, w.Body.String())
		}
	})
}
