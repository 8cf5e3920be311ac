package gateway

import (
	"bytes"
	"slices"
	"strconv"
	"strings"
)

// Bounds of what is taken from one body.
const (
	maxKept     = 100_000 // elements of a list
	maxPatients = 10_000  // patients of a resource
)

// A resource is what the record needs of one, and of what is in it.
type resource struct {
	typ, id, version string
	code             string   // Bundle.type
	total            *int64   // Bundle.total
	next             []string // addresses of other pages
	patients         []string // Patient/id, or urn:uuid:… as written
	entries          []*entry
	parts            []*resource // of Parameters
	issues           []issue
}

type entry struct {
	fullURL, mode                     string
	method, url, ifNoneExist, ifMatch string
	status, location, etag            string
	resource, outcome                 *resource
}

type issue struct{ severity, code, text, diagnostics string }

// role is what the extractor is inside of.
type role uint8

const (
	inOther role = iota
	inResource
	inMeta
	inEntry
	inRequest
	inResponse
	inSearch
	inLink
	inIssue
	inDetails
	inParameter
	inReference // an element that may refer to the patient whose record it is
	inIgnored
)

type node struct {
	role role
	res  *resource
	e    *entry
	// Of a link: the two values, in any order.
	relation, url string
}

// extractor is a sink that builds a resource. A body may be cut anywhere: what
// came before is kept.
type extractor struct {
	root  *resource
	stack []node
}

func (x *extractor) open(name []byte) {
	if len(x.stack) == 0 {
		if x.root == nil {
			x.root = &resource{}
		}
		x.stack = append(x.stack, node{role: inResource, res: x.root})
		return
	}
	x.stack = append(x.stack, x.child(&x.stack[len(x.stack)-1], name))
}

// child returns the node for the member name of n.
func (x *extractor) child(n *node, name []byte) node {
	c := node{res: n.res, e: n.e}
	switch n.role {
	case inIgnored:
		c.role = inIgnored
		return c
	case inResource:
		c.role = x.member(&c, name)
	case inEntry:
		switch string(name) {
		case "resource":
			n.e.resource = &resource{}
			c.role, c.res, c.e = inResource, n.e.resource, nil
		case "request":
			c.role = inRequest
		case "response":
			c.role = inResponse
		case "search":
			c.role = inSearch
		case "link":
			c.role = inIgnored
		}
	case inResponse:
		if string(name) == "outcome" {
			n.e.outcome = &resource{}
			c.role, c.res, c.e = inResource, n.e.outcome, nil
		}
	case inIssue:
		if string(name) == "details" {
			c.role = inDetails
		}
	case inParameter:
		switch string(name) {
		case "part":
			c.role = inParameter
		case "valueReference":
			c.role = inReference
		case "resource":
			part := &resource{}
			if len(n.res.parts) < maxKept {
				n.res.parts = append(n.res.parts, part)
			}
			c.role, c.res = inResource, part
		}
	}
	if c.role == inOther && refersToPatient(name) {
		c.role = inReference
	}
	return c
}

// member returns the role of a member of a resource and fills c.
func (x *extractor) member(c *node, name []byte) role {
	switch string(name) {
	case "meta":
		return inMeta
	case "contained", "text", "extension", "modifierExtension":
		return inIgnored
	case "entry":
		c.e = &entry{}
		if len(c.res.entries) < maxKept {
			c.res.entries = append(c.res.entries, c.e)
		}
		return inEntry
	case "link":
		return inLink
	case "issue":
		if len(c.res.issues) < maxKept {
			c.res.issues = append(c.res.issues, issue{})
		}
		return inIssue
	case "parameter":
		return inParameter
	}
	return inOther
}

// refersToPatient reports whether an element of this name, where it refers to a
// patient, says whose record the resource belongs to.
func refersToPatient(name []byte) bool {
	switch string(name) {
	case "subject", "patient", "beneficiary", "individual", "for", "actor", "entity", "subscriber", "target", "policyHolder", "what", "item", "other":
		return true
	}
	return false
}

func (x *extractor) value(name, text []byte) {
	if len(x.stack) == 0 || len(text) == 0 {
		return
	}
	n := &x.stack[len(x.stack)-1]
	r := n.res
	switch n.role {
	case inResource:
		x.resourceValue(r, name, text)
	case inMeta:
		set(&r.version, name, "versionId", text)
	case inEntry:
		set(&n.e.fullURL, name, "fullUrl", text)
	case inRequest:
		set(&n.e.method, name, "method", text)
		set(&n.e.url, name, "url", text)
		set(&n.e.ifNoneExist, name, "ifNoneExist", text)
		set(&n.e.ifMatch, name, "ifMatch", text)
	case inResponse:
		set(&n.e.status, name, "status", text)
		set(&n.e.location, name, "location", text)
		set(&n.e.etag, name, "etag", text)
	case inSearch:
		set(&n.e.mode, name, "mode", text)
	case inLink:
		set(&n.relation, name, "relation", text)
		set(&n.url, name, "url", text)
	case inIssue, inDetails:
		if len(r.issues) == 0 {
			return
		}
		i := &r.issues[len(r.issues)-1]
		if n.role == inDetails {
			set(&i.text, name, "text", text)
			return
		}
		set(&i.severity, name, "severity", text)
		set(&i.code, name, "code", text)
		set(&i.diagnostics, name, "diagnostics", text)
	case inReference:
		if string(name) == "reference" {
			r.addPatient(string(text))
		}
	}
}

