package gateway

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
)

// A Level says how much of an exchange is recorded.
type Level uint8

// The levels. The words of [Level.String] are those of a configuration.
const (
	Unset           Level = iota // as without the policy
	None                         // nothing; such requests are counted, and the counts recorded
	Metadata                     // who asked what, and what came of it: the default
	Request                      // and the body of the request
	RequestResponse              // and the body of the response
)

var levelNames = [...]string{"", "none", "metadata", "request", "request-response"}

// String returns the level's word.
func (l Level) String() string {
	if int(l) < len(levelNames) {
		return levelNames[l]
	}
	return fmt.Sprintf("level %d", uint8(l))
}

// ParseLevel reads what [Level.String] returns; the empty string is Unset.
func ParseLevel(s string) (Level, error) {
	i := slices.Index(levelNames[:], strings.ToLower(strings.TrimSpace(s)))
	if i < 0 {
		return 0, fmt.Errorf("level %q: want none, metadata, request or request-response", s)
	}
	return Level(i), nil
}

var modeNames = [...]string{"spool", "strict", "besteffort"}

// String returns the mode's word.
func (m Mode) String() string {
	if int(m) < len(modeNames) {
		return modeNames[m]
	}
	return fmt.Sprintf("mode %d", uint8(m))
}

// ParseMode reads what [Mode.String] returns.
func ParseMode(s string) (Mode, error) {
	i := slices.Index(modeNames[:], strings.ToLower(strings.TrimSpace(s)))
	if i < 0 {
		return 0, fmt.Errorf("durability %q: want strict, spool or besteffort", s)
	}
	return Mode(i), nil
}

// A Policy says how the requests that it is for are recorded. Of several that
// are for a request, later ones override the level and the mode of earlier ones,
// and what they redact adds up.
//
// Some requests could mean another thing to the server than what they say: a path
// with . or .. or empty segments, with anything escaped, a backslash, a semicolon
// or what is not ASCII, a header or a parameter that overrides the method or the
// path. For these every policy counts that is for the request as it is written or
// as a server may read it, and only with what makes the record fuller, surer, or
// free of more: no such request is left out (level [None]). A policy counts that
// way too where a path differs from its route only by letters in the other case or
// by a slash at the end.
type Policy struct {
	Methods []string // such as GET; empty is every one
	// Route is a pattern for the path below the base of the FHIR server: * stands
	// for any characters but /, ** for any number of segments, so /metadata,
	// /Binary/*, /Patient/**, **/$export. Empty is every path. A path that is not
	// below the base counts as a whole.
	Route string
	Level Level
	Mode  *Mode // nil: as without the policy

	// Redact names what is replaced by the word REDACTED, Pseudonymize what is
	// replaced by a pseudonym (see [Pseudonyms]): header:NAME, query:NAME,
	// body:PATH. Names may have *. A body's path is made of the names of JSON or
	// XML from the nearest resource on, its type first: body:Patient.name.family,
	// body:Patient.**.value, body:**.birthDate. Lists count as their elements.
	// Parameters and fields that are passwords or tokens are always redacted.
	Redact       []string
	Pseudonymize []string
}

// policy is a Policy that was checked.
type policy struct {
	Policy
	route  *pattern // nil: every path
	fields []fieldRule
}

// policies are what is in force.
type policies struct {
	all    []policy
	base   Level // where no policy says one
	text   string
	sealed bool // nothing to decide: every request is recorded the same way

	mu     sync.Mutex
	merged map[string]*rules // by the numbers of the policies that are for a request
}

// effect is what the policies say of one request.
type effect struct {
	level Level
	mode  Mode
	rules *rules  // nil: only what is always redacted
	from  *policy // that set the level; nil: none
}

var errNoPseudonyms = errors.New("a policy asks for pseudonyms, and there is no key for them")

// knownMethods are those that a policy can be for: every other one is a mistake in it,
// and what comes with one is recorded as it is for policies without methods.
var knownMethods = []string{
	http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodOptions, http.MethodTrace,
}

