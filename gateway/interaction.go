package gateway

import (
	"net/url"
	"slices"
	"strings"
)

// A target is what a request asks for, as its method and URL say.
type target struct {
	interaction string // FHIR's code; empty: none of FHIR's
	operation   string
	typ, id     string
	version     string
	compartment string
	condition   string
	route       string
	patients    []string
	bundle      bool // a batch or transaction: the body says which
}

// classify reads a request as FHIR's RESTful API has it (R4 and R5, section
// "RESTful API"). segs are those of the path below the base of the server.
func classify(method string, segs []string, rawQuery, ifNoneExist string) target {
	t := target{route: method + " " + template(segs)}
	t.read(method, segs, rawQuery, ifNoneExist)
	t.patients = appendPatients(nil, t.typ, rawQuery)
	if t.typ == "Patient" && isID(t.id) {
		t.patients = appendNew(t.patients, "Patient/"+t.id)
	}
	if p := patientOf(t.compartment); p != "" {
		t.patients = appendNew(t.patients, p)
	}
	return t
}

func (t *target) read(method string, segs []string, rawQuery, ifNoneExist string) {
	if i := slices.IndexFunc(segs, func(s string) bool { return strings.HasPrefix(s, "$") }); i >= 0 {
		t.operation = segs[i]
		t.interaction = "operation"
		t.place(segs[:i])
		return
	}
	reads := method == "GET" || method == "HEAD"
	switch {
	case len(segs) == 0:
		t.system(method, reads, rawQuery)
	case len(segs) == 1 && segs[0] == "metadata":
		if reads || method == "OPTIONS" {
			t.interaction = "capabilities"
		}
	case len(segs) == 1 && segs[0] == "_history":
		if reads {
			t.interaction = "history-system"
		}
	case len(segs) == 1 && segs[0] == "_search":
		if method == "POST" || reads {
			t.interaction = "search-system"
		}
	case isType(segs[0]):
		t.resource(method, reads, segs, rawQuery, ifNoneExist)
	}
}

func (t *target) system(method string, reads bool, rawQuery string) {
	switch {
	case reads && rawQuery == "":
		t.interaction = "" // the root page of a server
	case reads:
		t.interaction = "search-system"
	case method == "POST":
		t.bundle, t.interaction = true, "batch" // until the body says otherwise
	case method == "DELETE":
		t.interaction, t.condition = "delete", rawQuery
	case method == "OPTIONS":
		t.interaction = "capabilities"
	}
}

// place says what resource, type or version an operation or search is about.
func (t *target) place(segs []string) {
	if len(segs) > 0 && isType(segs[0]) {
		t.typ = segs[0]
		if len(segs) > 1 {
			t.id = segs[1]
		}
		if len(segs) > 3 && segs[2] == "_history" {
			t.version = segs[3]
		}
	}
}

func (t *target) resource(method string, reads bool, segs []string, rawQuery, ifNoneExist string) {
	t.typ = segs[0]
	switch {
	case len(segs) == 1:
		t.ofType(method, reads, rawQuery, ifNoneExist)
	case len(segs) == 2 && segs[1] == "_search":
		if method == "POST" || reads {
			t.interaction = "search-type"
		}
	case len(segs) == 2 && segs[1] == "_history":
		if reads {
			t.interaction = "history-type"
		}
	case len(segs) == 2:
		t.id = segs[1]
		t.ofInstance(method, reads)
	case segs[2] == "_history":
		t.id = segs[1]
		if len(segs) > 3 {
			t.version = segs[3]
		}
		switch {
		case reads && len(segs) == 3:
			t.interaction = "history-instance"
		case reads && len(segs) == 4:
			t.interaction = "vread"
		case method == "DELETE": // R5: delete-history, delete-history-version
			t.interaction = "delete"
		}
	case isType(segs[2]) || segs[2] == "*" || segs[2] == "_search":
		t.compartment = segs[0] + "/" + segs[1]
		if t.typ = ""; isType(segs[2]) {
			t.typ = segs[2]
		}
		if reads || method == "POST" && segs[len(segs)-1] == "_search" {
			t.interaction = "search-type"
		}
	default:
		t.id = segs[1]
	}
}

func (t *target) ofType(method string, reads bool, rawQuery, ifNoneExist string) {
	switch {
	case reads:
		t.interaction = "search-type"
	case method == "POST":
		t.interaction, t.condition = "create", ifNoneExist
	case method == "PUT":
		t.interaction, t.condition = "update", rawQuery
	case method == "PATCH":
		t.interaction, t.condition = "patch", rawQuery
	case method == "DELETE":
		t.interaction, t.condition = "delete", rawQuery
	}
}

func (t *target) ofInstance(method string, reads bool) {
	switch {
	case reads:
		t.interaction = "read"
	case method == "PUT":
		t.interaction = "update"
	case method == "PATCH":
		t.interaction = "patch"
	case method == "DELETE":
		t.interaction = "delete"
	}
}

