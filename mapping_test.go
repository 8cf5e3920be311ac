package vigil_test

import (
	"strings"
	"testing"
	"time"

	"vigil"
)

// TestProperties expects the time and every fact once, in the order of the
// system columns, each with something said about it and a source somewhere.
func TestProperties(t *testing.T) {
	properties := vigil.Properties()
	if len(properties) != int(vigil.NumFacts)+1 || properties[0].Fact != vigil.NumFacts {
		t.Fatalf("%d properties, the first %v", len(properties), properties[0].Fact)
	}
	for i, p := range properties {
		if i > 0 && (p.Fact != vigil.Fact(i-1) || p.Fact.String() != p.Name) {
			t.Errorf("property %d is %v, called %s", i, p.Fact, p.Name)
		}
		if p.Column != "_"+p.Name || p.Doc == "" || !strings.HasSuffix(p.Doc, ".") {
			t.Errorf("%s: column %s, %q", p.Name, p.Column, p.Doc)
		}
		sources := 0
		for v := range vigil.NumVocabularies {
			for j, s := range p.From[v] {
				sources++
				if j == 0 && s.Else {
					t.Errorf("%s, %v: the first source cannot stand in for others", p.Name, v)
				}
				if (s.As == vigil.AsTime) != (i == 0) {
					t.Errorf("%s, %v: %s is read as a time or is not", p.Name, v, s.Path)
				}
				if w := s.Where; w != (vigil.Where{}) && (!strings.HasPrefix(s.Path, w.At+".") || !strings.HasSuffix(w.At, "[]") || w.Has == "" || w.Is == "") {
					t.Errorf("%s, %v: %s where %+v", p.Name, v, s.Path, w)
				}
				if strings.HasPrefix(s.Path, ".") || strings.HasSuffix(s.Path, ".") || strings.Count(s.Path, `"`)%2 != 0 {
					t.Errorf("%s, %v: path %s", p.Name, v, s.Path)
				}
			}
		}
		if sources == 0 {
			t.Errorf("%s has no source", p.Name)
		}
	}
	if vigil.NumFacts.String() != "occurred" || vigil.Fact(200).String() != "unknown" {
		t.Errorf("%v, %v", vigil.NumFacts, vigil.Fact(200))
	}
	seen := map[string]bool{}
	for v := range vigil.NumVocabularies + 1 {
		if seen[v.String()] {
			t.Errorf("two vocabularies are called %v", v)
		}
		seen[v.String()] = true
	}
	for n := range vigil.NumNamings {
		if seen[n.String()] {
			t.Errorf("two are called %v", n)
		}
		seen[n.String()] = true
	}
	if vigil.NumNamings.String() != "unknown" {
		t.Errorf("no naming is called %v", vigil.NumNamings)
	}
	if got := vigil.FactDetail(vigil.FactAgentName); got != "vigil:agent_name" {
		t.Errorf("details of names are called %s", got)
	}
	// The caller's copy is its own.
	properties[0].Name = "other"
	if vigil.Properties()[0].Name != "occurred" {
		t.Error("a caller changed the mapping")
	}
}

func TestMappingNumber(t *testing.T) {
	a, b := vigil.MappingNumber(time.UTC), vigil.MappingNumber(time.FixedZone("UTC", 3600))
	if a == b {
		t.Errorf("zones of one name and other offsets share the number %#x", a)
	}
	if a>>16 != vigil.MappingVersion || a != vigil.MappingNumber(time.UTC) {
		t.Errorf("number %#x", a)
	}
}
