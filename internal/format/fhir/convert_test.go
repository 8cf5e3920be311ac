package fhir

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

// TestConvertLosesNothing takes every example to the other version and back; the
// one in the middle must be valid.
func TestConvertLosesNothing(t *testing.T) {
	for _, path := range examples(t, "examples/auditevent-r[45]*/*.json") {
		if strings.Contains(path, "broken") && !strings.Contains(path, "00-good") {
			continue
		}
		from, to := version(path), R5
		if from == R5 {
			to = R4
		}
		n := parse(t, read(t, path), from)
		before := AppendJSON(nil, n)
		other, err := Convert(n, from, to)
		if err != nil {
			t.Errorf("%s: %v", path, err)
			continue
		}
		if string(before) != string(AppendJSON(nil, n)) {
			t.Errorf("%s: Convert changed its argument", path)
		}
		back, err := Convert(other, to, from)
		if err != nil {
			t.Errorf("%s: %v", path, err)
			continue
		}
		if !Equal(n, back) {
			t.Errorf("%s: changed: %s\nas %v: %s", path, differ(string(before), string(AppendJSON(nil, back))), to, AppendJSON(nil, other))
		}
		for _, i := range Validate(other, Options{Version: to, Profiles: Refuse}) {
			if i.Severity >= Error {
				t.Errorf("%s as %v: %v", filepath.Base(path), to, i)
			}
		}
	}
}

// TestReadR3 takes R3 in the shape that Firely Server writes to both versions.
func TestReadR3(t *testing.T) {
	paths := []string{"testdata/r3.json"}
	if path := "../../../../shared/data/firely/R3_read.json"; present(path) {
		paths = append(paths, path)
	}
	for _, path := range paths {
		n := parse(t, read(t, path), R4)
		if v := Guess(n); v != R3 {
			t.Errorf("%s: taken for %v", path, v)
		}
		for _, to := range []Version{R4, R5} {
			out, err := Convert(n, R3, to)
			if err != nil {
				t.Fatal(err)
			}
			if v := Guess(out); v != to {
				t.Errorf("%s: taken for %v after conversion to %v", path, v, to)
			}
			for _, i := range Validate(out, Options{Version: to}) {
				if i.Severity >= Error {
					t.Errorf("%s as %v: %v", path, to, i)
				}
			}
		}
	}
	out, _ := Convert(parse(t, read(t, "testdata/r3.json"), R4), R3, R4)
	want := tree(t, read(t, "testdata/r3-as-r4.json"))
	if got := AppendJSON(nil, out); !reflect.DeepEqual(tree(t, got), want) {
		t.Errorf("R3 became %s", got)
	}
}

func present(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// TestConvertToR5 shows what R4 becomes, element by element.
func TestConvertToR5(t *testing.T) {
	for in, want := range map[string]string{
		// A code that R5 requires is made of the type, and taken out again.
		`"type":{"code":"110114"}`: `"category":[{"coding":[{"code":"110114"}]}],"code":{"coding":[{"code":"110114"}]}`,
		// Every subtype is kept, where HL7's converter keeps the first.
		`"type":{"code":"rest"},"subtype":[{"code":"GET"},{"code":"read"}]`: `"category":[{"coding":[{"code":"rest"}]}],"code":{"coding":[{"code":"GET"},{"code":"read"}]}`,
		`"outcome":"4","outcomeDesc":"late"`:                                `"outcome":{"code":{"system":"http://terminology.hl7.org/CodeSystem/audit-event-outcome","code":"4","display":"Minor failure"},"detail":[{"text":"late"}]}`,
		`"agent":[{"altId":"7","name":"N","requestor":true}]`: `"agent":[{"extension":[` +
			`{"url":"http://hl7.org/fhir/4.0/StructureDefinition/extension-AuditEvent.agent.who","extension":[{"url":"http://hl7.org/fhir/StructureDefinition/data-absent-reason","valueCode":"not-applicable"}]},` +
			`{"url":"http://hl7.org/fhir/4.0/StructureDefinition/extension-AuditEvent.agent.altId","valueString":"7"},` +
			`{"url":"http://hl7.org/fhir/4.0/StructureDefinition/extension-AuditEvent.agent.name","valueString":"N"}],` +
			`"who":{"identifier":{"value":"7"},"display":"N"},"requestor":true}]`,
		`"agent":[{"who":{"display":"a"},"requestor":false,"network":{"address":"192.0.2.7","type":"2"}}]`: `"agent":[{"extension":[` +
			`{"url":"http://hl7.org/fhir/4.0/StructureDefinition/extension-AuditEvent.agent.network.type","valueCode":"2"}],` +
			`"who":{"display":"a"},"requestor":false,"networkString":"192.0.2.7"}]`,
		`"entity":[{"type":{"code":"2"},"role":{"code":"4"},"name":"f"}]`: `"entity":[{"extension":[` +
			`{"url":"http://hl7.org/fhir/4.0/StructureDefinition/extension-AuditEvent.entity.type","valueCoding":{"code":"2"}},` +
			`{"url":"http://hl7.org/fhir/4.0/StructureDefinition/extension-AuditEvent.entity.name","valueString":"f"}],` +
			`"role":{"coding":[{"code":"4"}]}}]`,
		`"source":{"site":"ward","observer":{"display":"o"}}`:                                                                   `"source":{"site":{"display":"ward"},"observer":{"display":"o"}}`,
		`"extension":[{"url":"http://hl7.org/fhir/5.0/StructureDefinition/extension-AuditEvent.severity","valueCode":"error"}]`: `"severity":"error"`,
		`"meta":{"profile":["https://profiles.ihe.net/ITI/BALP/StructureDefinition/IHE.BasicAudit.Read"]}`: `"extension":[` +
			`{"url":"http://hl7.org/fhir/4.0/StructureDefinition/extension-AuditEvent.meta","valueMeta":{"profile":["https://profiles.ihe.net/ITI/BALP/StructureDefinition/IHE.BasicAudit.Read"]}}]`,
	} {
		head := ""
		if !strings.HasPrefix(in, `"type"`) {
			head = `"type":{"code":"rest"},"subtype":[{"code":"read"}],`
		}
		out, err := Convert(parse(t, []byte(`{"resourceType":"AuditEvent",`+head+in+`}`), R4), R4, R5)
		if err != nil {
			t.Fatal(err)
		}
		if head != "" {
			out.Remove("category")
			out.Remove("code")
		}
		if got := string(AppendJSON(nil, out)); got != `{"resourceType":"AuditEvent",`+want+`}` {
			t.Errorf("%s\nbecame %s\nnot    %s", in, got, want)
		}
	}
}

func TestConvertRefuses(t *testing.T) {
	if _, err := Convert(parse(t, []byte(`{"resourceType":"Patient"}`), R4), R4, R5); err == nil {
		t.Error("a Patient was converted")
	}
	if _, err := Convert(parse(t, []byte(`{"resourceType":"AuditEvent"}`), R4), R4, R3); err == nil {
		t.Error("R3 was written")
	}
}
