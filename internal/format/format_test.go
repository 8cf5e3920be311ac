package format_test

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/txtar"

	"vigil"
	"vigil/internal/format"
	"vigil/internal/format/logserver"
	"vigil/internal/jsonb"
)

var update = flag.Bool("update", false, "rewrite the expected parts of testdata/*.txtar")

// TestCases holds each document against its file: the facts, the row of
// events_view, and the same event in every other vocabulary. The name of a
// document's part is its format.
func TestCases(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(files) < 20 {
		t.Fatalf("%d cases, %v", len(files), err)
	}
	m := format.New(nil)
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
			a, err := txtar.ParseFile(file)
			if err != nil {
				t.Fatal(err)
			}
			doc := a.Files[0]
			if err := jsonb.Check(doc.Data, jsonb.Limits{}); err != nil {
				t.Fatal(err)
			}
			f := vigil.Format(strings.TrimSuffix(doc.Name, ".json"))
			got := &txtar.Archive{Comment: a.Comment, Files: []txtar.File{doc, {Name: "facts", Data: []byte(print(m.Facts(f, doc.Data)))}}}
			if f == vigil.FormatLogserver {
				got.Files = append(got.Files, txtar.File{Name: "events_view", Data: []byte(printLogserver(doc.Data))})
			}
			got.Files = append(got.Files, vocabularies(t, m, f, doc.Data)...)
			if *update {
				if err := os.WriteFile(file, txtar.Format(got), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if w, g := string(txtar.Format(a)), string(txtar.Format(got)); w != g {
				t.Errorf("got:\n%s\nwant:\n%s", g, w)
			}
			if w, g := m.Facts(f, doc.Data).Occurred, m.(vigil.TimeMapping).Occurred(f, doc.Data); !w.Equal(g) || w.Location() != g.Location() {
				t.Errorf("the time alone is %s, of the facts %s", g, w)
			}
			canonical := jsonb.AppendCanonical(nil, doc.Data)
			if w, g := string(got.Files[1].Data), print(m.Facts(f, canonical)); w != g {
				t.Errorf("facts of the canonical text:\n%s\nwant:\n%s", g, w)
			}
		})
	}
}

func print(f vigil.Facts) string {
	var b strings.Builder
	if !f.Occurred.IsZero() {
		fmt.Fprintf(&b, "occurred: %s\n", f.Occurred.Format(time.RFC3339Nano))
	}
	for i, vals := range f.Values {
		if len(vals) > 0 {
			fmt.Fprintf(&b, "%s: %s\n", vigil.Fact(i), strings.Join(vals, " | "))
		}
	}
	return b.String()
}

func printLogserver(doc []byte) string {
	r := logserver.ViewRow(doc, time.UTC)
	var b strings.Builder
	fmt.Fprintf(&b, "generation: %s\nmissing: %s\nschema_version: %s\n", logserver.GenerationOf(doc), strings.Join(logserver.Missing(doc), " "), r.SchemaVersion)
	if !r.OccurredAt.IsZero() {
		fmt.Fprintf(&b, "occurred_at: %s\n", r.OccurredAt.Format(time.RFC3339Nano))
	}
	for _, c := range []struct {
		name string
		text *string
	}{{"user_id", r.UserID}, {"event_type", r.EventType}} {
		if c.text != nil {
			fmt.Fprintf(&b, "%s: %q\n", c.name, *c.text)
		}
	}
	return b.String()
}

func TestNumber(t *testing.T) {
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	seen := map[uint32]string{}
	for _, z := range []*time.Location{time.UTC, berlin, time.FixedZone("X", 3600), time.FixedZone("X", 7200)} {
		n := format.New(z).Number()
		if n>>16 != vigil.MappingVersion {
			t.Errorf("%v: number %#x", z, n)
		}
		if other, ok := seen[n]; ok {
			t.Errorf("%v has the number of %s", z, other)
		}
		seen[n] = z.String()
	}
	if a, b := format.New(nil).Number(), format.New(time.UTC).Number(); a != b {
		t.Errorf("no zone %#x, UTC %#x", a, b)
	}
}

