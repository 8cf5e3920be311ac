package search_test

import (
	"bytes"
	"net/url"
	"os"
	"strings"
	"testing"

	"vigil/internal/fhirapi/search"
	"vigil/internal/format/fhir"
)

// resources reads the AuditEvents of a file, one on each line.
func resources(t *testing.T, file string) []*fhir.Node {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var out []*fhir.Node
	for line := range bytes.Lines(b) {
		n, err := fhir.ParseJSON(line, fhir.Limits{})
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, n)
	}
	return out
}

// matched returns the ids of the resources that a query finds, without spaces.
func matched(t *testing.T, v fhir.Version, query string, nodes []*fhir.Node) string {
	t.Helper()
	values, err := url.ParseQuery(query)
	if err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	s, err := search.Parse(values, options(v))
	if err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	if len(s.Ignored) > 0 {
		t.Fatalf("%s: ignored %v", query, s.Ignored)
	}
	out := ""
	for _, n := range nodes {
		if s.Match(n) {
			out += n.Child("id").Text()
		}
	}
	return out
}

func TestMatchR4(t *testing.T) {
	nodes := resources(t, "testdata/r4.ndjson")
	for _, c := range [][2]string{
		// Tokens.
		{"type=rest", "ab"},
		{"type=http://terminology.hl7.org/CodeSystem/audit-event-type|rest", "a"},
		{"type=|rest", "b"},
		{"type=http://terminology.hl7.org/CodeSystem/audit-event-type|", "a"},
		{"type=Rest", ""},
		{"type=rest,110114", "abc"},
		{`type=x\,y`, "d"},
		{"type:not=rest", "cd"},
		{"type:not=rest,110114", "d"},
		{"type:text=rest", "a"},
		{"type:text=operation", ""},
		{"subtype=read", "a"},
		{"subtype=local", "a"},
		{"subtype=|local", "a"},
		{"subtype=http://hl7.org/fhir/restful-interaction|local", ""},
		{"subtype:not=read", "bcd"},
		{"subtype:missing=true", "bcd"},
		{"subtype:missing=false", "a"},
		{"action=R", "a"},
		{"action=http://hl7.org/fhir/audit-event-action|R", "a"},
		{"action=|R", ""},
		{"action=urn:other|R", ""},
		{"outcome=8,12", "bc"},
		{"outcome=http://terminology.hl7.org/CodeSystem/audit-event-outcome|0", "a"},
		{"outcome:missing=true", "d"},
		{`altid=DOM\ann`, "a"},
		{`altid=DOM\\ann`, "a"},
		{"altid=|DOM\\ann", "a"},
		{"altid=urn:x|DOM\\ann", ""},
		{`site=Main\, west`, "a"},
		{"site=East", "c"},
		{"agent-role=nurse", "a"},
		{"agent-role=urn:r|nurse", "a"},
		{"agent-role:text=nur", "a"},
		{"agent-role:text=registered", "a"},
		{"entity-type=2", "b"},
		{"entity-role=1", "ac"},
		{"_id=a,c", "ac"},
		{"_tag=urn:t|x", "a"},
		{"_tag:not=x", "bcd"},
		{"_security=R", "a"},
		// Dates: instants are points.
		{"date=2026-03-01", "abc"},
		{"date=eq2026-03-01T10:00:00Z", "a"},
		{"date=2026-03-01T10:00Z", "a"},
		{"date=2026-03-01T10:00:00.0Z", "a"},
		{"date=2026-03-01T11:00:00+01:00", "a"},
		{"date=2026-03-01T11:00:00 01:00", "a"},
		{"date=2026-03", "abc"},
		{"date=2026", "abcd"},
		{"date=ne2026-03-01", "d"},
		{"date=gt2026-03-01", ""},
		{"date=gt2026-02", "abc"},
		{"date=ge2026-03-01", "abc"},
		{"date=ge2026-03-01T10:00:00Z", "abc"},
		{"date=gt2026-03-01T10:00:00Z", "bc"},
		{"date=lt2026-03-01", "d"},
		{"date=le2026-03-01T10:00:00Z", "ad"},
		{"date=lt2026-03-01T10:00:00Z", "d"},
		{"date=sa2026-03-01T10:00:00Z", "bc"},
		{"date=eb2026-03-01T10:00:00Z", "d"},
		{"date=ap2026-03-01", "abc"},
		{"date=ge2026-03-01T12:00:00Z&date=lt2026-03-01T23:00:00Z", "c"},
		{"date=2025,2026-03-01T10:00:00Z", "a"},
		{"date:missing=false", "abcd"},
		{"_lastUpdated=2026-03-01T10:00:00Z", "a"},
		{"_lastUpdated=gt2026-03-01T10", "ERROR"},
		{"_lastUpdated:missing=true", "cd"},
		// Strings.
		{"agent-name=ann", "a"},
		{"agent-name=tester", ""},
		{"agent-name:contains=TEST", "a"},
		{"agent-name:exact=Ánn Tester", "a"},
		{"agent-name:exact=ann tester", ""},
		{"agent-name=ann,bob", "ab"},
		{"address=10.0.0.1", "ab"},
		{"address:exact=10.0.0.1", "a"},
		{"address=10.", "ab"},
		{"address:contains=.12", "b"},
		{"address=10_0", ""},
		{"address=10*", ""},
		{"entity-name=chart", "a"},
		{"entity-name:missing=true", "bcd"},
		// URIs.
		{"policy=http://example.org/policy", "b"},
		{"policy:below=http://example.org/policy", "ab"},
		{"policy:above=http://example.org/policy/a", "ab"},
		{"_profile=http://example.org/p", "a"},
		{"_profile=http://example.org/p|2", "a"},
		{`_profile=http://example.org/p\|2`, "a"},
		{"_profile=http://example.org/p|1", ""},
		{"_source=urn:src:1", "a"},
		{"_source=urn:src:1%23frag", "a"},
		{"_source=urn:src", ""},
		// References.
		{"patient=Patient/1", "ab"},
		{"patient=1", "ab"},
		{"patient=2", "c"},
		{"patient=https://emr.example/fhir/Patient/1", "b"},
		{"patient=https://vigil.example/fhir/Patient/1", "a"},
		{"patient=https://other.example/fhir/Patient/1", ""},
		{"patient=Practitioner/1", ""},
		{"patient:missing=true", ""},
		{"patient=urn:uuid:0198f7a0-0000-7000-8000-000000000001", "d"},
		{"patient=Patient/1,Patient/2", "abc"},
		{"patient=Patient/1&patient=Patient/2", ""},
		{"agent=Practitioner/1", "ab"},
		{"agent=1", "ab"},
		{"agent:Practitioner=1", "ab"},
		{"agent:Patient=1", ""},
		{"agent:Practitioner=Practitioner/1", "ab"},
		{"agent=Practitioner/1/_history/3", "b"},
		{"agent=Practitioner/1/_history/4", ""},
		{"agent=Patient/2", "c"},
		{"agent:not=Practitioner/1", "cd"},
		{"entity=Observation/1", "d"},
		{"entity=Observation/1/_history/2", "d"},
		{"entity=Observation/1/_history/1", ""},
		{"entity=1", "abd"},
		{"source=Device/d", "ac"},
		{"source=d", "ac"},
		{"source:missing=true", ""},
		// Identifiers in references.
		{"agent.identifier=77", "bc"},
		{"agent.identifier=urn:oid:1|77", "b"},
		{"agent.identifier=|77", "c"},
		{"agent.identifier=urn:oid:1|", "b"},
		{"agent:identifier=77", "bc"},
		{"agent:Practitioner.identifier=urn:oid:1|77", "b"},
		{`entity.identifier=MRN\|1`, "c"},
		{`entity.identifier=urn:oid:2|MRN\|1`, "c"},
		{`patient.identifier=urn:oid:2|MRN\|1`, "c"},
		{"patient.identifier=77", ""},
		{"source.identifier=src", "b"},
		{"source.identifier=|src", "b"},
		// Several.
		{"type=rest&outcome=8&patient=1", "b"},
		{"type=rest&type=|rest", "b"},
	} {
		if c[1] == "ERROR" {
			values, _ := url.ParseQuery(c[0])
			if _, err := search.Parse(values, options(fhir.R4)); err == nil {
				t.Errorf("%s: no error", c[0])
			}
			continue
		}
		if got := matched(t, fhir.R4, strings.ReplaceAll(c[0], "+", "%2B"), nodes); got != c[1] {
			t.Errorf("%s: got %q, want %q", c[0], got, c[1])
		}
	}
}

