package balp_test

import (
	"errors"
	"io/fs"
	"os"
	"slices"
	"strings"
	"testing"

	"vigil"
	"vigil/internal/format/fhir"
	"vigil/internal/format/fhir/balp"
)

// TestFirelyShape compares the structure with the examples of Firely's
// documentation: every element and code that they have is here, and no other.
func TestFirelyShape(t *testing.T) {
	for _, c := range []struct {
		example, fixture string
		version          fhir.Version
	}{
		{"R4_read", "read", fhir.R4},
		{"R4_search", "search_two_hits", fhir.R4},
		{"R5_read", "read", fhir.R5},
	} {
		doc, err := os.ReadFile("../../../../../shared/data/firely/" + c.example + ".json")
		if errors.Is(err, fs.ErrNotExist) {
			t.Skip("Firely's examples are not here")
		} else if err != nil {
			t.Fatal(err)
		}
		theirs, err := fhir.ParseJSON(doc, fhir.Limits{})
		if err != nil {
			t.Fatal(err)
		}
		mendPatient(theirs, c.version)
		got, want := structure(firely(t, c.fixture, c.version)), structure(theirs)
		for _, s := range want {
			if !slices.Contains(got, s) {
				t.Errorf("%s: lacks %s", c.example, s)
			}
		}
		for _, s := range got {
			if !slices.Contains(want, s) {
				t.Errorf("%s: has %s, which Firely's has not", c.example, s)
			}
		}
	}
}

// TestFirelyOutcomes has the words of R5's value set for each outcome, and R4's
// codes again where such an event is read as R4.
func TestFirelyOutcomes(t *testing.T) {
	for status, want := range map[int][2]string{200: {"success", "0"}, 404: {"warning", "4"}, 500: {"error", "8"}, 0: {"fatal", "12"}} {
		x := &vigil.Exchange{ID: "1", Method: "GET", Path: "/Patient/1", Status: status, Interaction: "read", Type: "Patient", Key: "1", Complete: true}
		n, err := fhir.ParseJSON(build(t, balp.New(balp.Config{Firely: true, R5: true}), x)[0].Doc, fhir.Limits{})
		if err != nil {
			t.Fatal(err)
		}
		if code := n.Get("outcome", "code"); code.Child("code").Text() != want[0] || code.Child("system").Text() != "http://hl7.org/fhir/issue-severity" {
			t.Errorf("%d: %s", status, fhir.AppendJSON(nil, n))
		}
		back, err := fhir.Convert(n, fhir.R5, fhir.R4)
		if err != nil || back.Child("outcome").Text() != want[1] {
			t.Errorf("%d: as R4 %s, %v", status, fhir.AppendJSON(nil, back), err)
		}
	}
}

// firely is the event in Firely's shape of a fixture.
func firely(t *testing.T, name string, v fhir.Version) *fhir.Node {
	for _, f := range fixtures(t, "interactions") {
		if f.name != name {
			continue
		}
		b := balp.New(balp.Config{Firely: true, R5: v == fhir.R5})
		n, err := fhir.ParseJSON(build(t, b, f.exchange)[0].Doc, fhir.Limits{})
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	t.Fatalf("there is no %s", name)
	return nil
}

// mendPatient gives the patient of the R5 example, whose type and role are in R4's
// form, which R5 does not have, the form of the example's other entities.
func mendPatient(n *fhir.Node, v fhir.Version) {
	for _, e := range n.All("entity") {
		typ := e.Child("type")
		if v != fhir.R5 || typ == nil {
			continue
		}
		e.Remove("type")
		typ.Name = "valueCoding"
		e.Add(fhir.NewObject("extension", fhir.NewString("url", entityType), typ).Listed())
		role := e.Child("role")
		e.Put(fhir.NewObject("role", fhir.NewObject("coding", role.Children...).Listed()))
	}
}

const entityType = "http://hl7.org/fhir/4.0/StructureDefinition/extension-AuditEvent.entity.type"

// structure lists the paths of n with the values of codes, and of systems but
// the user's, agent by agent and entity by entity. Left out is what we do better:
// R4's claims, the type beside a reference, a Bundle that nobody can find, the code
// systems of servers' types and of R5's outcomes.
func structure(n *fhir.Node) []string {
	var out []string
	var walk func(path string, n *fhir.Node)
	walk = func(path string, n *fhir.Node) {
		for _, c := range n.Children {
			p := path + "." + c.Name + kindOfItem(c)
			primitive := len(c.Children) == 0
			switch {
			case p == ".meta" && fhir.Guess(n) == fhir.R4, strings.HasSuffix(p, ".what.type"), strings.HasSuffix(p, "Reference.type"), p == ".patient.type":
			case p == ".entity[response].what.display", p == ".entity[response].what.reference":
				out = append(out, ".entity[response].what reference or display")
			case strings.HasPrefix(p, ".source.type") && c.Name == "system", p == ".outcome.code.system", p == ".recorded":
			case primitive && (c.Name == "code" || c.Name == "url" || c.Name == "profile" || c.Name == "system" && !strings.Contains(p, ".who")):
				out = append(out, p+"="+c.Value)
			default:
				out = append(out, p)
				walk(p, c)
			}
		}
	}
	walk("", n)
	slices.Sort(out)
	return slices.Compact(out)
}

// kindOfItem tells agents by their code, and entities by what they are for.
func kindOfItem(n *fhir.Node) string {
	switch n.Name {
	case "agent":
		return "[" + n.Get("type", "coding", "code").Text() + "]"
	case "entity":
		system := n.Get("what", "identifier", "system").Text()
		_, id, _ := strings.Cut(system, "api-diagnostics-")
		role := n.Get("role", "code").Text() + n.Get("role", "coding", "code").Text()
		switch {
		case id != "":
			return "[" + id + "]"
		case role == "24":
			return "[path]"
		case role == "1":
			return "[patient]"
		}
		return "[response]"
	}
	return ""
}

// TestFirelySite keeps the site of the configuration.
func TestFirelySite(t *testing.T) {
	b := balp.New(balp.Config{Firely: true, Site: "ward 1", Observer: "gw-2"})
	doc := string(build(t, b, &vigil.Exchange{ID: "1", Method: "GET", Path: "/", Status: 200})[0].Doc)
	if !strings.Contains(doc, `"site":"ward 1"`) || !strings.Contains(doc, `"display":"gw-2"`) {
		t.Error(doc)
	}
}