func (x *extractor) resourceValue(r *resource, name, text []byte) {
	switch string(name) {
	case "resourceType":
		if r.typ == "" {
			r.typ = string(text)
		}
	case "id":
		r.id = string(text)
	case "type":
		r.code = string(text)
	case "total":
		if n, err := strconv.ParseInt(string(text), 10, 64); err == nil {
			r.total = &n
		}
	}
}

func (x *extractor) deaf() bool {
	return len(x.stack) > 0 && x.stack[len(x.stack)-1].role == inIgnored
}

func set(to *string, name []byte, want string, text []byte) {
	if string(name) == want {
		*to = string(text)
	}
}

func (x *extractor) close() {
	n := &x.stack[len(x.stack)-1]
	if n.role == inLink && n.url != "" {
		switch n.relation {
		case "next", "previous", "prev", "first", "last", "self":
			n.res.next = append(n.res.next, n.url)
		}
	}
	x.stack = x.stack[:len(x.stack)-1]
}

// scanLines reads a resource on each line. The result has no type and the
// resources as its parts.
func scanLines(b []byte) (*resource, error) {
	all := &resource{}
	var wrong error
	for line := range bytes.Lines(b) {
		if line = bytes.TrimSpace(line); len(line) == 0 {
			continue
		}
		x := &extractor{}
		if err := scanJSON(line, x); err != nil {
			wrong = err
		}
		if x.root != nil && len(all.parts) < maxKept {
			all.parts = append(all.parts, x.root)
		}
	}
	return all, wrong
}

// addPatient keeps ref where it refers to a patient, or to a resource of the
// same bundle that may be one.
func (r *resource) addPatient(ref string) {
	p := patientOf(ref)
	if p == "" && strings.HasPrefix(ref, "urn:") {
		p = ref
	}
	if p != "" && len(r.patients) < maxPatients && !slices.Contains(r.patients, p) {
		r.patients = append(r.patients, p)
	}
}

// patientOf returns Patient/id for a reference to a patient, relative or
// absolute, with a version or without; else nothing.
func patientOf(ref string) string {
	const prefix = "Patient/"
	i := strings.LastIndex(ref, prefix)
	if i < 0 || i > 0 && ref[i-1] != '/' {
		return ""
	}
	id, rest, versioned := strings.Cut(ref[i+len(prefix):], "/")
	if versioned && !strings.HasPrefix(rest, "_history/") || !isID(id) {
		return ""
	}
	return prefix + id
}

// isID reports whether s is a FHIR id; longer ones that servers give are taken too.
func isID(s string) bool {
	if s == "" || len(s) > 256 {
		return false
	}
	for i := range len(s) {
		switch c := s[i]; {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', c == '-', c == '.', c == '_', c == ':', c == '|':
		default:
			return false
		}
	}
	return true
}

// all calls f for r and for every resource in it, outcomes aside.
func (r *resource) all(f func(*resource)) {
	if r == nil {
		return
	}
	f(r)
	for _, e := range r.entries {
		e.resource.all(f)
	}
	for _, p := range r.parts {
		p.all(f)
	}
}

// versioned returns Type/id or Type/id/_history/version, nothing without an id.
func (r *resource) versioned() string {
	switch {
	case r == nil || r.typ == "" || r.id == "":
		return ""
	case r.version == "":
		return r.typ + "/" + r.id
	}
	return r.typ + "/" + r.id + "/_history/" + r.version
}

// outcomeText returns what an OperationOutcome says, one line for each issue.
func (r *resource) outcomeText() string {
	if r == nil || r.typ != "OperationOutcome" {
		return ""
	}
	var lines []string
	for i, is := range r.issues {
		if i == 20 {
			break
		}
		text := is.text
		if is.diagnostics != "" && is.diagnostics != text {
			if text != "" {
				text += " "
			}
			text += is.diagnostics
		}
		if text == "" {
			text = is.code
		}
		if is.severity != "" {
			text = is.severity + ": " + text
		}
		lines = append(lines, clip(text, 1000))
	}
	return strings.Join(lines, "\n")
}

// clip cuts s to n bytes at most, between characters.
func clip(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && s[n]&0xc0 == 0x80 {
		n--
	}
	return s[:n]
}
