package convert_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/txtar"

	"vigil"
	"vigil/internal/format"
	"vigil/internal/format/convert"
	"vigil/internal/format/fhir"
	"vigil/internal/format/logserver"
	"vigil/internal/jsonb"
)

const samples = "../../../../shared/data/"

// example is a document of some vocabulary.
type example struct {
	name  string
	event *vigil.Event
}

func event(f vigil.Format, doc []byte) *vigil.Event {
	return &vigil.Event{
		Format: f, Doc: doc, UID: vigil.NewUID(time.UnixMilli(1770091506789), [10]byte{1, 2, 3}),
		Received: time.Date(2026, 2, 3, 4, 5, 6, 789012000, time.UTC),
		Sender:   &vigil.Sender{Subject: "sample sender", Role: "event_logger", Listener: "http", Authenticated: true},
	}
}

// examples are the cases of package format, and the recorded samples where they
// are here.
func examples(t testing.TB) []example {
	t.Helper()
	var out []example
	files, err := filepath.Glob("../testdata/*.txtar")
	if err != nil || len(files) < 20 {
		t.Fatalf("%d cases, %v", len(files), err)
	}
	for _, file := range files {
		a, err := txtar.ParseFile(file)
		if err != nil {
			t.Fatal(err)
		}
		f := vigil.Format(strings.TrimSuffix(a.Files[0].Name, ".json"))
		out = append(out, example{strings.TrimSuffix(filepath.Base(file), ".txtar"), event(f, a.Files[0].Data)})
	}
	for pattern, f := range map[string]vigil.Format{
		"logserver/generations/*.json": vigil.FormatLogserver, "logserver/*.ndjson": vigil.FormatLogserver, "postgrest/oracle_seed.ndjson": vigil.FormatLogserver,
		"aidbox/klog_golden/*.ndjson": vigil.FormatAidbox, "aidbox/*.ndjson": vigil.FormatAidbox, "aidbox/klog_golden/mklog_sample.json": vigil.FormatAidbox,
		"firely/R*.json": vigil.FormatFHIRR4, "fhir/examples/auditevent-r4-*/*.json": vigil.FormatFHIRR4, "fhir/examples/auditevent-r5-*/*.json": vigil.FormatFHIRR5,
	} {
		files, err := filepath.Glob(samples + pattern)
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			out = append(out, read(t, file, f)...)
		}
	}
	slices.SortFunc(out, func(a, b example) int { return strings.Compare(a.name, b.name) })
	return out
}

// read returns the documents of a file: one, several, or an array of them.
func read(t testing.TB, file string, f vigil.Format) []example {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	text = bytes.ReplaceAll(text, []byte("%TOKEN_ISSUER%"), []byte("https://issuer.example.org")) // it is the example's own placeholder
	if strings.Contains(file, "R5_") {
		f = vigil.FormatFHIRR5
	}
	var out []example
	add := func(doc json.RawMessage) {
		out = append(out, example{fmt.Sprintf("%s.%s#%d", filepath.Base(filepath.Dir(file)), filepath.Base(file), len(out)), event(f, bytes.Clone(doc))})
	}
	for dec := json.NewDecoder(bytes.NewReader(text)); ; {
		var doc json.RawMessage
		if err := dec.Decode(&doc); errors.Is(err, io.EOF) {
			return out
		} else if err != nil {
			return out // a broken example
		}
		var list []json.RawMessage
		if json.Unmarshal(doc, &list) != nil || strings.Contains(file, "oracle_seed") {
			add(doc)
			continue
		}
		for _, doc := range list {
			add(doc)
		}
	}
}

func formatOf(v fhir.Version) vigil.Format {
	if v == fhir.R5 {
		return vigil.FormatFHIRR5
	}
	return vigil.FormatFHIRR4
}

// TestExamples: every document becomes a valid AuditEvent of each version, which
// has the document's facts.
func TestExamples(t *testing.T) {
	c, m := convert.New(convert.Config{}), format.New(nil)
	for _, x := range examples(t) {
		for _, v := range []fhir.Version{fhir.R4, fhir.R5} {
			n, err := c.AuditEvent(x.event, v)
			if err != nil {
				t.Errorf("%s: %v", x.name, err)
				continue
			}
			text := fhir.AppendJSON(nil, n)
			if issues := fhir.Validate(n, fhir.Options{Version: v, Profiles: fhir.Ignore}); fhir.Failed(issues) {
				t.Errorf("%s as %v: %v\n%s", x.name, v, issues, text)
			}
			if back, err := fhir.Parse(fhir.AppendXML(nil, n, v), v, fhir.Limits{}); n.Child("text") == nil && (err != nil || !fhir.Equal(n, back)) {
				t.Errorf("%s as %v: not the same as XML: %v\n%s", x.name, v, err, fhir.AppendXML(nil, n, v))
			}
			if n.Child("id").Text() != x.event.UID.String() || n.Get("meta", "lastUpdated").Text() != "2026-02-03T04:05:06.789012Z" {
				t.Errorf("%s as %v: %s", x.name, v, text)
			}
			want, got := m.Facts(x.event.Format, x.event.Doc), m.Facts(formatOf(v), text)
			for _, p := range lawOf(want, got, x.event) {
				t.Errorf("%s as %v: %s\n%s\n%s", x.name, v, p, x.event.Doc, text)
			}
		}
	}
}

