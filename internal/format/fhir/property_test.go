package fhir

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"io"
	"reflect"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// drawEvent makes an AuditEvent of a version by its table: every element may be
// there or not, in every type, with ids and extensions anywhere.
func drawEvent(t *rapid.T, v Version) *Node {
	d := drawer{T: t, schema: schemaOf(v)}
	n := &Node{Resource: "AuditEvent"}
	d.children(n, d.schema.named("AuditEvent"), 0)
	return n
}

type drawer struct {
	*rapid.T
	schema *schema
}

func (d drawer) children(n *Node, t *typeDef, depth int) {
	for i := 0; i < len(t.elems); i++ {
		e := &t.elems[i]
		if e.choice != "" {
			end := i
			for end < len(t.elems) && t.elems[end].choice == e.choice {
				end++
			}
			if t.name == "Extension" { // of fifty types a few are enough
				e = t.elemNamed(rapid.SampledFrom([]string{"valueString", "valueDecimal", "valueCoding", "valueBoolean", "valueReference"}).Draw(d.T, "type"))
			} else {
				e = &t.elems[rapid.IntRange(i, end-1).Draw(d.T, "type")]
			}
			i = end - 1
		}
		if e.name == "contained" || e.name == "text" || t.format != noFormat && depth > 2 {
			continue
		}
		d.element(n, e, depth)
	}
}

func (t *typeDef) elemNamed(name string) *element {
	_, e := t.find(name, 0)
	return e
}

func (d drawer) element(n *Node, e *element, depth int) {
	count := int(e.min)
	likely := 3 + depth*2
	if strings.Contains(strings.ToLower(e.name), "extension") || e.name == "id" {
		likely = 12
	}
	if e.choice == "value" && e.min == 0 {
		count = 1
	} else if depth < 6 && rapid.IntRange(0, likely).Draw(d.T, e.name) == 0 {
		count = rapid.IntRange(1, min(int(e.max), 3)).Draw(d.T, "count")
	}
	for range count {
		c := &Node{Name: e.name, List: e.max > 1}
		t := &d.schema.types[e.typ]
		if t.format != noFormat {
			c.Kind, c.Value = t.format.kind(), d.primitive(t.format, e)
			if e.name != "id" && e.name != "url" {
				d.children(c, t, depth+2)
			}
		} else if d.children(c, t, depth+1); len(c.Children) == 0 {
			if e.min == 0 {
				continue
			}
			c.Add(NewObject("extension", NewString("url", "https://example.org/x"), NewString("valueCode", "x")).Listed())
		}
		n.Add(c)
	}
}

func (d drawer) primitive(f format, e *element) string {
	if e.set == setR5QuantityComparator {
		e = &element{set: setR4QuantityComparator} // R5's other one is no value of R4
	}
	if e.set != 0 {
		return rapid.SampledFrom(codeSets[e.set].systems[0].codes).Draw(d.T, "code")
	}
	switch f {
	case fBoolean:
		return rapid.SampledFrom([]string{"true", "false"}).Draw(d.T, "boolean")
	case fDecimal:
		return rapid.SampledFrom([]string{"0", "1.10", "-2.5e3", "100"}).Draw(d.T, "decimal")
	case fInteger, fPositiveInt, fUnsignedInt:
		return rapid.SampledFrom([]string{"1", "17"}).Draw(d.T, "integer")
	case fInstant:
		return rapid.SampledFrom([]string{"2026-01-02T03:04:05Z", "2026-01-02T03:04:05.600+02:00"}).Draw(d.T, "instant")
	case fDateTime, fDate:
		return rapid.SampledFrom([]string{"2026", "2026-01-02"}).Draw(d.T, "date")
	case fTime:
		return "03:04:05"
	case fBase64:
		return "AAEC"
	case fString, fMarkdown:
		return rapid.SampledFrom([]string{"a", "5", "<&>\"'", "two\nlines\r\n\t", "ü \u2028 😀", "http://example.org"}).Draw(d.T, "string")
	case fID:
		return rapid.StringMatching(`[A-Za-z0-9\-.]{1,8}`).Draw(d.T, "id")
	}
	return rapid.SampledFrom([]string{"a", "rest", "read", "urn:x:1", "5"}).Draw(d.T, "code")
}

// TestAnyEvent: whatever the tables allow survives JSON, XML and the other
// version, and is structurally valid everywhere.
func TestAnyEvent(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		v := rapid.SampledFrom([]Version{R4, R5}).Draw(t, "version")
		n := drawEvent(t, v)
		asJSON := AppendJSON(nil, n)
		if !json.Valid(asJSON) {
			t.Fatalf("not JSON: %s", asJSON)
		}
		same(t, n, asJSON, v)
		same(t, n, AppendXML(nil, n, v), v)
		sound(t, n, v)
		other := R4 + R5 - v
		there, err := Convert(n, v, other)
		if err != nil {
			t.Fatal(err)
		}
		sound(t, there, other)
		same(t, there, AppendXML(nil, there, other), other)
		back, err := Convert(there, other, v)
		if err != nil {
			t.Fatal(err)
		}
		if !Equal(n, back) {
			t.Fatalf("%s\ncame back as\n%s\nfrom\n%s", asJSON, AppendJSON(nil, back), AppendJSON(nil, there))
		}
	})
}

