package fhir

import (
	"strings"
	"testing"

	"vigil"
)

// TestMappingFits: the paths by which facts are read from AuditEvents are paths
// of the definitions, with [] where elements repeat.
func TestMappingFits(t *testing.T) {
	for vocabulary, s := range map[vigil.Vocabulary]*schema{vigil.FHIRR4: &schemaR4, vigil.FHIRR5: &schemaR5} {
		for _, p := range vigil.Properties() {
			for _, from := range p.From[vocabulary] {
				typ := s.named("AuditEvent")
				for key := range strings.SplitSeq(from.Path, ".") {
					name, list := strings.CutSuffix(key, "[]")
					_, e := typ.find(name, 0)
					if e == nil {
						t.Errorf("%v %s: %s: %s has no %s", vocabulary, p.Name, from.Path, typ.name, name)
						break
					}
					if list != (e.max > 1) {
						t.Errorf("%v %s: %s: wrong [] at %s", vocabulary, p.Name, from.Path, name)
					}
					typ = &s.types[e.typ]
				}
				reads := typ.format != noFormat || typ.name == "Reference" && (from.As == vigil.AsReference || from.As == vigil.AsPatient)
				if !reads {
					t.Errorf("%v %s: %s: is a %s", vocabulary, p.Name, from.Path, typ.name)
				}
			}
		}
	}
}
