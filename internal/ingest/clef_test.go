package ingest_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"vigil"
	"vigil/internal/ingest"
)

func TestCLEF(t *testing.T) {
	f := newFace(t, nil)
	const one = `{"@t":"2026-02-03T04:05:06.789Z","@mt":"Read {ResourceKey}","@l":"Warning","ResourceKey":"Patient/1","UserId":"sample"}`
	legacy := `{"Events":[{"Timestamp":"2026-02-03T04:05:06Z","Level":"Error","MessageTemplate":"Hi {Name}","RenderedMessage":"Hi x","Exception":"boom","EventType":7,
	  "Properties":{"Name":"x","@at":1}},{}]}`
	for _, tt := range []struct {
		name, path, media, body string
		status                  int
		want                    []string
	}{
		{"one", "/api/events/raw?clef", "application/vnd.serilog.clef", one, 201, []string{one}},
		{"two lines", "/ingest/clef", "application/vnd.serilog.clef", one + "\r\n\n" + `{"@t":"x"}` + "\n", 201, []string{one, `{"@t":"x"}`}},
		{"no time", "/ingest/clef", "", `{"@mt":"x"}`, 201, []string{`{"@mt":"x"}`}},
		{"older form", "/api/events/raw", "application/json", legacy, 201, []string{
			`{"@t":"2026-02-03T04:05:06Z","@l":"Error","@mt":"Hi {Name}","@m":"Hi x","@x":"boom","@i":7,"Name":"x","@@at":1}`, `{}`,
		}},
		{"mark of UTF-8", "/ingest/clef", "", "\xef\xbb\xbf" + `{"@t":"x"}`, 201, []string{`{"@t":"x"}`}},
		{"nothing", "/ingest/clef", "", "", 201, nil},
		{"broken line", "/ingest/clef", "", one + "\n{", 400, nil},
		{"no object", "/ingest/clef", "", one + "\n[1]", 400, nil},
		{"event is no object", "/api/events/raw", "", `{"Events":[{},1]}`, 400, nil},
		{"NUL", "/ingest/clef", "", `{"a":"\u0000"}`, 400, nil},
		{"deep", "/ingest/clef", "", `{"a":` + strings.Repeat("[", 200) + strings.Repeat("]", 200) + "}", 413, nil},
		{"large", "/ingest/clef", "", `{"a":"` + strings.Repeat("x", 2<<20) + `"}`, 413, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			before := len(f.events())
			res := f.write(tt.path, tt.body, "Content-Type", tt.media)
			if res.Code != tt.status {
				t.Fatalf("%d %s", res.Code, res.Body)
			}
			var answer map[string]any
			if err := json.Unmarshal(res.Body.Bytes(), &answer); err != nil {
				t.Fatal(err)
			}
			if _, ok := answer["MinimumLevelAccepted"]; ok != (tt.status == 201) || (answer["Error"] != nil) != (tt.status != 201) {
				t.Errorf("answer %s", res.Body)
			}
			all := f.events()[before:]
			if len(all) != len(tt.want) {
				t.Fatalf("%d stored", len(all))
			}
			for i, e := range all {
				if string(e.Doc) != tt.want[i] || e.Format != vigil.FormatCLEF || e.Table != vigil.TableLogs {
					t.Errorf("stored %s", e.Doc)
				}
			}
		})
	}
}

// TestCLEFCredentials: an API key of Seq's stands for a token or for Basic.
func TestCLEFCredentials(t *testing.T) {
	f := newFace(t, nil)
	token := strings.TrimPrefix(f.token("log_writer"), "Bearer ")
	const body = `{"@t":"x"}`
	for _, tt := range []struct {
		name, path, key string
		status          int
	}{
		{"header with a token", "/ingest/clef", token, 201},
		{"header with name and secret", "/ingest/clef", "box-ui:box-secret", 201},
		{"parameter", "/ingest/clef?apiKey=box-ui:box-secret", "", 201},
		{"wrong", "/ingest/clef", "box-ui:wrong", 401},
		{"unknown", "/ingest/clef", "0123456789abcdef", 401},
		{"none", "/ingest/clef", "", 401},
	} {
		header := []string{}
		if tt.key != "" {
			header = []string{"X-Seq-ApiKey", tt.key}
		}
		if res := f.send("POST", tt.path, body, header...); res.Code != tt.status {
			t.Errorf("%s: %d %s", tt.name, res.Code, res.Body)
		}
	}
	res := f.send("OPTIONS", "/ingest/clef", "", "Origin", "https://app.example.org", "Access-Control-Request-Method", "POST")
	if !strings.Contains(res.Header().Get("Access-Control-Allow-Headers"), "X-Seq-ApiKey") {
		t.Errorf("a browser may not send its key: %v", res.Header())
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, a := range f.access {
		if strings.Contains(a.Query, "secret") {
			t.Error("the key is in the record of access")
		}
	}
	if ingest.SeqCredential("") != "" || ingest.SeqCredential("plain") != "Bearer plain" {
		t.Error("credentials of keys")
	}
}

func FuzzCLEF(f *testing.F) {
	for _, s := range []string{`{"@t":"x"}`, `{"Events":[{"Properties":{"@a":1}}]}`, "{}\n{}", "\xef\xbb\xbf{}", `{"Events":1}`, "null"} {
		f.Add(s)
	}
	face := newFace(f, nil)
	auth := face.token("log_writer")
	f.Fuzz(func(t *testing.T, body string) {
		before := face.store.Log().Size()
		res := face.send("POST", "/ingest/clef", body, "Authorization", auth)
		if stored := face.store.Log().Size() - before; res.Code >= 500 || res.Code != http.StatusCreated && stored > 0 || !json.Valid(res.Body.Bytes()) {
			t.Fatalf("%q: %d %s, %d stored", body, res.Code, res.Body, stored)
		}
	})
}