// searches reports whether the answer is a list that the caller chose by
// parameters or pages through.
func (t *target) searches() bool {
	switch t.interaction {
	case "search-type", "search-system", "history-instance", "history-type", "history-system":
		return true
	}
	return false
}

// segments splits an escaped path and unescapes its parts, as most servers do
// it: empty parts and what comes after a semicolon count for nothing, and .. takes
// back the part before it.
func segments(path string) []string {
	var out []string
	for s := range strings.SplitSeq(path, "/") {
		s, _, _ = strings.Cut(s, ";")
		if u, err := url.PathUnescape(s); err == nil {
			s = u
		}
		switch s {
		case "", ".":
		case "..":
			out = out[:max(len(out)-1, 0)]
		default:
			out = append(out, s)
		}
	}
	return out
}

// template is a path with its ids left out, so that there are few of them.
func template(segs []string) string {
	if len(segs) == 0 {
		return "/"
	}
	var b strings.Builder
	for _, s := range segs {
		b.WriteByte('/')
		if isWord(s) {
			b.WriteString(s)
		} else {
			b.WriteByte('?')
		}
	}
	return b.String()
}

// isWord reports whether s is a type, an operation or one of FHIR's own names.
func isWord(s string) bool {
	switch s {
	case "_history", "_search", "metadata", "*":
		return true
	}
	if name, ok := strings.CutPrefix(s, "$"); ok {
		return isName(name)
	}
	return isType(s)
}

func isName(s string) bool {
	for i := range len(s) {
		if c := s[i]; !(c|0x20 >= 'a' && c|0x20 <= 'z' || c >= '0' && c <= '9' && i > 0 || c == '-' || c == '_' || c == '.') {
			return false
		}
	}
	return s != "" && len(s) <= 64
}

// isType reports whether s looks like a resource type: servers have types of
// their own, and a request for one that the server does not know is one too.
func isType(s string) bool {
	if len(s) < 3 || len(s) > 64 || s[0] < 'A' || s[0] > 'Z' {
		return false
	}
	lower := false
	for i := range len(s) {
		c := s[i]
		if c|0x20 < 'a' || c|0x20 > 'z' {
			return false
		}
		lower = lower || c >= 'a'
	}
	return lower
}

// splitBase cuts the base of the FHIR server off an escaped path. An empty base
// is found: it is what comes before the first part that FHIR has a meaning for. A
// path that is not below it is returned whole.
func splitBase(path, base string) (rest string, ok bool) {
	if base != "" {
		base = strings.TrimSuffix(base, "/")
		if rest, ok = strings.CutPrefix(path, base); ok && (rest == "" || rest[0] == '/') {
			return rest, true
		}
		return path, false
	}
	at := 0
	for s := range strings.SplitSeq(path, "/") {
		if s != "" && isWord(s) {
			return path[max(at-1, 0):], true
		}
		at += len(s) + 1
	}
	if strings.Trim(path, "/") == "" {
		return "", true
	}
	return path, false
}

// belowBase returns the segments of a path below the base, in whatever way the
// path is written. Where it is not below it they are all of them.
func belowBase(segs []string, base string) ([]string, bool) {
	if base == "" {
		if i := slices.IndexFunc(segs, isWord); i >= 0 {
			return segs[i:], true
		}
		return segs, len(segs) == 0
	}
	b := segments(base)
	if len(segs) < len(b) || !slices.EqualFunc(segs[:len(b)], b, strings.EqualFold) {
		return segs, false
	}
	return segs[len(b):], true
}

// appendPatients adds the patients that search parameters name.
func appendPatients(out []string, typ, rawQuery string) []string {
	for pair := range strings.SplitSeq(rawQuery, "&") {
		name, val, ok := strings.Cut(pair, "=")
		if !ok || val == "" {
			continue
		}
		name, val = unescape(name), unescape(val)
		for v := range strings.SplitSeq(val, ",") {
			if p := searchedPatient(typ, name, v); p != "" && len(out) < maxPatients {
				out = appendNew(out, p)
			}
		}
	}
	return out
}

// searchedPatient returns the patient that a search parameter asks for.
func searchedPatient(typ, name, v string) string {
	if p := patientOf(v); p != "" {
		return p
	}
	base, modifier, _ := strings.Cut(name, ":")
	switch {
	case strings.Contains(v, "/") || !isID(v) || strings.Contains(v, "|"):
	case strings.Contains(name, "."): // a chain: the value is something else
	case modifier != "" && modifier != "Patient":
	case base == "patient", modifier == "Patient", base == "_id" && typ == "Patient":
		return "Patient/" + v
	}
	return ""
}

// unescape is lenient: what cannot be unescaped stays.
func unescape(s string) string {
	if u, err := url.QueryUnescape(s); err == nil {
		return u
	}
	return s
}

func appendNew(list []string, more ...string) []string {
	for _, s := range more {
		if s != "" && !slices.Contains(list, s) {
			list = append(list, s)
		}
	}
	return list
}
