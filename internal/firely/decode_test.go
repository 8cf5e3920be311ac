package firely

import (
	"bytes"
	"encoding/json"
	"reflect"
	"testing"
	"testing/fstest"
	"time"

	"pgregory.net/rapid"

	"vigil"
	"vigil/internal/format/template"
	"vigil/internal/jsonb"
)

// everything is a template that prints whatever a line knows.
const everything = `{"AuditLog": {"Enrich": [{"Name": "WithCorrelationIdHeader", "Args": {"headerKey": "x-ward"}}], "WriteTo": [{"Name": "Console", "Args": {"outputTemplate": "{Timestamp:o} {Message} {Properties:j}{NewLine}"}}]}}`

func anExchange(t *rapid.T, entries int) vigil.Exchange {
	text := rapid.OneOf(rapid.Just(""), rapid.String())
	x := vigil.Exchange{
		ID: text.Draw(t, "id"), RequestID: text.Draw(t, "requestId"), Connection: text.Draw(t, "connection"), Correlation: text.Draw(t, "correlation"),
		Start: time.UnixMicro(rapid.Int64Range(0, 4e15).Draw(t, "start")).UTC(), Duration: time.Duration(rapid.Int64Range(0, 1e12).Draw(t, "duration")),
		Method: "GET", Path: text.Draw(t, "path"), RawQuery: text.Draw(t, "query"), Status: rapid.IntRange(0, 599).Draw(t, "status"),
		Peer: rapid.SliceOfN(text, 0, 2).Draw(t, "peer"), User: vigil.User{Subject: text.Draw(t, "sub"), Name: text.Draw(t, "name"), Username: text.Draw(t, "username"), Client: text.Draw(t, "client")},
		Interaction: rapid.SampledFrom([]string{"read", "create", "batch", "operation", ""}).Draw(t, "interaction"), Type: text.Draw(t, "type"), Key: text.Draw(t, "key"),
		Returned: rapid.SliceOfN(text, 0, 3).Draw(t, "returned"),
	}
	if rapid.Bool().Draw(t, "search") {
		x.Search = &vigil.Search{Query: text.Draw(t, "search query"), Matches: rapid.IntRange(0, 9).Draw(t, "matches"), Includes: rapid.IntRange(0, 2).Draw(t, "includes")}
		if rapid.Bool().Draw(t, "has total") {
			n := rapid.Int64().Draw(t, "total")
			x.Search.Total = &n
		}
	}
	if rapid.Bool().Draw(t, "header") {
		x.Headers = map[string]string{"X-Ward": text.Draw(t, "ward")}
	}
	for range entries {
		x.Entries = append(x.Entries, anExchange(t, 0))
	}
	return x
}

// TestDecode: the lines of a document are those of the exchange that encoding/json
// reads of it, also after another document was read into the same memory, and as
// PostgreSQL prints the document.
func TestDecode(t *testing.T) {
	s := load(t, files("audit.logsettings.json", everything))
	l := s.Liner(time.UTC)
	print := templateOf(t, s.Sinks[0])
	lines := l.Lines(print)
	rapid.Check(t, func(t *rapid.T) {
		x := anExchange(t, rapid.IntRange(0, 3).Draw(t, "entries"))
		doc, err := json.Marshal(x)
		if err != nil {
			t.Fatal(err)
		}
		if rapid.Bool().Draw(t, "canonical") && !bytes.Contains(doc, []byte(`\u0000`)) {
			doc = jsonb.AppendCanonical(nil, doc)
		}
		var again vigil.Exchange
		if err := json.Unmarshal(doc, &again); err != nil {
			t.Fatal(err)
		}
		var want []byte
		l.Events(&again, func(e *template.Event) { want = print.Append(want, e) })
		if got := lines(nil, &vigil.Event{Format: vigil.FormatExchange, Doc: doc}); !bytes.Equal(got, want) {
			t.Fatalf("got\n%swant\n%s", got, want)
		}
	})
}

// TestDecodeReadsAll: every member that encoding/json reads into a field that lines
// are made of is read here.
func TestDecodeReadsAll(t *testing.T) {
	total := int64(7)
	x := vigil.Exchange{
		ID: "a", RequestID: "b", Correlation: "c", Connection: "d", Start: time.Unix(1.7e9, 5).UTC(), Duration: 9, Method: "e", Route: "f", Path: "g", RawQuery: "h",
		Status: 200, Peer: []string{"i"}, User: vigil.User{Subject: "j", Name: "k", Username: "l", Client: "m"}, Interaction: "n", Type: "o", Key: "p",
		Returned: []string{"q", "r"}, Search: &vigil.Search{Query: "s", Total: &total, Matches: 2, Includes: 1}, Upstream: "t", Headers: map[string]string{"u": "v"},
		Entries: []vigil.Exchange{{Method: "w", Path: "x", Status: 1, Returned: []string{"y"}}},
	}
	doc, err := json.Marshal(x)
	if err != nil {
		t.Fatal(err)
	}
	var r exchangeReader
	var got vigil.Exchange
	if !r.exchange(&got, doc) {
		t.Fatal("not read")
	}
	for i := range got.Entries { // what is empty may be nil or have room
		if got.Entries[i].Returned = got.Entries[i].Returned[:len(got.Entries[i].Returned):len(got.Entries[i].Returned)]; len(got.Entries[i].Entries) == 0 {
			got.Entries[i].Entries = nil
		}
	}
	if !reflect.DeepEqual(got, x) {
		t.Errorf("got  %+v\nwant %+v", got, x)
	}
}

func FuzzDecode(f *testing.F) {
	for _, s := range []string{
		`{"id":"a","entries":[{"entries":[{}],"peer":["x"]}],"peer":[],"search":{"total":null},"start":"2026-01-01T00:00:00Z"}`,
		`{"peer":1}`, `{"status":1e99}`, `{"user":[]}`, `[]`, `{"returned":[null,1]}`, `{"headers":{"a":1}}`,
	} {
		f.Add(s)
	}
	s, err := Load(fstest.MapFS{"audit.logsettings.json": {Data: []byte(everything)}}, nil)
	if err != nil {
		f.Fatal(err)
	}
	lines := s.Liner(time.UTC).Lines(s.Sinks[0].Console.Template)
	f.Fuzz(func(t *testing.T, doc string) {
		if jsonb.Check([]byte(doc), jsonb.Limits{}) != nil {
			t.Skip("not JSON")
		}
		got := lines(nil, &vigil.Event{Format: vigil.FormatExchange, Doc: []byte(doc)})
		if n := bytes.Count(got, []byte("\n")); n%2 != 0 || n > 0 && got[len(got)-1] != '\n' {
			t.Fatalf("%d lines of %s: %q", n, doc, got)
		}
	})
}
