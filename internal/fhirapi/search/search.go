package search

import (
	"net/url"
	"slices"
	"time"

	"vigil/internal/format/fhir"
)

// A Total says whether a page tells how many events match.
type Total uint8

// The totals. TotalDefault tells where it costs nothing.
const (
	TotalDefault Total = iota
	TotalNone
	TotalEstimate
	TotalAccurate
)

// A Summary says which parts of each event are asked for.
type Summary uint8

// The summaries.
const (
	SummaryFalse Summary = iota
	SummaryTrue          // elements that are marked as summary
	SummaryText          // text, id, meta and what is mandatory
	SummaryData          // without text
	SummaryCount         // no events, only their number
)

// Options say how parameters are read.
type Options struct {
	Version fhir.Version // R4 or R5
	// Strict refuses parameters that are not known, which are else left out of
	// [Search.Self] and named in [Search.Ignored].
	Strict bool
	// RequireDate refuses searches that have no date with a value, as ITI-81 has it.
	RequireDate bool
	Base        string         // our own address, such as https://vigil.example/fhir: references to it are local
	Zone        *time.Location // of times that name none; nil is UTC
	Now         func() time.Time
	Count       int // events on a page where _count is not given; 0 is 50
	MaxCount    int // events on a page at most; 0 is 1000
}

// Search is a search that was understood. It is safe for concurrent use.
type Search struct {
	Version  fhir.Version
	Count    int // events on a page
	Total    Total
	Summary  Summary
	Elements []string // nil: every one
	Sort     []SortKey
	Pretty   bool
	Format   string // value of _format
	// Ignored are the parameters that were left out, as they were written, with
	// the reason. The face may tell them in an OperationOutcome.
	Ignored []Ignored

	conditions []*condition
	used       url.Values // what was understood, without the page
	page       position
}

// Ignored is a parameter that did not count.
type Ignored struct{ Parameter, Reason string }

// SortKey is one term of _sort.
type SortKey struct {
	Name string // of the parameter
	Desc bool
	of   *parameter
}

// Match reports whether an AuditEvent, as it is converted for the search's
// version, is what is searched for.
func (s *Search) Match(n *fhir.Node) bool {
	return !slices.ContainsFunc(s.conditions, func(c *condition) bool { return !c.holds(n) })
}

// Self returns the query of the page that this search is of, with the parameters
// that counted, in one order and encoding.
func (s *Search) Self() string { return s.link(s.page) }

func (s *Search) link(p position) string {
	v := make(url.Values, len(s.used)+1)
	for k, x := range s.used {
		v[k] = x
	}
	if p.set {
		v[pageParameter] = []string{p.String()}
	}
	return v.Encode()
}
