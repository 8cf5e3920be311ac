package postgrest

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"vigil"
	"vigil/internal/auth"
	"vigil/internal/jsonb"
	"vigil/internal/query"
	"vigil/internal/store"
)

// fixture is a table that PostgREST's suite runs over.
type fixture struct {
	Columns []struct{ Name, Type string }
	Rows    []json.RawMessage
}

// fixtureTypes are the column types that there are here too.
var fixtureTypes = map[string]query.Type{
	"boolean": query.Bool, "smallint": query.Int4, "integer": query.Int4, "bigint": query.Int8,
	"double precision": query.Float8, "numeric": query.Numeric, "text": query.Text, "character varying": query.Text,
	"date": query.Date, "timestamp with time zone": query.Timestamptz, "uuid": query.UUID, "json": query.JSON, "jsonb": query.JSONB,
	"text[]": query.TextArray,
}

// view makes a view of a fixture: its rows are documents of the base table.
// Columns of types that there are not are unknown.
func (x *fixture) view(name, base string) (v store.View) {
	v.Base, v.Schema.Table = base, name
	for _, c := range x.Columns {
		v.Schema.Columns = append(v.Schema.Columns, query.Column{Name: c.Name, Type: fixtureTypes[c.Type]})
	}
	v.Value = func(e *vigil.Event, i int) query.Value {
		raw, found := jsonb.Get(e.Doc, v.Schema.Columns[i].Name)
		if !found || jsonb.Kind(raw) == 'n' {
			return query.Value{Type: v.Schema.Columns[i].Type}
		}
		return fixtureValue(v.Schema.Columns[i].Type, raw)
	}
	return v
}

// fixtureValue reads a cell as row_to_json wrote it.
func fixtureValue(typ query.Type, raw []byte) query.Value {
	v := query.Value{Type: typ, Valid: true}
	text := jsonb.AppendText(nil, raw)
	switch typ {
	case query.Bool:
		if string(text) == "true" {
			v.I = 1
		}
	case query.Int4, query.Int8:
		_ = json.Unmarshal(raw, &v.I)
	case query.Float8:
		_ = json.Unmarshal(raw, &v.F)
	case query.Date:
		d, _ := time.Parse(time.DateOnly, string(text))
		v.I = d.Unix() / 86400
	case query.Timestamptz:
		d, _ := time.Parse(time.RFC3339Nano, string(text))
		v.I = d.UnixMicro()
	case query.TextArray:
		_ = json.Unmarshal(raw, &v.List)
	case query.JSON, query.JSONB:
		v.B = raw
	default:
		v.B = text
	}
	return v
}

// readFixtures returns the fixtures that can be had, as views, with their rows.
func readFixtures(t *testing.T) (views []store.View, bases []string, rows map[string][]string) {
	t.Helper()
	text, err := os.ReadFile(shared(t, "postgrest/fixtures.json"))
	if err != nil {
		t.Fatal(err)
	}
	var fixtures map[string]*fixture
	if err := json.Unmarshal(text, &fixtures); err != nil {
		t.Fatal(err)
	}
	rows = map[string][]string{}
	for name, x := range fixtures {
		if x == nil || !regexp.MustCompile(`^[a-z][a-z0-9_]*$`).MatchString(name) {
			continue
		}
		base := "base_" + name
		views, bases = append(views, x.view(name, base)), append(bases, base)
		for _, row := range x.Rows {
			if len(x.Columns) == 1 && jsonb.Kind(row) != '{' { // one column is kept as its bare value
				row = []byte(`{"` + x.Columns[0].Name + `":` + string(row) + "}")
			}
			rows[base] = append(rows[base], string(row))
		}
	}
	return views, bases, rows
}

// readDifferences are reads of PostgREST's suite that Vigil answers otherwise.
var readDifferences = map[string]difference{
	"head-0001": {200, "", "scripts of other origins are let in only where that is configured"},
	"head-0620": {200, "", "a json column prints as jsonb does; no table of Vigil has one"},
	"head-1078": {400, "PGRST100", "nothing is ignored silently"},
	"head-1083": {200, "", "planned counts are exact"},
	"head-1084": {200, "", "planned counts are exact"},
}