// TestZone expects that only times without a zone depend on the mapping's.
func TestZone(t *testing.T) {
	zone := time.FixedZone("", -8*3600)
	for doc, want := range map[string]string{
		`{"asctime":"2022-03-04 05:06:07,891"}`:       "2022-03-04T13:06:07.891Z",
		`{"asctime":"2022-03-04 05:06:07,891+00:00"}`: "2022-03-04T05:06:07.891Z",
		`{"asctime":1716625978123}`:                   "2024-05-25T08:32:58.123Z",
	} {
		f := format.New(zone).Facts(vigil.FormatLogserver, []byte(doc))
		if got := f.Occurred.Format(time.RFC3339Nano); got != want {
			t.Errorf("%s: %s, want %s", doc, got, want)
		}
	}
}

// TestReadings has what the readings make of values, each at a place of its own.
func TestReadings(t *testing.T) {
	for _, c := range []struct {
		doc  string
		fact vigil.Fact
		want string
	}{
		{`{"severity":"emergency"}`, vigil.FactSeverity, "critical"},
		{`{"severity":"NOTICE"}`, vigil.FactSeverity, "info"},
		{`{"level":"WARN"}`, vigil.FactSeverity, "warning"},
		{`{"levelname":"WARNING","level":"debug"}`, vigil.FactSeverity, "debug"},
		{`{"level":30}`, vigil.FactSeverity, "warning"},
		{`{"level":3}`, vigil.FactSeverity, "error"},
		{`{"level":50}`, vigil.FactSeverity, "critical"},
		{`{"level":-1}`, vigil.FactSeverity, ""},
		{`{"severity":"odd"}`, vigil.FactSeverity, "odd"},
		{`{"severity":""}`, vigil.FactSeverity, ""},
		{`{"severity":"","levelname":"INFO"}`, vigil.FactSeverity, "info"},
		{`{"severity":{"x":1}}`, vigil.FactSeverity, ""},
		{`{"action":"Search"}`, vigil.FactAction, "execute"},
		{`{"action":"shred"}`, vigil.FactAction, "shred"},
		{`{"action":"R","tags":["login"]}`, vigil.FactAction, "read"},
		{`{"tags":["odd","login"]}`, vigil.FactAction, "login"},
		{`{"tags":["odd"]}`, vigil.FactAction, ""},
		{`{"outcome":404}`, vigil.FactOutcome, "4"},
		{`{"outcome":"503"}`, vigil.FactOutcome, "8"},
		{`{"outcome":"Success"}`, vigil.FactOutcome, "0"},
		{`{"outcome":"no answer"}`, vigil.FactOutcome, "no answer"},
		{`{"agent":{"ip_address":"192.0.2.1,  192.0.2.2,192.0.2.1"}}`, vigil.FactIP, "192.0.2.1 | 192.0.2.2"},
		{`{"agent":[{"who":"a"},{"who":{"reference":"Practitioner/b"}}]}`, vigil.FactAgent, "a | Practitioner/b"},
		{`{"agent":{"who":true}}`, vigil.FactAgent, "true"},
		{`{"agent":{"who":"a"},"subject":"user-1"}`, vigil.FactAgent, "a"},
		{`{"subject":"user-1"}`, vigil.FactAgent, "user-1"},
		{`{"subject":"Patient/1"}`, vigil.FactAgent, ""},
		{`{"subject":"patients/607"}`, vigil.FactPatient, "Patient/607"},
		{`{"subject":"https://x.example.org/fhir/Patient/1/_history/2"}`, vigil.FactPatient, "Patient/1"},
		{`{"subject":"Patient?identifier=1"}`, vigil.FactPatient, ""},
		{`{"subject":{"reference":"Patient/1"}}`, vigil.FactPatient, "Patient/1"},
		{`{"subject":["Patient/1","Group/2","Patient/1"]}`, vigil.FactPatient, "Patient/1"},
		{`{"patient":"Sample Person"}`, vigil.FactPatient, "Sample Person"},
		{`{"patient":{"subject.id":null}}`, vigil.FactPatient, ""},
		{`{"patient":{"subject.id":7}}`, vigil.FactPatient, "Patient/7"},
		{`{"patient":{"id":"Patient/7"}}`, vigil.FactPatient, "Patient/7"},
		{`{"subject":"urn:uuid:1"}`, vigil.FactEntity, "urn:uuid:1"},
		{`{"subject":"a\u0062c"}`, vigil.FactEntity, "abc"},
		{`{"subject":"first","subject":"last"}`, vigil.FactEntity, "last"},
		{`{"subject":"` + strings.Repeat("x", 4096) + `"}`, vigil.FactEntity, strings.Repeat("x", 4096)},
		{`{"subject":"` + strings.Repeat("x", 4097) + `"}`, vigil.FactEntity, ""},
	} {
		f := format.New(nil).Facts(vigil.FormatLogserver, []byte(c.doc))
		if got := strings.Join(f.Values[c.fact], " | "); got != c.want {
			t.Errorf("%s: %v is %q, want %q", c.doc, c.fact, got, c.want)
		}
	}
}

