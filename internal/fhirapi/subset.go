package fhirapi

import (
	"slices"
	"strings"

	"vigil/internal/fhirapi/search"
	"vigil/internal/format/fhir"
)

// subset chooses the elements of an answer's resources (_summary, _elements).
type subset struct {
	whole    bool
	drop     string              // an element to leave out, where the rest stays
	keep     []string            // elements of the root
	children map[string][]string // of those that are not kept whole
}

// mandatory are the elements that a version requires: every subset has them.
var mandatory = [...][]string{
	fhir.R4: {"type", "recorded", "agent", "source"},
	fhir.R5: {"code", "recorded", "agent", "source"},
}

// always are the elements that every subset has beside those.
var always = []string{"id", "meta", "implicitRules", "modifierExtension"}

// summaries are the elements marked as summary in the definitions (isSummary),
// beside the mandatory ones.
var summaries = [...][]string{
	fhir.R4: {"subtype", "action", "outcome", "outcomeDesc", "purposeOfEvent", "entity"},
	fhir.R5: {"category", "action", "severity", "outcome", "authorization", "entity"},
}

// summaryChildren are the same below elements of the root.
var summaryChildren = map[string][]string{
	"agent":  {"modifierExtension", "who", "requestor"},
	"source": {"modifierExtension", "observer"},
	"entity": {"modifierExtension", "what", "name", "query"},
}

// subsetOf returns what a search asks for.
func subsetOf(s *search.Search, v fhir.Version) subset {
	switch {
	case s.Summary == search.SummaryTrue:
		return subset{keep: slices.Concat(always, mandatory[v], summaries[v]), children: summaryChildren}
	case s.Summary == search.SummaryText:
		return subset{keep: slices.Concat(always, mandatory[v], []string{"text"})}
	case s.Summary == search.SummaryData:
		return subset{drop: "text"}
	case s.Elements != nil:
		keep := slices.Concat(always, mandatory[v])
		for _, e := range s.Elements {
			name, _, _ := strings.Cut(e, ".")
			keep = append(keep, name)
		}
		return subset{keep: keep}
	}
	return subset{whole: true}
}

// of returns n with the elements that were asked for, and the tag that says that
// it is not whole. N is changed.
func (s subset) of(n *fhir.Node) *fhir.Node {
	if s.whole {
		return n
	}
	n.Children = slices.DeleteFunc(n.Children, func(c *fhir.Node) bool {
		if s.keep == nil {
			return c.Name == s.drop
		}
		if below := s.children[c.Name]; below != nil {
			c.Children = slices.DeleteFunc(c.Children, func(x *fhir.Node) bool { return !slices.Contains(below, x.Name) })
			if len(c.Children) == 0 {
				return true
			}
		}
		return !slices.Contains(s.keep, c.Name)
	})
	meta := n.Child("meta")
	tags := append(meta.Remove("tag"), fhir.NewObject("tag",
		fhir.NewString("system", "http://terminology.hl7.org/CodeSystem/v3-ObservationValue"), fhir.NewString("code", "SUBSETTED"),
	).Listed())
	meta.Add(tags...)
	return n
}
