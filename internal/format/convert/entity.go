package convert

import (
	"slices"
	"strings"

	"vigil"
	"vigil/internal/format/fhir"
)

// patient writes R5's element where the event is about one patient.
func (b *builder) patient() {
	if vals := b.want(vigil.FactPatient); len(vals) == 1 && isReference(vals[0], patientTypes) {
		b.n.Add(b.obj("patient", b.str("reference", vals[0])))
	}
}

// entities writes the patients, then what else was used.
func (b *builder) entities() {
	written := &b.given[vigil.FactPatient]
	for _, p := range b.want(vigil.FactPatient) {
		what := b.obj("what")
		switch {
		case isReference(p, patientTypes):
			what.Add(b.str("reference", p))
			b.give(vigil.FactPatient, p)
			b.give(vigil.FactEntity, p)
		case plain(p):
			what.Add(b.str("type", "Patient"), b.str("display", p))
		default:
			continue
		}
		b.entity(what, aPerson, asPatient)
	}
	for _, val := range b.want(vigil.FactEntity) {
		if written.has(val) || !plain(val) {
			continue
		}
		what, role := b.obj("what"), code{}
		if isReference(val, nil) && !strings.HasPrefix(val, "Patient/") { // which would be a patient
			what.Add(b.str("reference", val))
			role = asResource
		} else {
			what.Add(b.identifier(val))
		}
		b.give(vigil.FactEntity, val)
		b.entity(what, aSystemObject, role)
	}
}

// entity adds an entity; R5 has no types of them.
func (b *builder) entity(what *fhir.Node, kind, role code) *fhir.Node {
	n := b.obj("entity").Listed().Add(what)
	if b.v == fhir.R4 {
		n.Add(b.coding(kind, "type"))
	}
	switch {
	case role.code == "":
	case b.v == fhir.R5:
		n.Add(b.concept(role, "role"))
	default:
		n.Add(b.coding(role, "role"))
	}
	if b.at == 0 {
		b.at = len(b.n.Children)
		for i, c := range b.n.Children {
			if c.Name == "entity" {
				b.at = i + 1
			}
		}
	}
	b.n.Children = slices.Insert(b.n.Children, b.at, n)
	b.at++
	return n
}

var (
	// agentTypes are what who and observer may refer to in both versions.
	agentTypes   = []string{"Device", "Organization", "Patient", "Practitioner", "PractitionerRole", "RelatedPerson"}
	patientTypes = []string{"Patient"}
)

// isReference reports whether val is Type/id of one of the types, of which nil
// are all, and would be read as it is.
func isReference(val string, types []string) bool {
	kind, id, ok := strings.Cut(val, "/")
	if !ok || strings.Contains(id, "/") || types != nil && !slices.Contains(types, kind) {
		return false
	}
	if types == nil && !isResource(kind) {
		return false
	}
	return fhir.IsID(id)
}

// isURI reports whether s is an absolute URI, without white space.
func isURI(s string) bool {
	scheme, rest, ok := strings.Cut(s, ":")
	if !ok || rest == "" || len(scheme) < 2 {
		return false
	}
	for i := range len(scheme) {
		if c := scheme[i] | 0x20; (c < 'a' || c > 'z') && (i == 0 || !strings.ContainsRune("0123456789+-.", rune(scheme[i]))) {
			return false
		}
	}
	if !strings.HasPrefix(rest, "//") && scheme != "urn" {
		return false
	}
	for i := range len(rest) {
		if c := rest[i]; c <= ' ' || c >= 0x7f || strings.IndexByte(`"<>\^{|}`+"`", c) >= 0 {
			return false
		}
	}
	return true
}

// plain reports whether s can be a string of FHIR: some text, without control
// characters, which XML could not hold.
func plain(s string) bool {
	blank := true
	for i := range len(s) {
		c := s[i]
		if c < ' ' && c != '\t' && c != '\n' && c != '\r' || c == 0x7f {
			return false
		}
		blank = blank && c <= ' '
	}
	return !blank && len(s) <= maxString
}

// maxString is how long a string of FHIR may be.
const maxString = 1 << 20

// isCode reports whether s can be a code of FHIR that every reader shows: without
// control characters and hard spaces.
func isCode(s string) bool {
	return fhir.IsCode(s) && !strings.ContainsFunc(s, func(c rune) bool { return c < ' ' || c >= 0x7f && c <= 0xa0 })
}
