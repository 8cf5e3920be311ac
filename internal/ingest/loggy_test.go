package ingest_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"

	"vigil"
	"vigil/internal/ingest"
)

// TestLoggyExamples sends the examples of the documentation, literally.
func TestLoggyExamples(t *testing.T) {
	a, err := txtar.ParseFile("testdata/loggy.txtar")
	if err != nil {
		t.Fatal(err)
	}
	part := map[string][]byte{}
	for _, f := range a.Files {
		part[f.Name] = f.Data
	}
	for _, media := range []string{"text/yaml", "application/yaml", "application/x-yaml", ""} {
		f := newFace(t, nil)
		res := f.write("/$loggy", string(part["request.yaml"]), "Content-Type", media, "X-Request-Id", "request-uid", "Authorization", f.token("log_writer"))
		if res.Code != http.StatusOK {
			t.Fatalf("%q: %d %s", media, res.Code, res.Body)
		}
		e, doc := f.last()
		var want map[string]any
		if err := json.Unmarshal(part["stored.json"], &want); err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(doc, want) {
			t.Errorf("%q: stored %s", media, e.Doc)
		}
		if e.Table != vigil.TableLogs || e.Format != vigil.FormatAidbox || e.Sender == nil || e.Sender.Listener != "loggy" || e.Sender.Subject != "sample-user" {
			t.Errorf("%+v, %+v", e, e.Sender)
		}
	}
}

// TestLoggyCaptured sends the bytes that Aidbox's client for Python sends, which
// has no credentials.
func TestLoggyCaptured(t *testing.T) {
	files, _ := filepath.Glob("testdata/captured/*.http")
	observed, _ := filepath.Glob("../../../shared/data/aidbox/captured/*.http")
	if len(files) == 0 {
		t.Fatal("no captured requests")
	}
	f := newFace(t, func(c *ingest.Config) { c.Anonymous = true })
	closed := newFace(t, nil)
	for i, file := range append(files, observed...) {
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, to := range []*face{f, closed} {
			r, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(b)))
			if err != nil {
				t.Fatal(err)
			}
			w := httptest.NewRecorder()
			to.ServeHTTP(w, r)
			if to == closed {
				if w.Code != http.StatusUnauthorized || w.Header().Get("WWW-Authenticate") == "" {
					t.Errorf("%s without credentials: %d", file, w.Code)
				}
				continue
			}
			if w.Code/100 != 2 {
				t.Errorf("%s: %d %s", file, w.Code, w.Body)
			}
		}
		var sent struct{ Message json.RawMessage }
		_, body, _ := bytes.Cut(b, []byte("\r\n\r\n"))
		if err := json.Unmarshal(body, &sent); err != nil {
			t.Fatal(err)
		}
		if all := f.events(); len(all) != i+1 || !bytes.Contains(all[i].Doc, append([]byte(`"message":`), sent.Message...)) {
			t.Errorf("%s: %d stored, the last %s", file, len(all), all[len(all)-1].Doc)
		} else if bytes.Contains(body, []byte("-ERROR")) != bytes.Contains(all[i].Doc, []byte(`"lvl":"error"`)) {
			t.Errorf("%s: level of %s", file, all[i].Doc)
		}
	}
	if len(closed.events()) != 0 {
		t.Error("something without credentials was stored")
	}
}

