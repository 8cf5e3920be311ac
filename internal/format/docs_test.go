package format_test

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"vigil"
)

// TestDocs expects docs/mapping.md to say what the table of package vigil says.
func TestDocs(t *testing.T) {
	const file = "../../docs/mapping.md"
	want := mappingPage()
	if *update {
		if err := os.WriteFile(file, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != want {
		t.Error("docs/mapping.md is not fresh: go test ./internal/format -run Docs -update")
	}
}

// mappingPage returns the text of docs/mapping.md.
func mappingPage() string {
	var b strings.Builder
	b.WriteString(mappingIntro)
	b.WriteString("\n## The properties\n\n| property | column | what it is |\n|---|---|---|\n")
	for _, p := range vigil.Properties() {
		many := ""
		if p.List {
			many = " The column holds every value."
		}
		fmt.Fprintf(&b, "| [%s](#%s) | `%s` | %s%s |\n", p.Name, p.Name, p.Column, p.Doc, many)
	}
	for _, p := range vigil.Properties() {
		fmt.Fprintf(&b, "\n### %s\n\n%s\n\n| vocabulary | read from |\n|---|---|\n", p.Name, p.Doc)
		for v := range vigil.NumVocabularies {
			var places []string
			for _, s := range p.From[v] {
				places = append(places, place(s))
			}
			if places != nil {
				fmt.Fprintf(&b, "| %v | %s |\n", v, strings.Join(places, "<br>"))
			}
		}
		named := false
		for n, name := range p.Names {
			if name == "" {
				continue
			}
			if !named {
				b.WriteString("\n| also known as | |\n|---|---|\n")
				named = true
			}
			fmt.Fprintf(&b, "| %v | %s |\n", vigil.Naming(n), name)
		}
	}
	b.WriteString(mappingOutro)
	return b.String()
}

// readings says how each Reading changes a value.
var readings = map[vigil.Reading]string{
	vigil.AsSeverity: "a severity's word or number", vigil.AsAction: "an action's word", vigil.AsKnownAction: "an action's word, others not",
	vigil.AsSession: "a word for a login or a logout, others not", vigil.AsOutcome: "a code, a status or a word", vigil.AsAddresses: "addresses between commas",
	vigil.AsReference: "a reference", vigil.AsPatient: "a reference to a patient, others not", vigil.AsPatientName: "a patient's reference, id or name",
	vigil.AsNoPatient: "a reference to anything but a patient",
}

func place(s vigil.Source) string {
	if strings.HasPrefix(s.Where.Is, "vigil:") {
		return "`entity[].detail[]` of type `" + s.Where.Is + "`"
	}
	text := "the document"
	if s.Path != "" {
		text = "`" + s.Path + "`"
	}
	if as := readings[s.As]; as != "" {
		text += ": " + as
	}
	if w := s.Where; w.At != "" {
		text += fmt.Sprintf("; where `%s` of `%s` is `%s`", w.Has, w.At, w.Is)
	}
	if s.Else {
		text += "; only where there is nothing so far"
	}
	return text
}

const mappingIntro = `# How documents say the same thing

<!-- Written by go test ./internal/format -run Docs -update. Do not edit. -->

Every vocabulary has names of its own for who did what to whose record. This page
lists them for each property that Vigil knows. It is made from the table that the
program works with: the facts that searches use, the system columns and the
conversions all come from it.

In a path, ` + "`[]`" + ` stands for each element of an array, or for the value itself where
there is no array. Places are read in the order of the table; every value counts
once. Documents that applications post are recognised by their shape: "logserver"
is uwcirg/logserver's schema in all its generations, from Python's logging records
to version 3.0; Vigil's own doings are written in it too. A time without a zone is
in the configured one.

## What a conversion keeps

Any event can be read as an AuditEvent of R4 or R5 (at ` + "`/fhir`" + `), and any AuditEvent as a
document of logserver's recommended schema (` + "`vigil export --as logserver audit_events`" + `).
The rule is that the facts stay: what this table reads from the AuditEvent is what it
reads from the document. Nothing is invented:

- What FHIR requires and the document lacks is marked with the extension
  ` + "`data-absent-reason`" + `: the type, who did it, who reports it.
- Words of the document are codes of the system ` + "`urn:vigil:`" + ` with the vocabulary's name
  (` + "`urn:vigil:logserver`" + `). Where a standard code means the same, it is there too.
- A value that FHIR's elements cannot hold, or not in this order, is an
  ` + "`entity.detail`" + ` of type ` + "`vigil:`" + ` with the property's name. Those are read back.
- A value of the document that is no property is an ` + "`entity.detail`" + ` whose type is its JSON
  pointer (RFC 6901), such as ` + "`/w_user_agent`" + `. What is nested deeper than 24 levels
  is one detail, as JSON. What was searched for is ` + "`entity.query`" + `.
- The original stays as it is; the detail ` + "`vigil:raw`" + ` says where. After 1,000 details the
  detail ` + "`vigil:more`" + ` says how many values are only there.
- ` + "`id`" + ` is the event's ` + "`_uid`" + `, ` + "`meta.lastUpdated`" + ` when it was received, ` + "`meta.source`" + ` who sent
  it (` + "`urn:vigil:sender:…`" + `) or, where that is unknown, what it says reports it, and
  ` + "`meta.tag`" + ` has the document's format (system ` + "`urn:vigil:format`" + `). An AuditEvent that was
  stored and is valid gets id and lastUpdated, and is otherwise as it was.

The exceptions from the rule, all of which add:

| property | of an AuditEvent made by conversion |
|---|---|
| occurred | when it was received, where the document has no time that can be read: FHIR requires one |
| type, subtype | also the standard code, see below |
| agent | also the client, as an agent of type 110150 (Application) |
| patient | also an agent who is a patient, as R4's search parameter has it |
| entity | also the patients: in FHIR they are entities |

And two that lose: a text of white space alone, and one with control characters,
which FHIR's strings cannot hold (the second is there in base64). Of an AuditEvent
in logserver's schema, which requires them, a missing severity follows from the
outcome (0 is info, 4 warning, 8 error, 12 critical, none info), and a missing
action is execute.
`

const mappingOutro = `
## Standard codes

| the document says | type | subtype |
|---|---|---|
| action login | DICOM 110114 User Authentication | DICOM 110122 Login |
| action logout | DICOM 110114 User Authentication | DICOM 110123 Logout |
| Aidbox ` + "`w/req`, `w/resp`" + ` | ` + "`rest`" + ` | |
| Aidbox ` + "`resource/create`, `resource/update`, `resource/delete`" + ` | ` + "`rest`" + ` | ` + "`create`, `update`, `delete`" + ` |
| the interaction of an exchange | ` + "`rest`" + ` | the interaction |
| action create, read, update or delete, and no type | ISO 21089 ` + "`originate`, `access`, `amend`, `destroy`" + ` | |

The severity is R5's ` + "`severity`" + `, and in R4 the extension that FHIR defines for it. A purpose
of use that HL7 has a code for is one of v3-ActReason.

ASTM E2147-18 is named in 45 CFR 170.210(h). Its text is not public: the section
numbers on this page are those that the rule and ONC's guidance on it tell.
`