// TestWhere has places that count only where their element says something.
func TestWhere(t *testing.T) {
	const r5 = "http://hl7.org/fhir/5.0/StructureDefinition/extension-AuditEvent."
	for _, c := range []struct {
		format vigil.Format
		doc    string
		fact   vigil.Fact
		want   string
	}{
		{vigil.FormatFHIRR4, `{"agent":[{"type":{"coding":[{"code":"x"},{"code":"110150"}]},"who":{"reference":"Device/1","identifier":{"value":"app"}}},{"who":{"identifier":{"value":"other"}}}]}`, vigil.FactClient, "Device/1 | app"},
		{vigil.FormatFHIRR5, `{"code":{},"agent":[{"type":{"coding":[{"code":"110153"}]},"who":{"identifier":{"value":"app"}}}]}`, vigil.FactClient, ""},
		{vigil.FormatFHIRR4, `{"agent":{"type":{"coding":{"code":110150}},"who":{"identifier":{"value":"app"}}}}`, vigil.FactClient, "app"},
		{vigil.FormatFHIRR4, `{"agent":[{"type":{"coding":[{"code":"110150"}],"coding":[]},"who":{"identifier":{"value":"app"}}}]}`, vigil.FactClient, ""}, // the last of two counts
		{vigil.FormatFHIRR4, `{"extension":[{"url":"x","valueCode":"debug"},{"url":"` + r5 + `severity","valueCode":"notice"}]}`, vigil.FactSeverity, "info"},
		{vigil.FormatFHIRR4, `{"extension":[{"valueReference":{"reference":"Patient/1"},"url":"` + r5 + `patient"}],"entity":[{"what":{"reference":"Patient/2"}}]}`, vigil.FactPatient, "Patient/1 | Patient/2"},
		{vigil.FormatFHIRR4, `{"entity":[{"type":{"code":"XrequestId"},"what":{"identifier":{"value":"r-1"}}},{"what":{"identifier":{"value":"r-2"}}}]}`, vigil.FactCorrelation, "r-1"},
		{vigil.FormatFHIRR4, `{"entity":[{"detail":[{"type":"vigil:type","valueString":"own"},{"type":"type","valueString":"no"}]}],"type":{"code":"rest"}}`, vigil.FactType, "own | rest"},
		{vigil.FormatFHIRR5, `{"code":{},"entity":[{"detail":[{"type":{"text":"vigil:ip"},"valueString":"192.0.2.1, 192.0.2.2"}]}]}`, vigil.FactIP, "192.0.2.1 | 192.0.2.2"},
		{vigil.FormatFHIRR4, `{"agent":[{"extension":[{"url":"https://profiles.ihe.net/ITI/BALP/StructureDefinition/ihe-otherId","valueIdentifier":{"value":"npi"}}]}]}`, vigil.FactAgent, "npi"},
		// The version is that of the shape, whatever the document was sent as.
		{vigil.FormatFHIRR4, `{"source":{"identifier":{"value":"r3"}},"type":{},"agent":[{"userId":{"value":"u"},"reference":{"reference":"Practitioner/1"}}]}`, vigil.FactAgent, "Practitioner/1 | u"},
		{vigil.FormatFHIRR4, `{"category":[{"coding":[{"code":"rest"}]}]}`, vigil.FactType, "rest"},
		{vigil.FormatFHIRR5, `{"type":{"code":"rest"}}`, vigil.FactType, "rest"},
	} {
		f := format.New(nil).Facts(c.format, []byte(c.doc))
		if got := strings.Join(f.Values[c.fact], " | "); got != c.want {
			t.Errorf("%s: %v is %q, want %q", c.doc, c.fact, got, c.want)
		}
	}
}

