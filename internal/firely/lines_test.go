package firely

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"
	"time"
	"unicode/utf8"

	"github.com/rogpeppe/go-internal/txtar"
	"pgregory.net/rapid"

	"vigil"
	"vigil/internal/format/template"
)

var update = flag.Bool("update", false, "write the lines of the golden files again")

func templateOf(t testing.TB, k Sink) *template.Template {
	t.Helper()
	switch k.Kind {
	case KindFile:
		return k.File.Template
	case KindConsole:
		return k.Console.Template
	}
	t.Fatalf("sink %s has no template", k.Kind)
	return nil
}

// TestLines prints exchanges under settings, those of Firely's page among them.
func TestLines(t *testing.T) {
	paths, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(paths) < 4 {
		t.Fatalf("%d golden files, %v", len(paths), err)
	}
	for _, path := range paths {
		t.Run(filepath.Base(path), func(t *testing.T) {
			a, err := txtar.ParseFile(path)
			if err != nil {
				t.Fatal(err)
			}
			dir, parts := fstest.MapFS{}, map[string]int{}
			for i, f := range a.Files {
				dir[f.Name], parts[f.Name] = &fstest.MapFile{Data: f.Data}, i
			}
			s := load(t, dir)
			l := s.Liner(time.FixedZone("", 3600))
			l.machine = "test-machine"
			lines := l.Lines(templateOf(t, s.Sinks[0]))
			var got []byte
			for doc := range bytes.Lines(a.Files[parts["exchanges"]].Data) {
				got = lines(got, &vigil.Event{Format: vigil.FormatExchange, Doc: bytes.TrimSpace(doc)})
			}
			want := &a.Files[parts["lines"]].Data
			if *update {
				*want = got
				if err := os.WriteFile(path, txtar.Format(a), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if !bytes.Equal(got, *want) {
				t.Errorf("got\n%swant\n%s", got, *want)
			}
		})
	}
}

// TestNoLineIsForged: whatever a request had in it, its lines are as many as they
// would be otherwise, and nothing in them steers a terminal or hides text.
func TestNoLineIsForged(t *testing.T) {
	hostile := rapid.StringOf(rapid.RuneFrom([]rune("a] [\n\r\t\x00\x1b\x7f\u0085\u2028\u202e\"{}é😀")))
	s := load(t, files("audit.logsettings.json", `{"AuditLog": {"WriteTo": ["Console"]}}`))
	lines := s.Liner(time.UTC).Lines(templateOf(t, s.Sinks[0]))
	rapid.Check(t, func(t *rapid.T) {
		h := func() string { return hostile.Draw(t, "s") }
		x := &vigil.Exchange{
			ID: h(), RequestID: h(), Connection: h(), Correlation: h(), Path: h(), RawQuery: h(), Type: h(), Key: h(), Interaction: h(),
			Peer: []string{h()}, User: vigil.User{Subject: h(), Name: h()}, Returned: []string{h()}, Search: &vigil.Search{Query: h()},
			Method: h(), Entries: make([]vigil.Exchange, rapid.IntRange(0, 3).Draw(t, "entries")),
		}
		doc, err := json.Marshal(x)
		if err != nil {
			t.Fatal(err)
		}
		got := string(lines(nil, &vigil.Event{Format: vigil.FormatExchange, Doc: doc}))
		if n := strings.Count(got, "\n"); n != 2+2*len(x.Entries) || strings.ContainsAny(got, "\r\t\x00\x1b\x7f\u0085\u2028\u202e") || !utf8.ValidString(got) {
			t.Fatalf("%d lines: %q", n, got)
		}
	})
}

func TestOtherEvents(t *testing.T) {
	s := load(t, files("audit.logsettings.json", `{"AuditLog": {"WriteTo": ["Console"]}}`))
	lines := s.Liner(time.UTC).Lines(templateOf(t, s.Sinks[0]))
	for _, e := range []*vigil.Event{{Format: vigil.FormatLogserver, Doc: []byte(`{}`)}, {Format: vigil.FormatExchange, Doc: []byte(`1`)}} {
		if got := lines(nil, e); len(got) > 0 {
			t.Errorf("%s", got)
		}
	}
}

func TestActions(t *testing.T) {
	for _, c := range []struct{ interaction, kind, key, want string }{
		{"read", "Patient", "1", "instance_read"},
		{"history-instance", "Patient", "1", "instance_history"},
		{"search-type", "Patient", "", "type_search"},
		{"history-type", "Patient", "", "type_history"},
		{"search-system", "", "", "system_search"},
		{"capabilities", "", "", "system_capabilities"},
		{"batch", "", "", "system_batch"},
		{"operation", "Patient", "1", "instance_custom"},
		{"operation", "Patient", "", "type_custom"},
		{"operation", "", "", "system_custom"},
		{"", "", "", ""},
	} {
		if got := action(&vigil.Exchange{Interaction: c.interaction, Type: c.kind, Key: c.key}); got != c.want {
			t.Errorf("%+v: %s", c, got)
		}
	}
}

// BenchmarkLines is the two lines of one exchange, its JSON read included.
func BenchmarkLines(b *testing.B) {
	s, err := Load(files("audit.logsettings.json", `{"AuditLog": {"WriteTo": ["Console"]}}`), nil)
	if err != nil {
		b.Fatal(err)
	}
	l := s.Liner(time.UTC)
	x := &vigil.Exchange{
		ID: "0192f0c1-0000-7000-8000-000000000001", Start: time.Unix(1.8e9, 0), Method: "GET", Path: "/fhir/Patient", RawQuery: "name=x",
		Status: 200, Type: "Patient", Interaction: "search-type", Peer: []string{"192.0.2.1"}, User: vigil.User{Subject: "u", Name: "n"},
	}
	doc, err := json.Marshal(x)
	if err != nil {
		b.Fatal(err)
	}
	t := templateOf(b, s.Sinks[0])
	b.Run("from JSON", func(b *testing.B) {
		lines := l.Lines(t)
		e := &vigil.Event{Format: vigil.FormatExchange, Doc: doc}
		var dst []byte
		b.ReportAllocs()
		for b.Loop() {
			dst = lines(dst[:0], e)
		}
	})
	b.Run("two lines", func(b *testing.B) {
		var dst []byte
		b.ReportAllocs()
		for b.Loop() {
			dst = dst[:0]
			l.Events(x, func(e *template.Event) { dst = t.Append(dst, e) })
		}
	})
}