func same(t *rapid.T, n *Node, text []byte, v Version) {
	back, err := Parse(text, v, Limits{})
	if err != nil {
		t.Fatalf("%v in %s", err, text)
	}
	if !Equal(n, back) {
		t.Fatalf("%s\nread from %s\nis %s", AppendJSON(nil, n), text, AppendJSON(nil, back))
	}
}

// sound looks for issues other than invariants and meaning, which the drawn
// events do not keep.
func sound(t *rapid.T, n *Node, v Version) {
	for _, i := range Validate(n, Options{Version: v, Profiles: Refuse}) {
		if i.Severity == Error && i.Code != "invariant" && i.Profile == "" && !(i.Code == "value" && strings.HasSuffix(i.Location, "url")) {
			t.Fatalf("%v: %v in %s", v, i, AppendJSON(nil, n))
		}
	}
}

func addExamples(f *testing.F) {
	for _, pattern := range []string{"testdata/examples/*/*", shared + "examples/auditevent-r4-broken/*.json", shared + "examples/auditevent-r4-core/*.json"} {
		for _, path := range glob(f, pattern) {
			f.Add(read(f, path))
		}
	}
	for _, s := range []string{
		`{"resourceType":"AuditEvent","_a":[null,{"id":"x"}],"a":["1"],"b":[[1,"x"],{}],"c":[],"d":null,"e":-0.0e+1}`,
		`{"resourceType":"A","\ud83d\ude00":"\u0000\ud800"}`,
		`<f:A xmlns:f="http://hl7.org/fhir"><f:text><f:status value="&#x41;&lt;"/><h:div xmlns:h="http://www.w3.org/1999/xhtml"><h:b>x</h:b></h:div></f:text></f:A>`,
		`<!DOCTYPE a [<!ENTITY b "c">]><a/>`, `<AuditEvent xmlns="http://hl7.org/fhir"><a/><b/><a value="1"/><!-- c --><?p i?></AuditEvent>`,
	} {
		f.Add([]byte(s))
	}
}

// FuzzParseJSON compares with encoding/json: what we take is JSON that says the
// same when printed, what we do not take is not JSON or not a resource.
func FuzzParseJSON(f *testing.F) {
	addExamples(f)
	f.Fuzz(func(t *testing.T, text []byte) {
		n, err := ParseJSON(text, Limits{})
		if err != nil {
			var syntax *SyntaxError
			if !errors.As(err, &syntax) || syntax.Offset < 0 || syntax.Offset > len(text) {
				t.Fatalf("%v in %q", err, text)
			}
			return
		}
		if !json.Valid(text) {
			t.Fatalf("took %q", text)
		}
		out := AppendJSON(nil, n)
		again, err := ParseJSON(out, Limits{})
		if err != nil {
			t.Fatalf("%v in our %s of %q", err, out, text)
		}
		if second := AppendJSON(nil, again); !bytes.Equal(out, second) {
			t.Fatalf("%s then %s", out, second)
		}
		// Siblings may move; without them JSON is the same tree.
		if !bytes.Contains(text, []byte(`"_`)) && !bytes.Contains(text, []byte(`\u`)) && !reflect.DeepEqual(tree(t, text), tree(t, out)) {
			t.Fatalf("%s became %s", text, out)
		}
		use(t, n)
	})
}

// FuzzParseXML compares with encoding/xml in the same way.
func FuzzParseXML(f *testing.F) {
	addExamples(f)
	f.Fuzz(func(t *testing.T, text []byte) {
		n, err := ParseXML(text, R4, Limits{})
		if err != nil {
			return
		}
		for dec := xml.NewDecoder(bytes.NewReader(text)); ; {
			if _, err := dec.Token(); errors.Is(err, io.EOF) {
				break
			} else if err != nil {
				t.Fatalf("took %q: %v", text, err)
			}
		}
		use(t, n)
	})
}

// use does everything with a tree that a server does.
func use(t *testing.T, n *Node) {
	for _, v := range []Version{R4, R5} {
		Validate(n, Options{Version: v, Profiles: Refuse})
		out := AppendXML(nil, n, v)
		if again, err := ParseXML(out, v, Limits{Depth: 200, Nodes: 1 << 20}); err == nil {
			AppendJSON(nil, again)
		} else {
			t.Fatalf("%v in our %s", err, out)
		}
		for _, to := range []Version{R4, R5} {
			if c, err := Convert(n, v, to); err == nil && !json.Valid(AppendJSON(nil, c)) {
				t.Fatalf("%v to %v gives %s", v, to, AppendJSON(nil, c))
			}
		}
	}
	Convert(n, R3, R5) //nolint:errcheck // only panics count
	Guess(n)
}
