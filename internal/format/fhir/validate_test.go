package fhir

import (
	"encoding/json"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// TestValidExamples: whatever the guides publish, HAPI's interceptor sends and
// HL7's converter makes has no error, profiles included.
func TestValidExamples(t *testing.T) {
	for _, pattern := range []string{"examples/auditevent-r[45]*/*.json", "examples/auditevent-r4-xml/*.xml"} {
		for _, path := range examples(t, pattern) {
			if strings.Contains(path, "broken") && !strings.Contains(path, "00-good") {
				continue
			}
			v := version(path)
			for _, i := range Validate(parse(t, read(t, path), v), Options{Version: v, Profiles: Refuse}) {
				if i.Severity >= Error {
					t.Errorf("%s: %v", filepath.Base(path), i)
				}
			}
		}
	}
}

// TestBrokenExamples: each fails for its own reason and no other. Those that
// break only the profile are errors under Refuse and warnings under Warn.
func TestBrokenExamples(t *testing.T) {
	want := map[string]struct{ base, profile string }{
		"01-no-recorded":              {base: "AuditEvent.recorded required"},
		"05-action-wrong-for-profile": {profile: "AuditEvent.action value"},
		"07-no-source-observer":       {base: "AuditEvent.source.observer required"},
		"08-client-agent-missing":     {profile: "AuditEvent.agent required"},
		"09-bad-date":                 {base: "AuditEvent.recorded value"},
		"10-recorded-no-tz":           {base: "AuditEvent.recorded value"},
		"16-empty-string":             {base: "AuditEvent.outcomeDesc value"},
		"17-outcome-99":               {base: "AuditEvent.outcome code-invalid", profile: "AuditEvent.outcome value"},
		"18-requestor-string":         {base: "AuditEvent.agent[0].requestor structure"},
		"21-patient-entity-missing":   {profile: "AuditEvent.entity required"},
		"22-network-type-9":           {base: "AuditEvent.agent[0].network.type code-invalid"},
		"23-r5-shape":                 {base: "AuditEvent.code structure, AuditEvent.type required"},
		"24-bad-id":                   {base: "AuditEvent.id value"},
		"25-bad-reference-uri":        {base: "AuditEvent.entity[0].what.reference structure"},
	}
	for _, path := range packOnly(t, "examples/auditevent-r4-broken/*.json") {
		name := strings.TrimSuffix(filepath.Base(path), ".json")
		w, known := want[name]
		if !known && name != "00-good" {
			t.Errorf("%s: new, and not expected here", name)
		}
		var base, profile []string
		issues := Validate(parse(t, read(t, path), R4), Options{Profiles: Refuse})
		for _, i := range issues {
			if i.Profile != "" {
				profile = append(profile, i.Location+" "+i.Code)
			} else {
				base = append(base, i.Location+" "+i.Code)
			}
			if i.Severity != Error {
				t.Errorf("%s: %v", name, i)
			}
		}
		if strings.Join(base, ", ") != w.base || strings.Join(profile, ", ") != w.profile {
			t.Errorf("%s: %v", name, issues)
		}
		if got := Failed(Validate(parse(t, read(t, path), R4), Options{})); got != (w.base != "") {
			t.Errorf("%s: failed is %t where profiles only warn", name, got)
		}
	}
}

// packOnly returns the files of the data pack, none where it is absent.
func packOnly(t testing.TB, pattern string) []string {
	files := glob(t, shared+pattern)
	if len(files) == 0 {
		t.Logf("%s: not here", shared)
	}
	return files
}

// edit is a change of balp-read.json: the value at a path of names and indexes
// is set to JSON, or removed for "".
type edit struct{ path, value string }

// wants are issues as "severity location code-or-rule", in their order.
var edits = []struct {
	name  string
	edits []edit
	wants []string
}{
	{"nothing", nil, nil},
	// Structure.
	{"unknown member", []edit{{"foo", `1`}}, []string{"error AuditEvent.foo structure"}},
	{"hostile member", []edit{{"a`b'\\n", `1`}}, []string{"error AuditEvent.`a?b'?n` structure"}},
	{"no array", []edit{{"subtype", `{"code":"read","system":"http://hl7.org/fhir/restful-interaction"}`}}, []string{"error AuditEvent.subtype[0] structure"}},
	{"an array", []edit{{"action", `["R"]`}}, []string{"error AuditEvent.action structure"}},
	{"empty array", []edit{{"purposeOfEvent", `[]`}}, []string{"error AuditEvent.purposeOfEvent[0] structure"}},
	{"array in array", []edit{{"purposeOfEvent", `[[{"text":"x"}]]`}}, []string{"error AuditEvent.purposeOfEvent[0] structure"}},
	{"null", []edit{{"outcomeDesc", `null`}}, []string{"error AuditEvent.outcomeDesc structure"}},
	{"null entry", []edit{{"agent.2.policy", `["urn:x",null]`}}, []string{"error AuditEvent.agent[2].policy[1] structure"}},
	{"object for a primitive", []edit{{"outcomeDesc", `{"x":1}`}}, []string{"error AuditEvent.outcomeDesc structure"}},
	{"primitive for an object", []edit{{"source.observer", `"Device/1"`}}, []string{"error AuditEvent.source.observer structure"}},
	{"string for a boolean", []edit{{"agent.0.requestor", `"false"`}}, []string{"error AuditEvent.agent[0].requestor structure"}},
	{"number for a string", []edit{{"source.site", `5`}}, []string{"error AuditEvent.source.site structure"}},
	{"native reference of Aidbox", []edit{{"source.observer", `{"resourceType":"Device","id":"d"}`}}, []string{"error AuditEvent.source.observer.resourceType structure"}},
	{"two values", []edit{{"entity.0.detail", `[{"type":"a","valueString":"b","valueBase64Binary":"AAEC"}]`}}, []string{"error AuditEvent.entity[0].detail[0].value structure"}},
	{"no value", []edit{{"entity.0.detail", `[{"type":"a"}]`}}, []string{"error AuditEvent.entity[0].detail[0].value required"}},
	{"missing in a part", []edit{{"agent.0.requestor", ``}}, []string{"error AuditEvent.agent[0].requestor required"}},
	{"sibling of nothing", []edit{{"_foo", `{"id":"x"}`}}, []string{"error AuditEvent.foo structure"}},
	{"sibling of an object", []edit{{"_source", `{"id":"x"}`}}, []string{"error AuditEvent._source structure"}},
	{"sibling with more", []edit{{"_recorded", `{"id":"x","foo":1}`}}, []string{"error AuditEvent._recorded structure"}},
	{"only a sibling", []edit{{"recorded", ``}, {"_recorded", `{"extension":[{"url":"http://hl7.org/fhir/StructureDefinition/data-absent-reason","valueCode":"unknown"}]}`}}, nil},
	// Primitives.
	{"day that is none", []edit{{"recorded", `"2021-02-30T00:00:00Z"`}}, []string{"error AuditEvent.recorded value"}},
	{"leap second", []edit{{"recorded", `"2016-12-31T23:59:60Z"`}}, nil},
	{"bad base64", []edit{{"entity.0.query", `"YWJ"`}}, []string{"error AuditEvent.entity[0].query value"}},
	{"base64 with padding inside", []edit{{"entity.0.query", `"YW==YWJj"`}}, []string{"error AuditEvent.entity[0].query value"}},
	{"base64 in lines", []edit{{"entity.0.query", `"YWJj\nYWI="`}}, nil},
	{"white space in a URI", []edit{{"agent.2.policy.0", `"urn a"`}}, []string{"error AuditEvent.agent[2].policy[0] value"}},
	{"white space in a code", []edit{{"type.code", `"rest "`}}, []string{"error AuditEvent.type.code value", "error AuditEvent.type value"}},
	{"code not of the set", []edit{{"source.observer.identifier", `{"use":"mine","value":"1"}`}}, []string{"error AuditEvent.source.observer.identifier.use code-invalid"}},
	{"blank string", []edit{{"source.site", `"  "`}}, []string{"warning AuditEvent.source.site value"}},
	{"control character", []edit{{"source.site", `"a\u0007"`}}, []string{"warning AuditEvent.source.site value"}},
	{"large number", []edit{{"extension", `[{"url":"http://example.org","valueInteger":3000000000}]`}}, []string{"error AuditEvent.extension[0].value value"}},
	// References and extensions.
	{"reference to another type", []edit{{"source.observer.reference", `"Encounter/1"`}}, []string{"warning AuditEvent.source.observer structure"}},
	{"reference that is none", []edit{{"source.observer.reference", `"not one"`}}, []string{"warning AuditEvent.source.observer.reference value"}},
	{"relative URL", []edit{{"extension", `[{"url":"foo","valueString":"x"}]`}}, []string{"error AuditEvent.extension[0].url value"}},
	{"plain name in an extension", []edit{{"extension", `[{"url":"http://example.org","extension":[{"url":"foo","valueString":"x"}]}]`}}, nil},
	// Invariants.
	{"empty object", []edit{{"source.type.0", `{}`}}, []string{"error AuditEvent.source.type[0] ele-1"}},
	{"object with an id", []edit{{"source.type.0", `{"id":"x"}`}}, []string{"error AuditEvent.source.type[0] ele-1"}},
	{"primitive with an id", []edit{{"agent.2.policy", `[null]`}, {"agent.2._policy", `[{"id":"x"}]`}}, []string{"error AuditEvent.agent[2].policy[0] ele-1"}},
	{"attachment", []edit{{"extension", `[{"url":"http://example.org","valueAttachment":{"data":"AAEC"}}]`}}, []string{"error AuditEvent.extension[0].value att-1"}},
	{"contained twice", []edit{{"contained", `[{"resourceType":"Bundle","id":"p","type":"batch"},{"resourceType":"Patient","id":"q","contained":[{"resourceType":"Patient","id":"r"}]}]`}, {"entity.1.what.reference", `"#p"`}, {"entity.0.what.reference", `"#q"`}}, []string{"error AuditEvent dom-2"}},
	{"contained for nobody", []edit{{"contained", `[{"resourceType":"Patient","id":"p"}]`}}, []string{"error AuditEvent dom-3"}},
	{"contained that refers back", []edit{{"contained", `[{"resourceType":"Provenance","id":"p","target":[{"reference":"#"}],"recorded":"2026-01-02T03:04:05Z","agent":[{"who":{"display":"x"}}]}]`}}, nil},
	{"contained of a version", []edit{{"contained", `[{"resourceType":"Patient","id":"p","meta":{"versionId":"1"}}]`}, {"entity.1.what.reference", `"#p"`}}, []string{"error AuditEvent dom-4"}},
	{"contained with label", []edit{{"contained", `[{"resourceType":"Patient","id":"p","meta":{"security":[{"code":"R"}]}}]`}, {"entity.1.what.reference", `"#p"`}}, []string{"error AuditEvent dom-5"}},
	{"contained without type", []edit{{"contained", `[{"id":"p"}]`}, {"entity.1.what.reference", `"#p"`}}, []string{"error AuditEvent.contained[0].resourceType structure"}},
	{"contained that is broken", []edit{{"contained", `[{"resourceType":"OperationOutcome","id":"p","issue":[{"severity":"bad","code":"invalid"}]}]`}, {"entity.1.what.reference", `"#p"`}}, []string{"error AuditEvent.contained[0].issue[0].severity code-invalid"}},
	{"extension with nothing", []edit{{"extension", `[{"url":"http://example.org"}]`}}, []string{"error AuditEvent.extension[0] ext-1"}},
	{"extension with both", []edit{{"extension", `[{"url":"http://example.org","valueCode":"a","extension":[{"url":"b","valueCode":"c"}]}]`}}, []string{"error AuditEvent.extension[0] ext-1"}},
	{"period", []edit{{"period", `{"start":"2026-02","end":"2026-01-31T23:59:59Z"}`}}, []string{"error AuditEvent.period per-1"}},
	{"period within a month", []edit{{"period", `{"start":"2026-02-03T00:00:00Z","end":"2026-02"}`}}, nil},
	{"quantity", []edit{{"extension", `[{"url":"http://example.org","valueQuantity":{"code":"mg"}}]`}}, []string{"error AuditEvent.extension[0].value qty-3"}},
	{"comparator", []edit{{"extension", `[{"url":"http://example.org","valueQuantity":{"comparator":"~"}}]`}}, []string{"error AuditEvent.extension[0].value.comparator code-invalid"}},
	{"range", []edit{{"extension", `[{"url":"http://example.org","valueRange":{"low":{"value":1e1},"high":{"value":9}}}]`}}, []string{"error AuditEvent.extension[0].value rng-2"}},
	{"ratio", []edit{{"extension", `[{"url":"http://example.org","valueRatio":{"numerator":{"value":1}}}]`}}, []string{"error AuditEvent.extension[0].value rat-1"}},
	{"reference to nothing contained", []edit{{"entity.1.what.reference", `"#p"`}}, []string{"error AuditEvent.entity[1].what ref-1"}},
	{"name and query", []edit{{"entity.0.name", `"a"`}, {"entity.0.query", `"AAEC"`}}, []string{"error AuditEvent.entity[0] sev-1"}},
	{"narrative without status", []edit{{"text", `{"div":"<div xmlns=\"http://www.w3.org/1999/xhtml\">a</div>"}`}}, []string{"error AuditEvent.text.status required"}},
	{"script", []edit{{"text", narrative(`<script>alert(1)</script>`)}}, []string{"error AuditEvent.text.div txt-1"}},
	{"event handler", []edit{{"text", narrative(`<b onclick='x()'>a</b>`)}}, []string{"error AuditEvent.text.div txt-1"}},
	{"script as link", []edit{{"text", narrative(`<a href=' JavaScript:x()'>a</a>`)}}, []string{"error AuditEvent.text.div txt-1"}},
	{"frame", []edit{{"text", narrative(`<iframe src='https://example.org'/>`)}}, []string{"error AuditEvent.text.div txt-1", "error AuditEvent.text.div txt-2"}},
	{"entity of HTML", []edit{{"text", narrative(`a&nbsp;b`)}}, []string{"error AuditEvent.text.div txt-1"}},
	{"unclosed", []edit{{"text", narrative(`<p>a`)}}, []string{"error AuditEvent.text.div txt-1"}},
	{"text after the narrative", []edit{{"text", `{"status":"generated","div":"<div xmlns=\"http://www.w3.org/1999/xhtml\">a</div>b"}`}}, []string{"error AuditEvent.text.div txt-1"}},
	{"other namespace", []edit{{"text", `{"status":"generated","div":"<div>a</div>"}`}}, []string{"error AuditEvent.text.div txt-1"}},
	{"empty narrative", []edit{{"text", narrative(` <p> </p> `)}}, []string{"error AuditEvent.text.div txt-2"}},
	// Profiles.
	{"slice missing", []edit{{"agent.1.type.coding.0.code", `"110150"`}}, []string{"error AuditEvent.agent required"}},
	{"slice twice", []edit{{"entity.2.type", `{"system":"http://terminology.hl7.org/CodeSystem/audit-entity-type","code":"1"}`}}, []string{"error AuditEvent.entity[2].role required", "error AuditEvent.entity structure"}},
	{"not allowed", []edit{{"agent.2.network", `{"address":"192.0.2.1"}`}}, []string{"error AuditEvent.agent[2].network structure"}},
	{"not there", []edit{{"agent.0.network", ``}}, []string{"error AuditEvent.agent[0].network required"}},
	{"deep in a slice", []edit{{"entity.2.what.identifier", `{"system":"urn:x"}`}}, []string{"error AuditEvent.entity[2].what.identifier.value required"}},
	{"fixed value", []edit{{"agent.2.requestor", `false`}}, []string{"error AuditEvent.agent[2].requestor value"}},
	{"not of the profile's set", []edit{{"entity.0.role.code", `"24"`}}, []string{"error AuditEvent.entity[0].role code-invalid"}},
	{"profile's target", []edit{{"entity.1.what.reference", `"Practitioner/1"`}}, []string{"error AuditEvent.entity[1].what structure"}},
	{"other agents", []edit{{"agent.2.type", `{"text":"x"}`}}, nil},
	{"profile's extension", []edit{{"agent.0.extension", `[{"url":"https://profiles.ihe.net/ITI/BALP/StructureDefinition/ihe-otherId","valueIdentifier":{"value":"1"}}]`}}, []string{"error AuditEvent.agent[0].extension[0].value.type required"}},
	{"profile's extension of another type", []edit{{"agent.0.extension", `[{"url":"https://profiles.ihe.net/ITI/BALP/StructureDefinition/ihe-assuranceLevel","valueString":"1"}]`}}, []string{"error AuditEvent.agent[0].extension[0].value structure"}},
	{"version of a profile", []edit{{"meta.profile.0", `"https://profiles.ihe.net/ITI/BALP/StructureDefinition/IHE.BasicAudit.PatientUpdate|1.1.4"`}}, []string{
		"error AuditEvent.subtype required", "error AuditEvent.action value",
	}},
	{"unknown profile", []edit{{"meta.profile.0", `"https://example.org/none"`}}, []string{"information AuditEvent.meta not-supported"}},
	{"unknown profile of BALP", []edit{{"meta.profile.0", `"https://profiles.ihe.net/ITI/BALP/StructureDefinition/none"`}}, []string{"warning AuditEvent.meta not-supported"}},
	{"closed slices", []edit{{"meta.profile.0", `"https://profiles.ihe.net/ITI/BALP/StructureDefinition/IHE.IUA.71"`}, {"modifierExtension", `[{"url":"urn:x","valueCode":"x"}]`}}, []string{
		"error AuditEvent.type value", "error AuditEvent.subtype[0] value", "error AuditEvent.action value",
		"error AuditEvent.agent required", "error AuditEvent.agent required", "error AuditEvent.agent[0] structure", "error AuditEvent.agent[1] structure",
		"error AuditEvent.entity structure", "error AuditEvent.entity required",
		"error AuditEvent.entity[0] structure", "error AuditEvent.entity[1] structure", "error AuditEvent.entity[2] structure",
	}},
	{"slices in slices", []edit{
		{"meta.profile.0", `"https://profiles.ihe.net/ITI/BALP/StructureDefinition/IHE.BasicAudit.SAMLaccessTokenUse.Comprehensive"`},
		{"entity.0.type", `{"system":"http://hl7.org/fhir/resource-types","code":"Consent"}`},
		{"entity.0.detail", `[{"type":"urn:ihe:iti:xua:2012:acp","valueBase64Binary":"AAEC"},{"type":"urn:ihe:iti:xua:2012:acp","valueString":"x"},{"type":"other","valueBase64Binary":"AAEC"}]`},
	}, []string{"error AuditEvent.agent required", "error AuditEvent.entity[0].detail[0].value structure", "error AuditEvent.entity[0].detail structure"}},
	{"no modifiers", []edit{
		{"meta.profile.0", `"https://profiles.ihe.net/ITI/BALP/StructureDefinition/IHE.BasicAudit.PrivacyDisclosure.Recipient"`},
		{"modifierExtension", `[{"url":"urn:x","valueCode":"x"}]`},
	}, []string{
		"error AuditEvent.modifierExtension structure", "error AuditEvent.type value", "error AuditEvent.subtype required",
		"error AuditEvent.action value", "error AuditEvent.agent[0] val-audit-source",
	}},
	{"authorizer is the source", []edit{{"meta.profile.0", `"https://profiles.ihe.net/ITI/BALP/StructureDefinition/IHE.BasicAudit.PrivacyDisclosure.Source"`}}, []string{
		"error AuditEvent.type value", "error AuditEvent.subtype required", "error AuditEvent.agent[1] val-audit-source",
	}},
}

func narrative(inner string) string {
	div, _ := json.Marshal(`<div xmlns="` + nsXHTML + `">` + inner + `</div>`)
	return `{"status":"generated","div":` + string(div) + `}`
}

func TestEdits(t *testing.T) {
	for _, e := range edits {
		doc := tree(t, read(t, "testdata/examples/auditevent-r4-own/balp-read.json"))
		for _, change := range e.edits {
			doc = set(t, doc, strings.Split(change.path, "."), change.value)
		}
		text, _ := json.Marshal(doc)
		var got []string
		issues := Validate(parse(t, text, R4), Options{Profiles: Refuse})
		for _, i := range issues {
			code := i.Code
			if i.Rule != "" {
				code = i.Rule
			}
			got = append(got, i.Severity.String()+" "+i.Location+" "+code)
		}
		if !slices.Equal(got, e.wants) && !(len(got) == 0 && len(e.wants) == 0) {
			t.Errorf("%s: %v", e.name, issues)
		}
	}
}

// set changes a JSON tree at a path.
func set(t *testing.T, doc any, path []string, value string) any {
	if len(path) == 0 {
		return tree(t, []byte(value))
	}
	switch doc := doc.(type) {
	case map[string]any:
		if len(path) == 1 && value == "" {
			delete(doc, path[0])
			return doc
		}
		doc[path[0]] = set(t, doc[path[0]], path[1:], value)
		return doc
	case []any:
		i, err := strconv.Atoi(path[0])
		if err != nil {
			t.Fatal(err)
		}
		doc[i] = set(t, doc[i], path[1:], value)
		return doc
	default:
		return set(t, map[string]any{}, path, value)
	}
}

// editsR5 are changes of R5's full.json.
var editsR5 = map[string]struct {
	edits []edit
	wants string
}{
	"severity":           {[]edit{{"severity", `"bad"`}}, "AuditEvent.severity code-invalid"},
	"empty reference":    {[]edit{{"patient", `{"type":"Patient"}`}}, "AuditEvent.patient ref-2"},
	"identifier":         {[]edit{{"patient", `{"identifier":{"system":"urn:x"}}`}}, "AuditEvent.patient.identifier ident-1"},
	"display alone":      {[]edit{{"outcome.code", `{"display":"x"}`}}, "AuditEvent.outcome.code cod-1"},
	"agent of an entity": {[]edit{{"entity.0.agent.0.who", ``}}, "AuditEvent.entity[0].agent[0].who required"},
	"network":            {[]edit{{"agent.1.networkString", `"x"`}}, "AuditEvent.agent[1].network structure"},
	"of R4":              {[]edit{{"agent.1.altId", `"x"`}}, "AuditEvent.agent[1].altId structure"},
	"reference to self":  {[]edit{{"patient", `{"reference":"#"}`}}, "AuditEvent.patient ref-1"},
	"base64 in lines":    {[]edit{{"entity.0.query", `"YWJj\nYWI="`}}, "AuditEvent.entity[0].query value"},
	"long fraction":      {[]edit{{"recorded", `"2026-01-02T03:04:05.1234567890Z"`}}, "AuditEvent.recorded value"},
	"no code":            {[]edit{{"code", ``}}, "AuditEvent.code required"},
	"both times":         {[]edit{{"occurredPeriod", `{"start":"2026"}`}}, "AuditEvent.occurred structure"},
	"coding as concept":  {[]edit{{"entity.0.role", `{"system":"urn:x","code":"4"}`}}, "AuditEvent.entity[0].role.system structure, AuditEvent.entity[0].role.code structure"},
	"number as text":     {[]edit{{"entity.0.detail.0.valueInteger", `"12"`}}, "AuditEvent.entity[0].detail[0].value structure"},
	"outcome of R4":      {[]edit{{"outcome", `"0"`}}, "AuditEvent.outcome structure"},
}

func editedR5(t *testing.T, changes []edit) []byte {
	doc := tree(t, read(t, "testdata/examples/auditevent-r5-own/full.json"))
	for _, change := range changes {
		doc = set(t, doc, strings.Split(change.path, "."), change.value)
	}
	text, _ := json.Marshal(doc)
	return text
}

// TestR5 checks what holds in R5 only.
func TestR5(t *testing.T) {
	for name, c := range editsR5 {
		var got []string
		for _, i := range Validate(parse(t, editedR5(t, c.edits), R5), Options{Version: R5}) {
			code := i.Code
			if i.Rule != "" {
				code = i.Rule
			}
			if i.Severity > Information {
				got = append(got, i.Location+" "+code)
			}
		}
		slices.Sort(got)
		want := strings.Split(c.wants, ", ")
		slices.Sort(want)
		if !slices.Equal(got, want) {
			t.Errorf("%s: %v", name, got)
		}
	}
}

// TestEveryInvariant: each constraint of the definitions has a law, and each law
// but dom-6, which is only advice, a document above that breaks it.
func TestEveryInvariant(t *testing.T) {
	broken := map[string]bool{"dom-6": true, "ref-2": true, "ident-1": true, "cod-1": true} // the last three: TestR5
	for _, e := range edits {
		for _, w := range e.wants {
			broken[w[strings.LastIndexByte(w, ' ')+1:]] = true
		}
	}
	keys := map[string]bool{"ele-1": true}
	for _, l := range laws[1:] {
		keys[l.key] = true
	}
	for key := range keys {
		if !broken[key] {
			t.Errorf("%s: nothing above breaks it", key)
		}
	}
	for _, v := range []*schema{&schemaR4, &schemaR5} {
		for _, typ := range v.types {
			for _, r := range typ.rules {
				if r != ele1 && laws[r].holds == nil {
					t.Errorf("%v %s: rule %d has no law", v.version, typ.name, r)
				}
			}
		}
	}
	n := parse(t, []byte(`{"resourceType":"AuditEvent"}`), R4)
	found := func(o Options) bool {
		return slices.ContainsFunc(Validate(n, o), func(i Issue) bool { return i.Rule == "dom-6" && i.Severity == Warning })
	}
	if found(Options{}) || !found(Options{BestPractice: true}) {
		t.Error("dom-6 is reported where it was not asked for, or not where it was")
	}
}

func TestManyIssues(t *testing.T) {
	n := parse(t, []byte(`{"resourceType":"AuditEvent","subtype":[`+strings.Repeat(`{"x":1},`, 5000)+`{}]}`), R4)
	if issues := Validate(n, Options{MaxIssues: 10}); len(issues) != 10 || issues[9].Code != "too-long" {
		t.Errorf("%d issues, the last is %v", len(issues), issues[len(issues)-1])
	}
}

// TestErrorsAreNotCrowdedOut: however much there is to be warned of, what breaks
// FHIR is an error, and what breaks only a profile is told as the profile's.
func TestErrorsAreNotCrowdedOut(t *testing.T) {
	const read = "https://profiles.ihe.net/ITI/BALP/StructureDefinition/IHE.BasicAudit.Read"
	odd := strings.Repeat(`{"what":{"reference":"a b"}},`, 300) + `{"what":{"reference":"a b"}}`
	rest := `"type":{"system":"http://dicom.nema.org/resources/ontology/DCM","code":"110100"},"agent":[{"requestor":true}],"source":{"observer":{"display":"x"}},"entity":[` + odd + `]`
	n := parse(t, []byte(`{"resourceType":"AuditEvent",`+rest+`}`), R4)
	issues := Validate(n, Options{})
	if !slices.ContainsFunc(issues, func(i Issue) bool { return i.Severity == Error && i.Location == "AuditEvent.recorded" }) || len(issues) != 101 {
		t.Errorf("no recorded among 301 warnings: %d issues, %v", len(issues), issues[len(issues)-1])
	}
	n = parse(t, []byte(`{"resourceType":"AuditEvent","meta":{"profile":["`+read+`"`+strings.Repeat(`,"`+read+`"`, 300)+`]},"recorded":"2026-01-01T00:00:00Z",`+rest+`}`), R4)
	issues = Validate(n, Options{Profiles: Refuse, MaxIssues: 3})
	if !Failed(issues) {
		t.Fatal("a profile is broken unnoticed behind warnings")
	}
	for _, i := range issues {
		if i.Severity == Error && i.Profile != read {
			t.Errorf("an error of nothing but the profile: %v", i)
		}
	}
}

func TestProfiles(t *testing.T) {
	if n := len(Profiles()); n != 19 {
		t.Errorf("%d profiles of BALP, not 19", n)
	}
	n := parse(t, read(t, "testdata/examples/auditevent-r4-own/balp-read.json"), R4)
	for _, url := range Profiles() {
		issues := Validate(n, Options{Profiles: Quarantine, Also: []string{url}})
		ours := strings.HasSuffix(url, "Read") || strings.HasSuffix(url, "PatientRead")
		if Failed(issues) == ours {
			t.Errorf("a read checked against %s: %v", url, issues)
		}
		if issues := Validate(n, Options{Profiles: Ignore, Also: []string{url}}); issues != nil {
			t.Errorf("profiles are not ignored: %v", issues)
		}
	}
}
