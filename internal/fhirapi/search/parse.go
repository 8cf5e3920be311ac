package search

import (
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"vigil/internal/format/fhir"
)

// Bounds of what a search may ask.
const (
	maxParameters = 100  // occurrences of parameters
	maxValues     = 500  // alternatives of all of them
	maxValue      = 8192 // bytes of one occurrence
	maxSort       = 8    // terms of _sort

	defaultCount = 50
	defaultMax   = 1000
)

// Parse reads the parameters of a search, by GET or POST. Its errors are *[Error].
func Parse(values url.Values, o Options) (*Search, error) {
	o.fill()
	s := &Search{Version: o.Version, Count: o.Count, used: url.Values{}}
	if err := checkSize(values); err != nil {
		return nil, err
	}
	dated := false
	for _, written := range slices.Sorted(maps.Keys(values)) {
		for _, value := range values[written] {
			if err := checkText(written, value); err != nil {
				return nil, err
			}
			if strings.Trim(value, ",") == "" {
				s.ignore(written, "it has no value")
				continue
			}
			if err := s.add(&o, written, value); err != nil {
				return nil, err
			}
			name, _, _ := strings.Cut(written, ":")
			dated = dated || name == "date" && !strings.HasSuffix(written, ":missing")
		}
	}
	if o.RequireDate && !dated {
		return nil, badf(codeRequired, "date", "a search needs a date, such as date=ge2026-01-01")
	}
	if o.Strict && len(s.Ignored) > 0 {
		i := s.Ignored[0]
		return nil, badf(codeNotSupported, i.Parameter, "%s", i.Reason)
	}
	operands := 0
	for _, c := range s.conditions {
		operands += len(c.dates) + len(c.tokens) + len(c.wanted) + len(c.texts)
	}
	if operands > maxValues {
		return nil, badf(codeTooCostly, "", "the search has %d values, it may have %d", operands, maxValues)
	}
	return s, nil
}

func (o *Options) fill() {
	if o.Zone == nil {
		o.Zone = time.UTC
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.MaxCount <= 0 {
		o.MaxCount = defaultMax
	}
	if o.Count <= 0 {
		o.Count = min(defaultCount, o.MaxCount)
	}
}

func checkSize(values url.Values) error {
	n := 0
	for _, v := range values {
		n += len(v)
	}
	if n > maxParameters {
		return badf(codeTooCostly, "", "the search has %d parameters, it may have %d", n, maxParameters)
	}
	return nil
}

func checkText(written, value string) error {
	switch {
	case len(written) > 200:
		return badf(codeInvalid, written, "no parameter has a name as long as that")
	case len(value) > maxValue:
		return badf(codeTooLong, written, "the value has %d bytes, it may have %d", len(value), maxValue)
	case !utf8.ValidString(value) || !utf8.ValidString(written):
		return badf(codeInvalid, written, "this is not UTF-8")
	case strings.ContainsFunc(value, func(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f }):
		return badf(codeValue, written, "the value has control characters")
	}
	return nil
}

func (s *Search) ignore(written, reason string) {
	s.Ignored = append(s.Ignored, Ignored{Parameter: shown(written), Reason: reason})
}

// add reads one occurrence of a parameter.
func (s *Search) add(o *Options, written, value string) error {
	if handled, err := s.control(o, written, value); handled || err != nil {
		if err == nil && written != pageParameter && written != sortParameter {
			s.used.Add(written, value)
		}
		return err
	}
	head, chain, _ := strings.Cut(written, ".")
	name, modifier, _ := strings.Cut(head, ":")
	if at, m, ok := strings.Cut(chain, ":"); ok && modifier == "" {
		return badf(codeNotSupported, written, "the modifier :%s is not served behind the chain .%s", shown(m), shown(at))
	}
	p := lookup(o.Version, name)
	if p == nil {
		s.ignore(written, unknown(o.Version, name))
		return nil
	}
	c, err := o.parseCondition(p, written, modifier, chain, value)
	if err != nil {
		return err
	}
	s.conditions = append(s.conditions, c)
	s.used.Add(written, value)
	return nil
}

// unknown says why there is no such parameter.
func unknown(v fhir.Version, name string) string {
	for _, other := range []fhir.Version{fhir.R4, fhir.R5} {
		if other != v && lookup(other, name) != nil {
			return "the parameter is one of " + other.String() + " and not of " + v.String()
		}
	}
	switch name {
	case "_include", "_revinclude":
		return "what events refer to is not kept here, so nothing can be included"
	case "_content", "_text", "_filter", "_has", "_list", "_query", "_type", "_in", "_contained", "_containedType", "_score", "_graph":
		return "the parameter is not served"
	}
	return "there is no such parameter of AuditEvent in " + v.String()
}

// control reads a parameter that is about the answer and not about the events.
func (s *Search) control(o *Options, written, value string) (bool, error) {
	bad := func(want string) (bool, error) { return true, badf(codeValue, written, "want %s", want) }
	switch written {
	case "_count":
		n, err := strconv.Atoi(value)
		if err != nil && strings.Trim(value, "0123456789") == "" {
			n, err = o.MaxCount, nil // more than an int holds
		}
		if err != nil || n < 0 {
			return bad("a number that is not negative")
		}
		s.Count = min(n, o.MaxCount)
	case "_total":
		i := slices.Index([]string{TotalNone: "none", TotalEstimate: "estimate", TotalAccurate: "accurate"}, value)
		if i <= 0 {
			return bad("none, estimate or accurate")
		}
		s.Total = Total(i)
	case "_summary":
		i := slices.Index([]string{"false", "true", "text", "data", "count"}, value)
		if i < 0 {
			return bad("true, text, data, count or false")
		}
		s.Summary = Summary(i)
	case "_elements":
		for _, e := range strings.Split(value, ",") {
			if e = strings.TrimPrefix(strings.TrimSpace(e), "AuditEvent."); e == "" || strings.Trim(e, elementLetters) != "" {
				return bad("names of elements between commas")
			}
			s.Elements = append(s.Elements, e)
		}
	case sortParameter:
		return true, s.sortBy(o, value)
	case "_format":
		s.Format = value
	case "_pretty":
		if value != "true" && value != "false" {
			return bad("true or false")
		}
		s.Pretty = value == "true"
	case pageParameter:
		var err error
		if s.page, err = parsePosition(value); err != nil {
			return true, badf(codeValue, written, "%v", err)
		}
	default:
		return false, nil
	}
	return true, nil
}

const elementLetters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-"

// sortParameter is how the events are sorted.
const sortParameter = "_sort"

// sortBy reads _sort: names of parameters between commas, - before those that
// are sorted downwards.
func (s *Search) sortBy(o *Options, value string) error {
	var used []string
	for _, term := range strings.Split(value, ",") {
		term = strings.TrimSpace(term)
		name, desc := strings.CutPrefix(term, "-")
		if name == "" {
			continue
		}
		p := lookup(o.Version, name)
		if p == nil {
			s.ignore(sortParameter+"="+name, unknown(o.Version, name))
			continue
		}
		s.Sort = append(s.Sort, SortKey{Name: name, Desc: desc, of: p})
		used = append(used, term)
	}
	if used != nil {
		s.used.Add(sortParameter, strings.Join(used, ","))
	}
	if len(s.Sort) > maxSort {
		return badf(codeTooCostly, sortParameter, "the search is sorted by %d parameters, it may be by %d", len(s.Sort), maxSort)
	}
	return nil
}