// lawOf returns how the facts got of a conversion to an AuditEvent break the law:
// what a document says, its AuditEvent says, and nothing else. docs/mapping.md
// names the exceptions.
func lawOf(want, got vigil.Facts, e *vigil.Event) []string {
	var broken []string
	if at := want.Occurred; at.IsZero() {
		if !got.Occurred.Equal(e.Received) {
			broken = append(broken, fmt.Sprintf("occurred %v, received %v", got.Occurred, e.Received))
		}
	} else if !got.Occurred.Equal(at) {
		broken = append(broken, fmt.Sprintf("occurred %v, want %v", got.Occurred, at))
	}
	for _, p := range vigil.Properties()[1:] {
		w, g := want.Values[p.Fact], got.Values[p.Fact]
		for _, val := range w {
			if !slices.Contains(g, val) && expressible(val) {
				broken = append(broken, fmt.Sprintf("%s lacks %q: %q, want %q", p.Name, val, g, w))
			}
		}
		if !p.List && len(w) > 0 && expressible(w[0]) && len(g) > 0 && g[0] != w[0] {
			broken = append(broken, fmt.Sprintf("%s is %q, want %q", p.Name, g, w))
		}
		for _, val := range g {
			if !slices.Contains(w, val) && !extra(p.Fact, val, want) {
				broken = append(broken, fmt.Sprintf("%s has %q, want %q", p.Name, val, w))
			}
		}
	}
	return broken
}

// expressible reports whether FHIR's string can hold a text.
func expressible(s string) bool {
	return strings.TrimSpace(s) != "" && !strings.ContainsFunc(s, func(r rune) bool { return r < ' ' && !strings.ContainsRune("\t\r\n", r) || r == 0x7f })
}

// extra reports whether an AuditEvent may have a fact that the document lacks.
func extra(f vigil.Fact, val string, want vigil.Facts) bool {
	switch f {
	case vigil.FactEntity: // patients are entities
		return slices.Contains(want.Values[vigil.FactPatient], val)
	case vigil.FactPatient: // agents who are patients count, as for R4's search parameter
		return slices.Contains(want.Values[vigil.FactAgent], val)
	case vigil.FactAgent: // applications are agents
		return slices.Contains(want.Values[vigil.FactClient], val)
	case vigil.FactType, vigil.FactSubtype: // standard codes
		for _, i := range convert.Implied(val) {
			if slices.Contains(want.Values[i.Fact], i.Value) {
				return true
			}
		}
	}
	return false
}

// TestLogserverOfExamples: the way back, of AuditEvents that were sent and of those
// that are conversions.
func TestLogserverOfExamples(t *testing.T) {
	c, m := convert.New(convert.Config{}), format.New(nil)
	for _, x := range examples(t) {
		for _, v := range []fhir.Version{fhir.R4, fhir.R5} {
			n, err := c.AuditEvent(x.event, v)
			if err != nil {
				t.Fatal(err)
			}
			text := fhir.AppendJSON(nil, n)
			checkLogserver(t, x.name, c, m, n, v, text)
		}
	}
}

type failer interface {
	Helper()
	Errorf(format string, args ...any)
}

func checkLogserver(t failer, name string, c *convert.Converter, m vigil.Mapping, n *fhir.Node, v fhir.Version, text []byte) {
	t.Helper()
	doc, err := c.Logserver(n, v)
	if err != nil || jsonb.Check(doc, jsonb.Limits{}) != nil {
		t.Errorf("%s: %v, %s", name, err, doc)
		return
	}
	if missing := logserver.Missing(doc); missing != nil || logserver.GenerationOf(doc) != logserver.Gen3 {
		t.Errorf("%s: missing %v, generation %v: %s", name, missing, logserver.GenerationOf(doc), doc)
	}
	want, got := m.Facts(formatOf(v), text), m.Facts(vigil.FormatLogserver, doc)
	if !want.Occurred.Equal(got.Occurred) {
		t.Errorf("%s: occurred %v, want %v", name, got.Occurred, want.Occurred)
	}
	for _, p := range vigil.Properties()[1:] {
		w, g := slices.Clone(want.Values[p.Fact]), slices.Clone(got.Values[p.Fact])
		if len(w) == 0 && (p.Fact == vigil.FactSeverity || p.Fact == vigil.FactAction) {
			continue // required
		}
		if p.List {
			slices.Sort(w)
			slices.Sort(g)
		}
		if !slices.Equal(w, g) {
			t.Errorf("%s as %v: %s is %q, want %q\n%s\n%s", name, v, p.Name, g, w, text, doc)
		}
	}
}