// TestManyValues expects that a document with very many values is read in a time
// that grows with its length.
func TestManyValues(t *testing.T) {
	var b strings.Builder
	b.WriteString(`{"subject":[`)
	const n = 100_000
	for i := range 2 * n {
		fmt.Fprintf(&b, `"Patient/%d",`, i%n)
	}
	b.WriteString(`null]}`)
	f := format.New(nil).Facts(vigil.FormatLogserver, []byte(b.String()))
	if got := len(f.Values[vigil.FactPatient]); got != n {
		t.Errorf("%d patients, want %d", got, n)
	}
}

// TestKeepsNothing changes the document after its facts were read.
func TestKeepsNothing(t *testing.T) {
	doc := []byte(`{"subject":"Patient/1","severity":"odd","tags":["a","b"],"source":{"observer":"c"}}`)
	f := format.New(nil).Facts(vigil.FormatLogserver, doc)
	before := print(f)
	for i := range doc {
		doc[i] = 'x'
	}
	if after := print(f); after != before {
		t.Errorf("facts became %s", after)
	}
}

func TestOtherFormats(t *testing.T) {
	m := format.New(nil)
	for _, f := range []vigil.Format{vigil.FormatDICOM, vigil.FormatSyslog, "odd"} {
		if got := print(m.Facts(f, []byte(`{"subject":"Patient/1"}`))); got != "" {
			t.Errorf("%s: %s", f, got)
		}
	}
}

// FuzzFacts expects that no bytes break the mapping, and that what PostgreSQL
// would make of a document has the same facts.
func FuzzFacts(f *testing.F) {
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil {
		f.Fatal(err)
	}
	formats := []vigil.Format{
		vigil.FormatLogserver, vigil.FormatFHIRR4, vigil.FormatFHIRR5, vigil.FormatAidbox, vigil.FormatExchange, vigil.FormatSystem,
	}
	for _, file := range files {
		a, err := txtar.ParseFile(file)
		if err != nil {
			f.Fatal(err)
		}
		for i := range formats {
			f.Add(uint8(i), a.Files[0].Data)
		}
	}
	m := format.New(nil)
	f.Fuzz(func(t *testing.T, i uint8, doc []byte) {
		format := formats[int(i)%len(formats)]
		got := print(m.Facts(format, doc))
		logserver.ViewRow(doc, time.UTC)
		logserver.Missing(doc)
		if jsonb.Check(doc, jsonb.Limits{}) != nil {
			return
		}
		if again := print(m.Facts(format, jsonb.AppendCanonical(nil, doc))); again != got {
			t.Errorf("facts\n%s\nof the canonical text\n%s", got, again)
		}
	})
}

func BenchmarkFacts(b *testing.B) {
	for _, name := range []string{"v0", "v3", "r4"} {
		a, err := txtar.ParseFile("testdata/" + name + ".txtar")
		if err != nil {
			b.Fatal(err)
		}
		f, doc := vigil.Format(strings.TrimSuffix(a.Files[0].Name, ".json")), a.Files[0].Data
		m := format.New(nil)
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(doc)))
			b.ReportAllocs()
			for b.Loop() {
				m.Facts(f, doc)
			}
		})
		b.Run(name+" time", func(b *testing.B) {
			for b.Loop() {
				m.(vigil.TimeMapping).Occurred(f, doc)
			}
		})
	}
}
