package fhir

import (
	"slices"
	"strconv"
)

// A Severity is how much an [Issue] matters.
type Severity uint8

// The severities, as FHIR orders them.
const (
	Information Severity = iota
	Warning
	Error
)

// String returns the code of FHIR's issue-severity.
func (s Severity) String() string { return [...]string{"information", "warning", "error"}[s] }

// An Issue is something that a resource should not have, or should have.
type Issue struct {
	Severity Severity
	Code     string // of FHIR's issue-type: structure, required, value, code-invalid, invariant, …
	Location string // FHIRPath: AuditEvent.agent[0].who
	Text     string // for developers; has no values but codes
	Rule     string // the constraint's key, where it is one: sev-1
	Profile  string // the profile that asks for it, "" for FHIR itself
}

// String returns the issue in one line.
func (i Issue) String() string {
	s := i.Severity.String()
	if i.Location != "" {
		s += " " + i.Location
	}
	s += ": " + i.Text
	if i.Rule != "" {
		s += " (" + i.Rule + ")"
	}
	if i.Profile != "" {
		s += " [" + i.Profile + "]"
	}
	return s
}

// Failed reports whether one of the issues is an error.
func Failed(issues []Issue) bool {
	return slices.ContainsFunc(issues, func(i Issue) bool { return i.Severity >= Error })
}

// A Policy says how grave it is when a resource breaks a profile it claims.
type Policy uint8

// The policies. Under Refuse and Quarantine, issues of profiles are errors; the
// two differ in what the caller does with them.
const (
	Warn Policy = iota
	Refuse
	Quarantine
	Ignore // profiles are not looked at
)

// Options say what to validate against.
type Options struct {
	Version  Version
	Profiles Policy
	// Also are profiles to check besides those in meta.profile.
	Also []string
	// BestPractice also reports what FHIR only recommends: dom-6.
	BestPractice bool
	// MaxIssues is how many errors are listed at most, and how many issues that are
	// none: these never take the place of an error. Default 100.
	MaxIssues int
}

// validator walks one resource.
type validator struct {
	Options
	schema   *schema
	root     *Node // the outermost resource
	resource *Node // the resource that the walk is in
	path     []step
	issues   []Issue
	errors   int    // among issues
	claimed  uint32 // profiles that were checked, by their place in balpProfiles
	profile  string // being checked, "" for FHIR
}

// step is an element on the way to where the walk is.
type step struct {
	name  string
	index int // -1 for elements that do not repeat
}

// full reports whether enough errors are listed: there is no use in looking for
// more.
func (v *validator) full() bool { return v.errors >= v.MaxIssues }

// report adds an issue at the current element, or at its child.
func (v *validator) report(code, child, rule, text string) {
	severity := Error
	if v.profile != "" && v.Profiles == Warn {
		severity = Warning
	}
	v.add(severity, code, child, rule, text)
}

func (v *validator) add(severity Severity, code, child, rule, text string) {
	listed := len(v.issues) - v.errors
	if severity == Error {
		listed = v.errors
	}
	if listed >= v.MaxIssues {
		return
	}
	if severity == Error {
		v.errors++
	}
	if listed == v.MaxIssues-1 {
		v.issues = append(v.issues, Issue{
			Severity: severity, Code: "too-long", Location: v.path[0].name, Text: "there are more issues than are listed here", Profile: v.profile,
		})
		return
	}
	v.issues = append(v.issues, Issue{
		Severity: severity, Code: code, Location: v.location(child), Text: text, Rule: rule, Profile: v.profile,
	})
}

// location writes the path as FHIRPath. Names that are no identifiers are in
// backticks, and cut where they are long.
func (v *validator) location(child string) string {
	var b []byte
	for i, s := range v.path {
		if i > 0 {
			b = append(b, '.')
		}
		b = appendName(b, s.name)
		if s.index >= 0 {
			b = append(b, '[')
			b = strconv.AppendInt(b, int64(s.index), 10)
			b = append(b, ']')
		}
	}
	if child != "" {
		b = appendName(append(b, '.'), child)
	}
	return string(b)
}

func appendName(b []byte, name string) []byte {
	const longest = 64
	plain := len(name) <= longest && name != ""
	for i := range min(len(name), longest) {
		plain = plain && (name[i]|0x20 >= 'a' && name[i]|0x20 <= 'z' || isDigit(name[i]) || name[i] == '_')
	}
	if plain {
		return append(b, name...)
	}
	b = append(b, '`')
	for _, r := range name[:min(len(name), longest)] {
		if r < 0x20 || r == '`' || r == '\\' || r == 0xFFFD {
			r = '?'
		}
		b = append(b, string(r)...)
	}
	return append(b, '`')
}

func (v *validator) push(name string, index int) { v.path = append(v.path, step{name, index}) }
func (v *validator) pop()                        { v.path = v.path[:len(v.path)-1] }