// TestLoggyInput holds bodies against answers and what is stored.
func TestLoggyInput(t *testing.T) {
	f := newFace(t, nil)
	for _, tt := range []struct {
		name, media, body string
		status            int
		stored            string // within the document; empty: nothing
	}{
		{"no type", "application/json", `{"message":{"a":1}}`, 200, `"message":{"a":1}}`},
		{"text", "application/json", `{"type":"ui","message":"x"}`, 200, `"type":"ui"`},
		{"numbers stay as written", "application/json", `{"message":{"n":1.50e2}}`, 200, `1.50e2`},
		{"false is a message", "application/json", `{"message":false}`, 200, `"message":false`},
		{"others are kept", "application/json", `{"message":1,"w_uid":"root","ev":"auth/login"}`, 200, `"app":{"w_uid":"root","ev":"auth/login"}`},
		{"the user is the caller", "application/json", `{"message":1,"w_uid":"root"}`, 200, `"w_uid":"sample-user","w_cid":"sample-client"`},
		{"no message", "application/json", `{"type":"ui"}`, 422, ""},
		{"message null", "application/json", `{"type":"ui","message":null}`, 422, ""},
		{"array", "application/json", `[{"message":1}]`, 422, ""},
		{"scalar", "application/json", `"message"`, 422, ""},
		{"nothing", "application/json", ``, 400, ""},
		{"not JSON", "application/json", `{"message":`, 400, ""},
		{"two", "application/json", `{"message":1}{"message":2}`, 400, ""},
		{"not UTF-8", "application/json", "{\"message\":\"\xff\"}", 400, ""},
		{"NUL", "application/json", `{"message":"\u0000"}`, 400, ""},
		{"deep", "application/json", `{"message":` + strings.Repeat("[", 200) + strings.Repeat("]", 200) + `}`, 413, ""},
		{"keys", "application/json", `{"message":{` + strings.Repeat(`"a":1,`, 20_000) + `"b":1}}`, 413, ""},
		{"large", "application/json", `{"message":"` + strings.Repeat("x", 2<<20) + `"}`, 413, ""},
		{"control characters", "application/json", `{"message":"a\u001b[31m\nb"}`, 200, `a\u001b[31m\nb`},
		{"YAML number and date", "text/yaml", "message: {n: 1.50, d: 2020-01-02, b: yes, e: ~, h: 0x1F, i: .inf}", 200, `{"n":1.50,"d":"2020-01-02","b":"yes","e":null,"h":31,"i":".inf"}`},
		{"YAML list", "text/yaml", "message:\n- 1\n- a: b", 200, `"message":[1,{"a":"b"}]`},
		{"YAML alias", "text/yaml", "message: &a [x]\nother: *a", 400, ""},
		{"YAML merge", "text/yaml", "message: {<<: {a: 1}}", 400, ""},
		{"YAML key", "text/yaml", "message: {[a]: 1}", 400, ""},
		{"YAML broken", "text/yaml", "message: [", 400, ""},
		{"YAML empty", "text/yaml", "# nothing", 400, ""},
		{"YAML deep", "text/yaml", "message: " + strings.Repeat("[", 300) + strings.Repeat("]", 300), 413, ""},
		{"YAML NUL", "text/yaml", "message: \"\\0\"", 400, ""},
		{"YAML without its name", "", "message: x", 200, `"message":"x"`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			before := len(f.events())
			res := f.write("/$loggy", tt.body, "Content-Type", tt.media)
			if res.Code != tt.status {
				t.Fatalf("%d %s", res.Code, res.Body)
			}
			all := f.events()
			if stored := len(all) - before; (stored == 1) != (tt.stored != "") || stored > 1 {
				t.Fatalf("%d stored", stored)
			}
			if tt.stored != "" && !strings.Contains(string(all[before].Doc), tt.stored) {
				t.Errorf("stored %s", all[before].Doc)
			}
			var answer map[string]string
			if err := json.Unmarshal(res.Body.Bytes(), &answer); err != nil || answer["ctx"] == "" && answer["message"] == "" {
				t.Errorf("answer %s: %v", res.Body, err)
			}
		})
	}
}

