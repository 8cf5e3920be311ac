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
	for example, name := range map[string]string{"R4_read": "read", "R4_search": "search_two_hits"} {
		doc, err := os.ReadFile("../../../../../shared/data/firely/" + example + ".json")
		if errors.Is(err, fs.ErrNotExist) {
			t.Skip("Firely's examples are not here")
		} else if err != nil {
			t.Fatal(err)
		}
		theirs, err := fhir.ParseJSON(doc, fhir.Limits{})
		if err != nil {
			t.Fatal(err)
		}
		ours := firely(t, name)
		got, want := structure(ours), structure(theirs)
		for _, s := range want {
			if !slices.Contains(got, s) {
				t.Errorf("%s: lacks %s", example, s)
			}
		}
		for _, s := range got {
			if !slices.Contains(want, s) {
				t.Errorf("%s: has %s, which Firely's has not", example, s)
			}
		}
	}
}

// firely is the event in Firely's shape of a fixture with one patient.
func firely(t *testing.T, name string) *fhir.Node {
	for _, f := range fixtures(t, "interactions") {
		if f.name != name {
			continue
		}
		n, err := fhir.ParseJSON(build(t, balp.New(balp.Config{Firely: true}), f.exchange)[0].Doc, fhir.Limits{})
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	t.Fatalf("there is no %s", name)
	return nil
}

// structure lists the paths of n with the values of codes, and of systems but
// the user's. Left out is what we do better: the claims, the type beside a
// reference, a Bundle that nobody can find, the code system that R4 has.
func structure(n *fhir.Node) []string {
	var out []string
	var walk func(path string, n *fhir.Node)
	walk = func(path string, n *fhir.Node) {
		for _, c := range n.Children {
			p := path + "." + c.Name
			switch {
			case p == ".meta", strings.HasSuffix(p, ".what.type"), strings.HasSuffix(p, "Reference.type"):
			case p == ".entity.what.display", p == ".entity.what.reference":
				out = append(out, ".entity.what reference or display")
			case p == ".source.type.system", p == ".recorded":
			case c.Name == "code", c.Name == "url", c.Name == "system" && !strings.Contains(p, ".agent.who"):
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

// TestFirelySite keeps the site of the configuration.
func TestFirelySite(t *testing.T) {
	b := balp.New(balp.Config{Firely: true, Site: "ward 1", Observer: "gw-2"})
	doc := string(build(t, b, &vigil.Exchange{ID: "1", Method: "GET", Path: "/", Status: 200})[0].Doc)
	if !strings.Contains(doc, `"site":"ward 1"`) || !strings.Contains(doc, `"display":"gw-2"`) {
		t.Error(doc)
	}
}