// elsewhere are reads that are about something that this package does not do:
// tokens, media types that functions of the database make, text search with a
// dictionary, rows that an earlier case has written.
func elsewhere(c specCase) bool {
	return slices.Contains([]string{"authors_only", "ov_json", "some_numbers", "tsearch_to_tsvector"}, strings.Join(c.Tables, "")) || c.ID == "head-1453"
}

// TestSpecReads runs the reads of PostgREST's suite over views of its tables.
func TestSpecReads(t *testing.T) {
	views, bases, rows := readFixtures(t)
	s := openMemory(t, store.Config{Now: clock, Tables: bases, Views: views})
	for base, docs := range rows {
		fill(t, s, base, docs...)
	}
	ran := 0
	lines(t, shared(t, "postgrest/cases.jsonl"), func(c specCase) {
		if c.Method != http.MethodGet && c.Method != http.MethodHead || slices.Contains(c.Needs, "write") || slices.Contains(c.Needs, "upsert") ||
			slices.Contains(applicable, c.ID) || !c.answerable(views) || c.Stateful || elsewhere(c) {
			return
		}
		ran++
		f := newFace(t, s, func(cfg *Config) {
			cfg.Authenticate = func(*http.Request) (*auth.Principal, error) { return &auth.Principal{}, nil }
			cfg.Allow = func(*auth.Principal, string, auth.Action) error { return nil }
			if c.Settings["db-max-rows"] == "2" {
				cfg.MaxRows = 2
			}
		})
		res := f.exchange(t, c.Method, strings.ReplaceAll(c.Path, " ", "%20"), c.Headers, "")
		body := bodyOf(t, res)
		diff := c.diff(res, body)
		d, listed := readDifferences[c.ID]
		switch {
		case diff != "" && !listed:
			t.Errorf("%s %s %q\n\t%s", c.ID, c.Path, c.Headers, diff)
		case diff == "" && listed:
			t.Errorf("%s: is listed as a difference and is none", c.ID)
		case listed && (res.StatusCode != d.status || codeOf(body) != d.code):
			t.Errorf("%s: %d %.200s, listed as %+v", c.ID, res.StatusCode, body, d)
		}
	})
	if ran < 150 {
		t.Errorf("only %d cases ran", ran)
	}
}

// answerable reports whether the tables of a case are there and it looks at no
// column of an unknown type.
func (c *specCase) answerable(views []store.View) bool {
	for _, name := range c.Tables {
		i := slices.IndexFunc(views, func(v store.View) bool { return v.Schema.Table == name })
		if i < 0 {
			return false
		}
		all := !strings.Contains(c.Path, "select=") || strings.Contains(c.Path, "*")
		for _, col := range views[i].Schema.Columns {
			if col.Type == query.Unknown && (all || strings.Contains(c.Path, col.Name)) {
				return false
			}
		}
	}
	return len(c.Tables) > 0
}

// diff says how an answer differs from the expected one, empty where it does not.
func (c *specCase) diff(res *http.Response, body string) string {
	if c.Expect.Status != 0 && res.StatusCode != c.Expect.Status {
		return fmt.Sprintf("status %d, want %d: %.200s", res.StatusCode, c.Expect.Status, body)
	}
	for _, h := range c.Expect.Headers {
		if got := res.Header.Get(h.Name); h.Eq != nil && got != *h.Eq {
			return fmt.Sprintf("%s: %q, want %q", h.Name, got, *h.Eq)
		}
	}
	if b := c.Expect.Body; b != nil && b.JSON != nil && !sameJSON(body, string(b.JSON)) {
		return fmt.Sprintf("got  %.300s\n\twant %.300s", body, b.JSON)
	} else if b != nil && b.Text != nil && body != *b.Text {
		return fmt.Sprintf("got  %.300s\n\twant %.300s", body, *b.Text)
	}
	return ""
}
