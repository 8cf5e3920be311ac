package balp_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/rogpeppe/go-internal/txtar"

	"vigil"
	"vigil/internal/format/fhir"
	"vigil/internal/format/fhir/balp"
)

var update = flag.Bool("update", false, "rewrite the wanted events")

// fixture is an exchange, and the events that are wanted of it by section.
type fixture struct {
	name, file string
	archive    *txtar.Archive
	exchange   *vigil.Exchange
}

// fixtures reads a folder of cases.
func fixtures(t testing.TB, folder string) []fixture {
	t.Helper()
	files, err := filepath.Glob("testdata/" + folder + "/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatalf("%d cases, %v", len(files), err)
	}
	out := make([]fixture, len(files))
	for i, file := range files {
		a, err := txtar.ParseFile(file)
		if err != nil {
			t.Fatal(err)
		}
		d := json.NewDecoder(bytes.NewReader(a.Files[0].Data))
		d.DisallowUnknownFields()
		x := new(vigil.Exchange)
		if err := d.Decode(x); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		out[i] = fixture{strings.TrimSuffix(filepath.Base(file), ".txtar"), file, a, x}
	}
	return out
}

// failer is what *testing.T and *rapid.T have.
type failer interface {
	Errorf(format string, args ...any)
	Fatalf(format string, args ...any)
	Fatal(args ...any)
}

func version(e *vigil.Event) fhir.Version {
	if e.Format == vigil.FormatFHIRR5 {
		return fhir.R5
	}
	return fhir.R4
}

// build makes the events of x, which must be valid.
func build(t failer, b *balp.Builder, x *vigil.Exchange) []*vigil.Event {
	events, err := b.Events(x)
	if err != nil {
		t.Fatal(err)
	}
	if len(events) < 1+len(x.Entries) {
		t.Errorf("%d events of an exchange with %d entries", len(events), len(x.Entries))
	}
	for _, e := range events {
		if e.Table != vigil.TableAuditEvents || e.Format != vigil.FormatFHIRR4 && e.Format != vigil.FormatFHIRR5 || e.Sender == nil || e.Sender.Listener != "gateway" {
			t.Errorf("event %+v", e)
		}
		if !utf8.Valid(e.Doc) || bytes.ContainsFunc(e.Doc, func(r rune) bool { return r < 0x20 || r == 0x7f }) {
			t.Errorf("characters that have no place in JSON of one line: %q", e.Doc)
		}
		n, err := fhir.ParseJSON(e.Doc, fhir.Limits{})
		if err != nil {
			t.Fatalf("%v\n%s", err, e.Doc)
		}
		for _, i := range fhir.Validate(n, fhir.Options{Version: version(e), Profiles: fhir.Refuse}) {
			if i.Severity >= fhir.Warning {
				t.Errorf("%v\n%s", i, e.Doc)
			}
		}
	}
	return events
}

// shapes are the ways to make events that the fixtures are made in.
var shapes = []struct {
	name string
	b    *balp.Builder
}{
	{"events.json", balp.New(balp.Config{Observer: "gw-1", Site: "ward 1"})},
	{"per-patient.json", balp.New(balp.Config{PerPatient: true, ObserverSystem: "urn:example:gateways"})},
	{"limited.json", balp.New(balp.Config{PerPatient: true, MaxPatients: 2, MaxReturned: 5})},
	{"r5.json", balp.New(balp.Config{R5: true})},
	{"firely.json", balp.New(balp.Config{Firely: true})},
	{"firely-r5.json", balp.New(balp.Config{Firely: true, R5: true})},
}

// TestInteractions compares the events of every kind of interaction.
func TestInteractions(t *testing.T) {
	all := fixtures(t, "interactions")
	if len(all) < 47 {
		t.Errorf("%d interactions", len(all))
	}
	for _, f := range all {
		t.Run(f.name, func(t *testing.T) { f.compare(t) })
	}
}

// TestCases compares the events of what goes wrong, and of odd callers.
func TestCases(t *testing.T) {
	for _, f := range fixtures(t, "cases") {
		t.Run(f.name, func(t *testing.T) { f.compare(t) })
	}
}

// compare makes the events of f in all shapes. Only the sections that are there
// are compared; the first one always is.
func (f fixture) compare(t *testing.T) {
	changed := false
	for _, s := range shapes {
		got := lines(t, build(t, s.b, f.exchange))
		at := -1
		for i := range f.archive.Files {
			if f.archive.Files[i].Name == s.name {
				at = i
			}
		}
		switch {
		case at < 0 && s.name == "events.json" && *update:
			f.archive.Files = append(f.archive.Files, txtar.File{Name: s.name, Data: got})
			changed = true
		case at < 0 && s.name == "events.json":
			t.Error("there are no events to compare with: run with -update")
		case at >= 0 && !bytes.Equal(f.archive.Files[at].Data, got):
			f.archive.Files[at].Data = got
			changed = true
			if !*update {
				t.Errorf("%s:\n%s", s.name, got)
			}
		}
	}
	if changed && *update {
		if err := os.WriteFile(f.file, txtar.Format(f.archive), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// lines writes events, each element on a line, and each agent and entity.
func lines(t *testing.T, events []*vigil.Event) []byte {
	var b bytes.Buffer
	for _, e := range events {
		n, err := fhir.ParseJSON(e.Doc, fhir.Limits{})
		if err != nil {
			t.Fatal(err)
		}
		b.WriteString("{\"resourceType\":\"AuditEvent\",\n")
		for i, c := range n.Children {
			one := &fhir.Node{Resource: n.Resource, Children: []*fhir.Node{c}}
			line := fhir.AppendJSON(nil, one)
			line = bytes.TrimPrefix(line, []byte(`{"resourceType":"AuditEvent",`))
			line = bytes.TrimSuffix(line, []byte("}"))
			if i > 0 && n.Children[i-1].Name == c.Name {
				line = append([]byte("  "), line[bytes.IndexByte(line, '[')+1:]...)
			}
			if i+1 < len(n.Children) && n.Children[i+1].Name == c.Name {
				line = bytes.TrimSuffix(line, []byte("]"))
			}
			b.WriteByte(' ')
			b.Write(line)
			if i+1 < len(n.Children) {
				b.WriteByte(',')
			}
			b.WriteByte('\n')
		}
		b.WriteString("}\n")
	}
	return b.Bytes()
}

// TestExcluded makes no events of entries that are excluded, and the same ones as
// ever of the bundle and the others.
func TestExcluded(t *testing.T) {
	for _, f := range fixtures(t, "interactions") {
		if f.name != "batch_5_entries_one_404" {
			continue
		}
		all := build(t, balp.New(balp.Config{}), f.exchange)
		asked := 0
		b := balp.New(balp.Config{Excluded: func(whole, entry *vigil.Exchange) bool {
			if whole != f.exchange || entry != &f.exchange.Entries[asked] {
				t.Errorf("asked for %p in %p", entry, whole)
			}
			asked++
			return asked == 2 || asked == 5
		}})
		some, err := b.Events(f.exchange)
		if err != nil || asked != 5 {
			t.Fatalf("asked %d times, %v", asked, err)
		}
		want := slices.Concat(all[:2], all[3:5])
		if !slices.EqualFunc(some, want, func(a, b *vigil.Event) bool { return bytes.Equal(a.Doc, b.Doc) }) {
			t.Errorf("%d events", len(some))
		}
		return
	}
	t.Error("there is no such fixture")
}