// newPolicies checks list. level is that of requests without a policy.
func newPolicies(list []Policy, level Level, p *Pseudonyms) (*policies, error) {
	if level == Unset {
		level = Metadata
	}
	ps := &policies{base: level, merged: map[string]*rules{}, sealed: len(list) == 0}
	for i, pol := range list {
		one := policy{Policy: pol}
		one.Methods = nil
		for _, m := range pol.Methods { // what another reader would take for GET is not GET
			m = strings.ToUpper(m)
			if !slices.Contains(knownMethods, m) {
				return nil, fmt.Errorf("policy %d: method %q: want %s", i+1, m, strings.Join(knownMethods, ", "))
			}
			one.Methods = append(one.Methods, m)
		}
		var err error
		if pol.Route != "" {
			if one.route, err = compilePattern(pol.Route); err != nil {
				return nil, fmt.Errorf("policy %d: %w", i+1, err)
			}
		}
		if len(pol.Pseudonymize) > 0 && p == nil {
			return nil, fmt.Errorf("policy %d: %w", i+1, errNoPseudonyms)
		}
		for _, f := range pol.Redact {
			if one.fields, err = appendFieldRule(one.fields, f, false); err != nil {
				return nil, fmt.Errorf("policy %d: %w", i+1, err)
			}
		}
		for _, f := range pol.Pseudonymize {
			if one.fields, err = appendFieldRule(one.fields, f, true); err != nil {
				return nil, fmt.Errorf("policy %d: %w", i+1, err)
			}
		}
		ps.all = append(ps.all, one)
	}
	var err error
	ps.text, err = describe(list, level)
	return ps, err
}

// describe writes policies down as they are recorded.
func describe(list []Policy, level Level) (string, error) {
	type line struct {
		Methods      []string `json:"methods,omitempty"`
		Route        string   `json:"route,omitempty"`
		Level        string   `json:"level,omitempty"`
		Durability   string   `json:"durability,omitempty"`
		Redact       []string `json:"redact,omitempty"`
		Pseudonymize []string `json:"pseudonymize,omitempty"`
	}
	lines := []line{{Level: level.String()}}
	for _, p := range list {
		l := line{Methods: p.Methods, Route: p.Route, Level: p.Level.String(), Redact: p.Redact, Pseudonymize: p.Pseudonymize}
		if p.Mode != nil {
			l.Durability = p.Mode.String()
		}
		lines = append(lines, l)
	}
	b, err := json.Marshal(lines)
	return string(b), err
}

// strict reports whether some request may be Strict.
func (ps *policies) strict() bool {
	return slices.ContainsFunc(ps.all, func(p policy) bool { return p.Mode != nil && *p.Mode == Strict })
}

// of returns what holds for a request; mode is what would without policies.
func (ps *policies) of(r *http.Request, base string, mode Mode, p *Pseudonyms) effect {
	e := effect{level: ps.base, mode: mode}
	if ps.sealed {
		return e
	}
	q := readRequest(r, base)
	var which []byte
	for i := range ps.all {
		pol := &ps.all[i]
		switch {
		case pol.isFor(r.Method, q.written) && (!q.odd || pol.isForAll() && pol.Level != None):
			e.set(pol)
		case pol.mayBeFor(&q):
			e.add(pol)
		default:
			continue
		}
		if len(pol.fields) > 0 {
			which = append(which, byte(i), byte(i>>8))
		}
	}
	if which != nil {
		e.rules = ps.merge(which, p)
	}
	if q.odd && e.level == None { // it may be for none of those that are left out
		e.level, e.from = Metadata, nil
	}
	return e
}

// set makes what pol says hold.
func (e *effect) set(pol *policy) {
	if pol.Level != Unset {
		e.level, e.from = pol.Level, pol
	}
	if pol.Mode != nil {
		e.mode = *pol.Mode
	}
}

// add makes that of pol hold that makes the record fuller or surer.
func (e *effect) add(pol *policy) {
	if pol.Level > e.level {
		e.level, e.from = pol.Level, pol
	}
	if pol.Mode != nil && (*pol.Mode == Strict || e.mode == BestEffort) {
		e.mode = *pol.Mode
	}
}

// merge puts the fields of several policies together, once.
func (ps *policies) merge(which []byte, p *Pseudonyms) *rules {
	ps.mu.Lock()
	defer ps.mu.Unlock()
	if r := ps.merged[string(which)]; r != nil {
		return r
	}
	r := &rules{pseudonyms: p}
	for i := 0; i < len(which); i += 2 {
		r.fields = append(r.fields, ps.all[int(which[i])|int(which[i+1])<<8].fields...)
	}
	if len(ps.merged) < 1024 {
		ps.merged[string(which)] = r
	}
	return r
}
