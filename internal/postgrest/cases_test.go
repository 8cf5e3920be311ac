package postgrest

import (
	"encoding/json"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"

	"vigil/internal/auth"
	"vigil/internal/store"
)

// specCase is a case of PostgREST's own suite (development line after v16.2).
type specCase struct {
	ID, Method, Path string
	Headers          [][2]string
	Body             *struct {
		JSON json.RawMessage
		Text *string
	}
	Settings map[string]any `json:"config_settings"`
	Expect   struct {
		Status  int
		Headers []struct {
			Name   string
			Eq     *string
			Regex  *string
			Absent bool
		}
		Body *struct {
			JSON json.RawMessage
			Text *string
		}
	}
	Tables, Needs []string
	Stateful      bool
}

// applicable are the cases whose answer does not depend on the columns of their
// tables: preferences, ranges, media, names, what the grammar refuses, headers.
var applicable = []string{
	"head-0006", "head-0007", "head-0019", "head-0022", "head-0025", "head-0175", "head-0238",
	"head-0313", "head-0314", "head-0315", "head-0316", "head-0329", "head-0465", "head-0470", "head-0471", "head-0472",
	"head-0509", "head-0957", "head-1063", "head-1065", "head-1075", "head-1076", "head-1094", "head-1095", "head-1098", "head-1099", "head-1100",
	"head-1344", "head-1360", "head-1366", "head-1570", "head-1575", "head-1593", "head-1594", "head-1595",
}

// caseDifferences are applicable cases that Vigil answers otherwise.
var caseDifferences = map[string]difference{
	"head-0509": {400, "23502", "an event is what an audit log is for, so a row without one is none"},
}

func TestSpecCases(t *testing.T) {
	name := regexp.MustCompile(`^[a-z][a-z0-9_]*$`)
	ran := 0
	lines(t, shared(t, "postgrest/cases.jsonl"), func(c specCase) {
		if !slices.Contains(applicable, c.ID) {
			return
		}
		ran++
		tables := slices.DeleteFunc(append(slices.Clone(c.Tables), "projects"), func(s string) bool { return !name.MatchString(s) })
		slices.Sort(tables)
		s := openMemory(t, store.Config{Now: clock, Tables: slices.Compact(tables)})
		for _, table := range tables {
			if table == "items" { // has 15 rows
				fill(t, s, table, strings.Split("1 2 3 4 5 6 7 8 9 10 11 12 13 14 15", " ")...)
			}
		}
		f := newFace(t, s, func(cfg *Config) {
			cfg.Authenticate = func(*http.Request) (*auth.Principal, error) { return &auth.Principal{}, nil }
			cfg.Allow = func(*auth.Principal, string, auth.Action) error { return nil }
			cfg.Aggregates = c.ID != "head-0175"
			cfg.TraceHeader = "X-Request-Id"
			if origins, ok := c.Settings["server-cors-allowed-origins"].(string); ok {
				cfg.CORSOrigins = strings.Split(strings.ReplaceAll(origins, " ", ""), ",")
			}
		})
		c.run(t, f)
	})
	if ran != len(applicable) {
		t.Errorf("ran %d of %d cases", ran, len(applicable))
	}
}

func (c *specCase) run(t *testing.T, f *face) {
	body := ""
	if c.Body != nil {
		if body = string(c.Body.JSON); c.Body.Text != nil {
			body = *c.Body.Text
		}
	}
	res := f.exchange(t, c.Method, c.Path, c.Headers, body)
	got := bodyOf(t, res)
	if d, ok := caseDifferences[c.ID]; ok {
		if res.StatusCode != d.status || errorOf(t, got).Code != d.code || d.status == c.Expect.Status {
			t.Errorf("%s: %d %s, listed as %+v", c.ID, res.StatusCode, got, d)
		}
		return
	}
	if c.Expect.Status != 0 && res.StatusCode != c.Expect.Status {
		t.Errorf("%s %s: status %d, want %d: %s", c.ID, c.Path, res.StatusCode, c.Expect.Status, got)
	}
	for _, h := range c.Expect.Headers {
		v, ok := res.Header[http.CanonicalHeaderKey(h.Name)]
		switch {
		case h.Absent && ok:
			t.Errorf("%s: %s: %q, want none", c.ID, h.Name, v)
		case h.Eq != nil && !strings.HasPrefix(strings.Join(v, ", "), strings.ReplaceAll(*h.Eq, "test.", "api.")) && h.Name != "Content-Length":
			t.Errorf("%s: %s: %q, want %q", c.ID, h.Name, v, *h.Eq)
		}
	}
	if b := c.Expect.Body; b != nil && b.JSON != nil && res.StatusCode >= 400 {
		if want := strings.ReplaceAll(string(b.JSON), "test.", "api."); !sameJSON(got, want) {
			t.Errorf("%s: %s, want %s", c.ID, got, want)
		}
	}
}
