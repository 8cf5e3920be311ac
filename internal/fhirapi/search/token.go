package search

import (
	"slices"
	"strings"

	"vigil/internal/format/fhir"
)

// token is one value of a parameter of type token: code, system|code, |code or
// system|. Codes are compared as they are: FHIR's and DICOM's are case-sensitive,
// and so are identifiers.
type token struct {
	system, code string
	hasSystem    bool // a | was there: an empty system is none
}

func parseToken(s string) token {
	parts := split(s, '|')
	if len(parts) == 1 {
		return token{code: unescape(s)}
	}
	return token{system: unescape(parts[0]), code: unescape(strings.Join(parts[1:], "|")), hasSystem: true}
}

// matches reports whether the token is a code of an element: a code, string or
// boolean, a Coding, a CodeableConcept or an Identifier. Systems are those that a
// code without one is of.
func (t *token) matches(n *fhir.Node, systems []string) bool {
	if n.Kind != fhir.Object {
		if n.Text() == "" {
			return false
		}
		if t.hasSystem && (len(systems) == 0) != (t.system == "") {
			return false
		}
		if t.hasSystem && len(systems) > 0 && !slices.Contains(systems, t.system) {
			return false
		}
		return t.code == "" || t.code == n.Text()
	}
	for _, c := range n.All("coding") {
		if t.ofCoding(c, "code") {
			return true
		}
	}
	return t.ofCoding(n, "code") || t.ofCoding(n, "value")
}

func (t *token) ofCoding(n *fhir.Node, member string) bool {
	code, system := n.Child(member).Text(), n.Child("system").Text()
	if t.hasSystem && t.system != system {
		return false
	}
	if t.code == "" {
		return system != "" // system|
	}
	return code == t.code
}

// tokenText reports whether a text that goes with a code begins as asked: the
// display of a Coding, the text of a CodeableConcept, of a type of Identifier.
func tokenText(n *fhir.Node, want string) bool {
	begins := func(t *fhir.Node) bool { return strings.HasPrefix(folded(t.Text()), want) && t.Text() != "" }
	if begins(n.Child("text")) || begins(n.Child("display")) || begins(n.Get("type", "text")) {
		return true
	}
	return slices.ContainsFunc(n.All("coding"), func(c *fhir.Node) bool { return begins(c.Child("display")) })
}
