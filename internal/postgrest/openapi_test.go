package postgrest

import (
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"

	"vigil/internal/store"
)

func TestDescription(t *testing.T) {
	f := newFace(t, openMemory(t, store.Config{}), func(c *Config) { c.BaseURL = func(*http.Request) string { return "https://log.example.org/vigil/" } })
	type operation struct {
		Parameters []struct {
			Ref string `json:"$ref"`
		}
	}
	type document struct {
		Swagger, Host, BasePath string
		Schemes                 []string
		Paths                   map[string]map[string]operation
		Definitions             map[string]struct {
			Required   []string
			Properties map[string]struct{ Type, Format, Description string }
		}
		Parameters map[string]struct{ Name, In string }
	}
	read := func(role string) (d document) {
		t.Helper()
		var headers [][2]string
		if role != "" {
			headers = append(headers, [2]string{"Authorization", token(t, role)})
		}
		res := f.exchange(t, "GET", "/", headers, "")
		if ct := res.Header.Get("Content-Type"); res.StatusCode != 200 || ct != "application/openapi+json; charset=utf-8" {
			t.Fatal(res.StatusCode, ct)
		}
		if err := json.Unmarshal([]byte(bodyOf(t, res)), &d); err != nil {
			t.Fatal(err)
		}
		return d
	}
	paths := func(d document) string { return strings.Join(slices.Sorted(maps.Keys(d.Paths)), " ") }

	anon := read("")
	if got := paths(anon); got != "/ /events /events/query" {
		t.Errorf("anonymous sees %s", got)
	}
	if _, ok := anon.Paths["/events"]["post"]; ok || len(anon.Paths["/events"]) != 1 {
		t.Error("anonymous may post")
	}
	logger := read("event_logger")
	if _, ok := logger.Paths["/events"]["post"]; !ok {
		t.Error("event_logger may not post")
	}
	if got := paths(read("auditor")); !strings.Contains(got, "/system ") || !strings.Contains(got, "/logs/query") {
		t.Errorf("auditor sees %s", got)
	}
	if got := paths(read("event_writer")); got != "/ /events" {
		t.Errorf("event_writer sees %s", got)
	}

	if anon.Swagger != "2.0" || anon.Host != "log.example.org" || anon.BasePath != "/vigil" || !slices.Equal(anon.Schemes, []string{"https"}) {
		t.Errorf("%+v", anon)
	}
	events := anon.Definitions["events"]
	if !slices.Equal(events.Required, []string{"id", "event"}) || events.Properties["id"].Format != "bigint" ||
		!strings.HasSuffix(events.Properties["id"].Description, "This is a Primary Key.<pk/>") ||
		events.Properties["event"].Format != "jsonb" || events.Properties["_patient"].Type != "array" {
		t.Errorf("%+v", events)
	}
	for path, methods := range read("admin").Paths {
		for method, op := range methods {
			if !slices.Contains([]string{"get", "post"}, method) {
				t.Errorf("%s %s is described", method, path)
			}
			for _, p := range op.Parameters {
				if _, ok := read("admin").Parameters[strings.TrimPrefix(p.Ref, "#/parameters/")]; !ok {
					t.Errorf("%s %s: no %s", method, path, p.Ref)
				}
			}
		}
	}
}

func TestDescriptionMedia(t *testing.T) {
	f := newFace(t, openMemory(t, store.Config{}))
	for accept, status := range map[string]int{"*/*": 200, "application/json": 200, "application/openapi+json": 200, "text/csv": 406, "text/event-stream": 406} {
		if got, body := f.get(t, "/", [2]string{"Accept", accept}); got != status {
			t.Errorf("%s: %d %s", accept, got, body)
		}
	}
	res := f.exchange(t, "HEAD", "/", nil, "")
	if body := bodyOf(t, res); res.StatusCode != 200 || body != "" {
		t.Error(res.StatusCode, body)
	}
	if res := f.exchange(t, "OPTIONS", "/", nil, ""); res.Header.Get("Allow") != "OPTIONS,GET,HEAD" {
		t.Error(res.Header)
	}
}
