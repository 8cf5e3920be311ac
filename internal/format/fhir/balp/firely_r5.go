package balp

import (
	"slices"

	"vigil/internal/format/fhir"
)

// severities are the words of R5's value set of outcomes for R4's codes. Firely
// Server has the words with R4's code system, which does not know them.
var severities = [...]struct{ r4, code, display string }{
	{"0", "success", "Success"},
	{"4", "warning", "Warning"},
	{"8", "error", "Error"},
	{"12", "fatal", "Fatal"},
}

// firelyR5 rewrites what Firely Server puts otherwise in R5 than the conversion of
// its R4 does (its documentation, "Auditing": the R5 example): the method is a
// category, the outcome a word, the path a query of DICOM's, and the agent of the
// client says nothing of a requestor that it is not.
func firelyR5(n *fhir.Node) {
	firelyCategory(n)
	if c := n.Get("outcome", "code"); c != nil {
		for _, s := range severities {
			if c.Child("code").Text() == s.r4 {
				n.Child("outcome").Put(fhir.NewObject("code", coding("http://hl7.org/fhir/issue-severity", s.code, s.display)...))
			}
		}
	}
	for _, a := range n.All("agent") {
		if a.Get("type", "coding", "code").Text() == "110153" && a.Child("requestor").Text() == "false" {
			a.Remove("requestor")
		}
	}
	for _, e := range n.All("entity") {
		for _, d := range e.All("detail") {
			if d.Get("type", "text").Text() == "path" && e.Get("role", "coding", "code").Text() == "24" {
				d.Put(fhir.NewObject("type", fhir.NewObject("coding", coding(dicom, "110112", "Query")...).Listed()))
			}
		}
	}
}

// firelyCategory moves the method from code to a category of its own, where code
// has the interaction as well.
func firelyCategory(n *fhir.Node) {
	code := n.Child("code")
	codings := code.All("coding")
	if len(codings) < 2 || codings[0].Child("system").Text() != verbSystem {
		return
	}
	verb := codings[0]
	code.Children = slices.DeleteFunc(code.Children, func(c *fhir.Node) bool { return c == verb })
	at := slices.Index(n.Children, code)
	n.Children = slices.Insert(n.Children, at, fhir.NewObject("category", verb).Listed())
}

// coding returns the children of a Coding.
func coding(system, code, display string) []*fhir.Node {
	return []*fhir.Node{fhir.NewString("system", system), fhir.NewString("code", code), fhir.NewString("display", display)}
}
