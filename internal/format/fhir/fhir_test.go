package fhir

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

const shared = "../../../../shared/data/fhir/"

// examples returns the files of the data pack (absent where the repository is
// alone) and of testdata that match a pattern such as examples/*/*.json.
func examples(t testing.TB, pattern string) []string {
	t.Helper()
	own, pack := glob(t, "testdata/"+pattern), glob(t, shared+pattern)
	if len(pack) == 0 {
		t.Logf("%s: not here; only testdata is used", shared)
	}
	if len(own)+len(pack) == 0 {
		t.Fatalf("no file matches %s", pattern)
	}
	return append(own, pack...)
}

func glob(t testing.TB, pattern string) []string {
	t.Helper()
	files, err := filepath.Glob(pattern)
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func read(t testing.TB, path string) []byte {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// tree returns JSON as maps, with the text of numbers.
func tree(t testing.TB, text []byte) any {
	t.Helper()
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.UseNumber()
	var v any
	if err := dec.Decode(&v); err != nil {
		t.Fatalf("%v in %s", err, text)
	}
	return v
}

func parse(t testing.TB, text []byte, v Version) *Node {
	t.Helper()
	n, err := Parse(text, v, Limits{})
	if err != nil {
		t.Fatalf("%v in %.300s", err, text)
	}
	return n
}

func version(path string) Version {
	if strings.Contains(path, "r5") {
		return R5
	}
	return R4
}

func TestJSONRoundTrip(t *testing.T) {
	for _, path := range examples(t, "examples/*/*.json") {
		text := read(t, path)
		n := parse(t, text, R4)
		out := AppendJSON(nil, n)
		if !reflect.DeepEqual(tree(t, text), tree(t, out)) {
			t.Errorf("%s: changed: %s", path, differ(string(text), string(out)))
		}
		if again := AppendJSON(nil, parse(t, out, R4)); !bytes.Equal(out, again) {
			t.Errorf("%s: printed differently the second time: %s", path, again)
		}
	}
}

// TestJSONToXMLAndBack takes JSON through XML, from which the kinds and lists
// come back by the tables alone.
func TestJSONToXMLAndBack(t *testing.T) {
	for _, path := range examples(t, "examples/auditevent-r[45]*/*.json") {
		if strings.Contains(path, "broken") && !strings.Contains(path, "00-good") {
			continue
		}
		text := read(t, path)
		n := parse(t, text, R4)
		asXML := AppendXML(nil, n, version(path))
		back, err := ParseXML(asXML, version(path), Limits{})
		if err != nil {
			t.Errorf("%s: %v in %s", path, err, asXML)
			continue
		}
		if !Equal(plainDiv(n), plainDiv(back)) {
			t.Errorf("%s: changed: %s", path, differ(string(AppendJSON(nil, n)), string(AppendJSON(nil, back))))
		}
	}
}

// plainDiv makes narratives comparable that were written with HTML's entities,
// or with line ends that XML does not have.
func plainDiv(n *Node) *Node {
	if div := n.Get("text", "div"); div != nil {
		div.Value = strings.ReplaceAll(strings.TrimSpace(resolveHTML(div.Value)), "\r\n", "\n")
	}
	return n
}

// TestXMLRoundTrip compares infosets: elements, attributes and text, as
// encoding/xml reads them.
func TestXMLRoundTrip(t *testing.T) {
	for _, path := range examples(t, "examples/auditevent-r4-xml/*.xml") {
		text := read(t, path)
		out := AppendXML(nil, parse(t, text, R4), R4)
		if want, got := infoset(t, text, false), infoset(t, out, false); want != got {
			t.Errorf("%s: changed: %s", path, differ(want, got))
		}
	}
}

// TestXMLIsHAPIs compares with what HAPI made of the same JSON. HAPI breaks the
// lines of narratives, so their white space does not count.
func TestXMLIsHAPIs(t *testing.T) {
	for _, path := range examples(t, "examples/auditevent-r4-xml/*.xml") {
		asJSON := strings.ReplaceAll(strings.ReplaceAll(path, "r4-xml", "r4-ig"), ".xml", ".json")
		if strings.HasPrefix(path, "testdata") {
			asJSON = strings.ReplaceAll(asJSON, "r4-ig", "r4-own")
		}
		if !present(asJSON) {
			t.Logf("%s: not here", asJSON)
			continue
		}
		n := parse(t, read(t, asJSON), R4)
		text := read(t, path)
		if want, got := infoset(t, text, true), infoset(t, AppendXML(nil, n, R4), true); want != got {
			t.Errorf("%s: not as HAPI prints: %s", path, differ(want, got))
		}
		fromXML := parse(t, text, R4)
		for _, n := range []*Node{n, fromXML} {
			if text := n.Child("text"); text != nil {
				text.Remove("div")
			}
		}
		if !Equal(n, fromXML) {
			t.Errorf("%s: not read as JSON: %s", path, differ(string(AppendJSON(nil, n)), string(AppendJSON(nil, fromXML))))
		}
	}
}

// differ shows where two texts part.
func differ(want, got string) string {
	i := 0
	for i < min(len(want), len(got)) && want[i] == got[i] {
		i++
	}
	from := max(0, i-40)
	return fmt.Sprintf("%q instead of %q", got[from:min(len(got), i+60)], want[from:min(len(want), i+60)])
}

// infoset writes the tokens of a document a line each. White space between
// FHIR's elements does not count; in narratives only where loose says so.
func infoset(t testing.TB, text []byte, loose bool) string {
	t.Helper()
	var b strings.Builder
	dec := xml.NewDecoder(bytes.NewReader(text))
	for xhtml := 0; ; {
		tok, err := dec.Token()
		if errors.Is(err, io.EOF) {
			return b.String()
		}
		if err != nil {
			t.Fatalf("%v in %s", err, text)
		}
		switch tok := tok.(type) {
		case xml.StartElement:
			if xhtml > 0 || tok.Name.Space == nsXHTML {
				xhtml++
			}
			b.WriteString("\n<" + tok.Name.Space + " " + tok.Name.Local)
			for _, a := range tok.Attr {
				if loose {
					a.Value = strings.Join(strings.Fields(a.Value), " ")
				}
				if a.Name.Local != "xmlns" && a.Name.Space != "xmlns" {
					b.WriteString(" " + a.Name.Local + "=" + a.Value)
				}
			}
		case xml.EndElement:
			xhtml = max(0, xhtml-1)
			b.WriteString("\n>")
		case xml.CharData:
			if loose {
				tok = bytes.TrimSpace(tok)
			}
			if xhtml > 0 && len(tok) > 0 {
				b.WriteString("\n" + string(tok))
			} else if len(bytes.TrimSpace(tok)) > 0 {
				t.Fatalf("text %q outside of narratives", tok)
			}
		}
	}
}