func TestMatchR5(t *testing.T) {
	nodes := resources(t, "testdata/r5.ndjson")
	for _, c := range [][2]string{
		{"category=two", "a"},
		{"category=urn:c|one", "a"},
		{"category=urn:c|two", ""},
		{"category:text=fir", "a"},
		{"code=read", "a"},
		{"code:text=oth", "b"},
		{"code:missing=true", ""},
		{"outcome=success", "a"},
		{"outcome=|error", "b"},
		{"outcome=urn:o|success", "a"},
		{"action=http://hl7.org/fhir/audit-event-action|R", "a"},
		{"purpose=TREAT", "a"},
		{"purpose=HOPERAT", "a"},
		{"policy=urn:p", "a"},
		{"agent-role=nurse", "a"},
		{"entity-role=4", "a"},
		{"patient=Patient/1", "a"},
		{"patient=Patient/2", "b"}, // an entity
		{"patient.identifier=77", "b"},
		{"encounter=e", "a"},
		{"encounter=Encounter/e", "a"},
		{"based-on=ServiceRequest/s", "a"},
		{"source=Device/d", "a"},
		{"agent=Practitioner/1", "a"},
		{"entity=Observation/1", "a"},
		{"date=gt2026-03-01", "b"},
		{"_language=de", "a"},
	} {
		if got := matched(t, fhir.R5, c[0], nodes); got != c[1] {
			t.Errorf("%s: got %q, want %q", c[0], got, c[1])
		}
	}
}