// TestLoggyRights checks who may send, and that a retry is taken once.
func TestLoggyRights(t *testing.T) {
	f := newFace(t, nil)
	const body = `{"message":1}`
	if res := f.send("POST", "/$loggy", body); res.Code != http.StatusUnauthorized {
		t.Errorf("nobody: %d", res.Code)
	}
	if res := f.send("POST", "/$loggy", body, "Authorization", f.token("auditor")); res.Code != http.StatusForbidden {
		t.Errorf("auditor: %d", res.Code)
	}
	if res := f.write("/$loggy", body, "Authorization", "Basic Ym94LXVpOmJveC1zZWNyZXQ="); res.Code != http.StatusOK {
		t.Errorf("Basic: %d %s", res.Code, res.Body)
	}
	if e, doc := f.last(); doc["w_cid"] != "box-ui" || doc["w_uid"] != nil {
		t.Errorf("%s", e.Doc)
	}
	if res := f.send("GET", "/$loggy", ""); res.Code != http.StatusMethodNotAllowed || res.Header().Get("Allow") != "POST" {
		t.Errorf("GET: %d", res.Code)
	}
	first := f.write("/$loggy", body, "Idempotency-Key", "k", "X-Request-Id", "first")
	again := f.write("/$loggy", body, "Idempotency-Key", "k", "X-Request-Id", "second")
	if first.Code != http.StatusOK || first.Header().Get("Idempotency-Replayed") != "" {
		t.Errorf("with a key: %d %s", first.Code, first.Body)
	}
	if again.Code != http.StatusOK || again.Header().Get("Idempotency-Replayed") != "true" || again.Body.String() != `{"ctx":"first"}` {
		t.Errorf("retry: %d %s, want the first answer, %s", again.Code, again.Body, first.Body)
	}
	if n := len(f.events()); n != 2 {
		t.Errorf("%d stored", n)
	}
	if res := f.write("/$loggy", `{"message":2}`, "Idempotency-Key", "k"); res.Code != http.StatusUnprocessableEntity {
		t.Errorf("another body with the key: %d", res.Code)
	}
	res := f.send("OPTIONS", "/$loggy", "", "Origin", "https://app.example.org", "Access-Control-Request-Method", "POST")
	if res.Code != http.StatusNoContent || res.Header().Get("Access-Control-Allow-Origin") != "https://app.example.org" {
		t.Errorf("CORS: %d %v", res.Code, res.Header())
	}
	if res := f.write("/$loggy", body, "Origin", "https://evil.example.org"); res.Header().Get("Access-Control-Allow-Origin") != "" {
		t.Error("an origin that is not configured may read the answer")
	}
	// Wrong credentials are never nobody's.
	open := newFace(t, func(c *ingest.Config) { c.Anonymous = true })
	if res := open.send("POST", "/$loggy", body, "Authorization", "Bearer x.y.z"); res.Code != http.StatusUnauthorized {
		t.Errorf("wrong token: %d", res.Code)
	}
}

func FuzzLoggy(f *testing.F) {
	for _, s := range []string{`{"message":1}`, "message: x", "a: &a\n b: *a", "- [", `{"type":"x-ERROR","message":"\u2028"}`, "? a\n: b", "%YAML 1.2\n---\nmessage: !!binary x"} {
		f.Add(s, true)
		f.Add(s, false)
	}
	face := newFace(f, nil)
	auth := face.token("log_writer")
	f.Fuzz(func(t *testing.T, body string, yaml bool) {
		media := "application/json"
		if yaml {
			media = "text/yaml"
		}
		before := face.store.Log().Size()
		res := face.send("POST", "/$loggy", body, "Content-Type", media, "Authorization", auth)
		after := face.store.Log().Size()
		if res.Code >= 500 || (res.Code == 200) != (after == before+1) {
			t.Fatalf("%q: %d, %d stored", body, res.Code, after-before)
		}
	})
}

// TestLoggyLongYAML checks that YAML is bounded where JSON is not: the tree of a
// few megabytes would take a server's memory.
func TestLoggyLongYAML(t *testing.T) {
	f := newFace(t, func(c *ingest.Config) { c.Limits.Body = 4 << 20 })
	for media, want := range map[string]int{"text/yaml": 413, "application/json": 200} {
		body := `{"message":"` + strings.Repeat("x", 1<<20) + `"}`
		if res := f.write("/$loggy", body, "Content-Type", media); res.Code != want {
			t.Errorf("%s: %d %.200s", media, res.Code, res.Body)
		}
	}
	body := "message:\n" + strings.Repeat("- a\n", 5_000)
	if res := f.write("/$loggy", body, "Content-Type", "text/yaml"); res.Code != 200 {
		t.Errorf("%d bytes of YAML: %d %.200s", len(body), res.Code, res.Body)
	}
	// Those who wait for their turn all get one.
	var wg sync.WaitGroup
	for range 10 {
		wg.Go(func() {
			if res := f.write("/$loggy", body, "Content-Type", "text/yaml"); res.Code != 200 {
				t.Errorf("%d %.200s", res.Code, res.Body)
			}
		})
	}
	wg.Wait()
}
