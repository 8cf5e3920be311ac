package format_test

import (
	"bytes"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/txtar"

	"vigil"
	"vigil/internal/firely"
	"vigil/internal/format/aidbox"
	"vigil/internal/format/convert"
	"vigil/internal/format/fhir"
	"vigil/internal/format/oracle"
	"vigil/internal/format/template"
	"vigil/internal/jsonb"
)

// vocabularies returns an event in the vocabularies that there are conversions to.
// Each is read again and says the same: the texts, and the facts of the way back.
func vocabularies(t *testing.T, m vigil.Mapping, f vigil.Format, doc []byte) []txtar.File {
	t.Helper()
	c := convert.New(convert.Config{})
	e := &vigil.Event{
		Format: f, Doc: doc, UID: vigil.NewUID(time.UnixMilli(1770091506789), [10]byte{1, 2, 3}),
		Received: time.Date(2026, 2, 3, 4, 5, 6, 789012000, time.UTC), Sender: &vigil.Sender{Client: "sample-client", Authenticated: true},
	}
	var out []txtar.File
	for _, v := range []fhir.Version{fhir.R4, fhir.R5} {
		n, err := c.AuditEvent(e, v)
		if err != nil {
			t.Fatal(err)
		}
		text, name, back := fhir.AppendJSON(nil, n), "fhir-r4", vigil.FormatFHIRR4
		if v == fhir.R5 {
			name, back = "fhir-r5", vigil.FormatFHIRR5
		}
		xml := fhir.AppendXML(nil, n, v)
		for _, text := range [][]byte{text, xml} {
			if again, err := fhir.Parse(text, v, fhir.Limits{}); err != nil || !fhir.Equal(n, again) {
				t.Errorf("%s comes back otherwise: %v", text, err)
			}
		}
		out = append(out, txtar.File{Name: name + ".json", Data: lines(text)})
		if v == fhir.R5 {
			continue
		}
		out = append(out, txtar.File{Name: name + ".xml", Data: append(xml, '\n')})
		posted, err := c.Logserver(n, v)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, txtar.File{Name: "logserver-schema.json", Data: lines(posted)})
		// The way there and back again ends at the same facts as one way.
		e := &vigil.Event{Format: vigil.FormatLogserver, Doc: posted, UID: e.UID, Received: e.Received}
		n, err = c.AuditEvent(e, v)
		if err != nil {
			t.Fatal(err)
		}
		want, got := m.Facts(back, text), m.Facts(back, fhir.AppendJSON(nil, n))
		for _, p := range vigil.Properties()[1:] {
			for _, val := range want.Values[p.Fact] {
				if !slices.Contains(got.Values[p.Fact], val) {
					t.Errorf("by way of logserver's schema %s lacks %q: %q", p.Name, val, got.Values[p.Fact])
				}
			}
		}
		if !want.Occurred.Equal(got.Occurred) {
			t.Errorf("by way of logserver's schema it occurred %v, want %v", got.Occurred, want.Occurred)
		}
	}
	return append(out, logs(t, m, e)...)
}

// logs returns the lines that log formats have for an event. Those of Aidbox are a
// vocabulary that is read, too.
func logs(t *testing.T, m vigil.Mapping, e *vigil.Event) []txtar.File {
	t.Helper()
	layout, err := template.Parse(firely.DefaultTemplate)
	if err != nil {
		t.Fatal(err)
	}
	lines := aidbox.Lines(aidbox.Options{Tenant: "sample", Mapping: m})(nil, e)
	want := m.Facts(e.Format, e.Doc)
	for line := range bytes.Lines(lines) {
		got := m.Facts(vigil.FormatAidbox, line)
		if !aidbox.IsLine(line) || !want.Occurred.IsZero() && got.Occurred.Sub(want.Occurred).Abs() > time.Second {
			t.Errorf("%s: occurred %v, want %v", line, got.Occurred, want.Occurred)
		}
	}
	out := []txtar.File{{Name: "aidbox", Data: lines}}
	for name, line := range map[string]func([]byte, *vigil.Event) []byte{
		"firely": (&firely.Settings{File: firely.All, UserNames: true, Properties: []template.Property{{Name: "Application", Value: template.Text("sample")}}}).Liner(time.UTC).Lines(layout),
		"oracle": (&oracle.Options{}).Lines(),
	} {
		if text := line(nil, e); len(text) > 0 {
			out = append(out, txtar.File{Name: name, Data: text})
		}
	}
	slices.SortFunc(out, func(a, b txtar.File) int { return strings.Compare(a.Name, b.Name) })
	return out
}

// lines writes each member of an object on a line of its own.
func lines(object []byte) []byte {
	out := []byte("{")
	for key, val := range jsonb.Members(object) {
		if len(out) > 1 {
			out = append(out, ',')
		}
		out = append(jsonb.AppendString(append(out, "\n "...), key), ": "...)
		out = append(out, val...)
	}
	return append(out, "\n}\n"...)
}
