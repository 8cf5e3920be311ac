package gateway

import (
	"fmt"
	"mime"
	"slices"
	"strconv"
	"strings"

	"vigil"
)

// interpret makes the exchange of a capture: it reads the bodies.
func (r *Reader) interpret(c *capture) *vigil.Exchange {
	x := c.exchange()
	var t target
	segs, inBase := belowBase(segments(c.path), c.base)
	if inBase {
		t = classify(strings.ToUpper(c.method), segs, c.query, c.ifNoneExist)
	} else {
		t = target{route: c.method + " " + template(segs)}
	}
	in := interpreter{x: x, c: c, t: &t, base: c.shownBase(), rules: readRules(c.redact, r.pseudonyms)}
	in.req = in.read(body{which: "request", b: c.reqBody, media: c.contentType, coding: c.contentEncoding, cut: c.reqCut, unread: c.reqUnread, keep: c.keepReq, size: c.reqBytes}, r)
	in.resp = in.read(body{which: "response", b: c.respBody, media: c.respType, coding: c.respCoding, cut: c.respCut, unread: c.respUnread, keep: c.keepResp, size: c.respBytes}, r)
	in.run()
	if x.Search != nil {
		r.pages.link(x, in.resp, in.rules)
	}
	return x
}

// shownBase is what comes before the FHIR part of the path, as the client sees it.
func (c *capture) shownBase() string {
	rest, ok := splitBase(c.path, c.base)
	switch {
	case ok:
		return strings.TrimSuffix(c.path, rest)
	case c.base == "":
		return c.path
	}
	return strings.TrimSuffix(c.base, "/")
}

// exchange is c without what is read from its bodies.
func (c *capture) exchange() *vigil.Exchange {
	x := &vigil.Exchange{
		ID: c.id, RequestID: c.requestID, Correlation: c.correlation, Connection: c.connection,
		Start: c.start, Duration: c.duration,
		Method: c.method, Host: c.host, Protocol: c.proto, Path: c.path, RawQuery: c.query,
		Status: c.status, RequestBytes: c.reqBytes, ResponseBytes: c.respBytes,
		Complete: c.complete, Error: c.failure,
		Peer: c.peer, Forwarded: c.forwarded, UserAgent: c.userAgent, User: c.user,
		Purpose: c.purpose, Notes: c.notes, Gateway: c.gateway, Upstream: c.upstream,
	}
	if x.RequestID == "" {
		x.RequestID = c.respRequestID
	}
	if !c.ended {
		x.Complete = false
		x.Error = "the gateway was stopped before the exchange ended"
	}
	for _, h := range c.headers {
		if x.Headers == nil {
			x.Headers = map[string]string{}
		}
		x.Headers[h[0]] = h[1]
	}
	if len(c.audit) > 0 {
		var err error
		if x.Audit, err = readAudit(c.audit); err != nil {
			x.Notes = append(x.Notes, "X-Audit is not recorded: "+err.Error())
		}
	}
	return x
}

type interpreter struct {
	x         *vigil.Exchange
	c         *capture
	t         *target
	base      string // path before the FHIR part, as the client sees it
	req, resp *resource
	form      string // body of a POST _search
	rules     *rules
}

// body is what was captured of a body.
type body struct {
	which             string // request or response
	b                 []byte
	media, coding     string
	cut, unread, keep bool
	size              int64 // of the whole
}

// read returns what the body says; nil if it says nothing that is understood.
func (in *interpreter) read(c body, r *Reader) *resource {
	note := func(format string, args ...any) {
		in.x.Notes = append(in.x.Notes, c.which+" body "+fmt.Sprintf(format, args...))
	}
	if c.cut {
		note("is recorded from its first %d bytes only", len(c.b))
	}
	if c.unread && c.size > 0 && in.c.status < 400 && in.t.interaction != "" && in.t.typ != "Binary" && !isRead(c.media) {
		note("is not read, since its type is none of FHIR's: %.100s", c.media)
	}
	if c.unread || len(c.b) == 0 {
		return nil
	}
	text, more, err := decode(c.b, c.coding, r.maxDecoded)
	if err != nil {
		if !c.cut || len(text) == 0 {
			note("is not read: %v", err)
		}
		c.cut = true
	}
	if len(text) == 0 {
		return nil
	}
	if more {
		note("is read to %d bytes only", r.maxDecoded)
		c.cut = true
	}
	media, params, _ := mime.ParseMediaType(c.media)
	plain := inUTF8(text, params["charset"])
	kind := kindOf(media, plain)
	if kind == kindJSON || kind == kindXML || kind == kindLines {
		text = plain
	}
	if c.keep {
		kept := &vigil.Body{MediaType: clip(c.media, maxClaim), Cut: true}
		if in.rules.readable(kind, media, in.t.interaction) {
			kept = in.rules.kept(kind, c.media, text, c.cut, r.maxKept)
		} else {
			note("is not kept, since what must be redacted cannot be told in it")
		}
		if c.which == "request" {
			in.x.RequestBody = kept
		} else {
			in.x.ResponseBody = kept
		}
	}
	x := &extractor{}
	switch kind {
	case kindForm:
		if c.which == "request" {
			in.form = in.rules.query(string(text))
		}
		return nil
	case kindJSON:
		err = scanJSON(text, x)
	case kindLines:
		x.root, err = scanLines(text)
	case kindXML:
		err = scanXML(text, x)
	default:
		return nil
	}
	if err != nil && !c.cut {
		note("is not read whole: %v", err)
	}
	return x.root
}

type bodyKind uint8

const (
	kindOther bodyKind = iota
	kindJSON
	kindXML
	kindForm
	kindLines // a resource on each line, as bulk exports are
)

// kindOf tells by the media type, and where there is none by the first byte.
func kindOf(media string, body []byte) bodyKind {
	switch {
	case media == "application/x-www-form-urlencoded":
		return kindForm
	case strings.HasSuffix(media, "ndjson"):
		return kindLines
	case media == "application/json-patch+json":
		return kindOther
	case strings.HasSuffix(media, "json"):
		return kindJSON
	case strings.HasSuffix(media, "xml") && media != "application/xml-patch+xml":
		return kindXML
	case media != "" && media != "text/plain" && media != "application/octet-stream":
		return kindOther
	}
	text := strings.TrimLeft(string(body[:min(len(body), 64)]), " \t\r\n\ufeff")
	switch {
	case strings.HasPrefix(text, "{"):
		return kindJSON
	case strings.HasPrefix(text, "<"):
		return kindXML
	}
	return kindOther
}

func (in *interpreter) run() {
	x, t := in.x, in.t
	isBundle := in.req != nil && in.req.typ == "Bundle" && (in.req.code == "batch" || in.req.code == "transaction")
	if t.bundle && in.req != nil && in.req.code == "transaction" || isBundle && t.interaction == "" && strings.EqualFold(x.Method, "POST") {
		t.interaction, t.bundle = in.req.code, true
	}
	x.Route, x.Interaction, x.Operation = t.route, t.interaction, t.operation
	x.Type, x.Key, x.Version, x.Compartment, x.Condition = t.typ, t.id, t.version, t.compartment, t.condition
	if t.interaction == "patch" || t.interaction == "update" || t.interaction == "delete" || t.interaction == "create" {
		x.Patients = appendNew(x.Patients, appendPatients(nil, t.typ, t.condition)...)
	}
	x.Patients = appendNew(x.Patients, t.patients...)
	if in.form != "" {
		x.Patients = appendPatients(x.Patients, t.typ, in.form)
	}
	in.resp.outcomeInto(x)
	switch {
	case t.bundle:
		in.entries()
	case t.searches():
		in.search()
	case t.interaction == "operation":
		in.operation()
	default:
		in.single()
	}
	in.lines()
	x.Patients = dropLocal(x.Patients)
}

// lines fills in resources that came one on each line, whatever the URL was.
func (in *interpreter) lines() {
	for _, r := range []*resource{in.req, in.resp} {
		if r != nil && r.typ == "" && len(r.parts) > 0 {
			r.patientsInto(in.x)
		}
	}
	if in.resp != nil && in.resp.typ == "" {
		for _, p := range in.resp.parts {
			in.x.Returned = appendOne(in.x.Returned, p.versioned())
		}
	}
}

func appendOne(list []string, s string) []string {
	if s == "" {
		return list
	}
	return append(list, s)
}

// outcomeInto keeps the text of an OperationOutcome.
func (r *resource) outcomeInto(x *vigil.Exchange) {
	if s := r.outcomeText(); s != "" {
		x.Outcome = s
	}
}

// single fills in an interaction with one resource.
func (in *interpreter) single() {
	x := in.x
	answer := in.resp
	if answer != nil && answer.typ != x.Type {
		answer = nil // an OperationOutcome, or nothing of FHIR's
	}
	if in.req != nil && x.Interaction == "create" {
		in.req.id = "" // the server gives another one
	}
	in.req.patientsInto(x)
	in.resp.patientsInto(x) // whatever it was asked for
	if x.Interaction == "" && in.resp != nil {
		x.Returned = in.resp.returned()
		if in.resp.typ != "OperationOutcome" {
			x.Returned = appendOne(x.Returned, in.resp.versioned())
		}
	}
	in.place(in.c.location)
	if answer != nil {
		if x.Key == "" {
			x.Key = answer.id
		}
		if x.Version == "" {
			x.Version = answer.version
		}
	}
	if x.Version == "" && x.Status > 0 && x.Status < 400 && x.Interaction != "" {
		x.Version = etagVersion(in.c.etag)
	}
	if x.Type == "Patient" && isID(x.Key) {
		x.Patients = appendNew(x.Patients, "Patient/"+x.Key)
	}
}

// place takes id and version from a Location, where it is of the same type.
func (in *interpreter) place(location string) {
	typ, id, version := parseLocation(location)
	if typ == "" || typ != in.x.Type {
		return
	}
	if in.x.Key == "" {
		in.x.Key = id
	}
	if in.x.Key == id && in.x.Version == "" {
		in.x.Version = version
	}
}

// parseLocation reads …/Type/id or …/Type/id/_history/version.
func parseLocation(s string) (typ, id, version string) {
	s, _, _ = strings.Cut(s, "?")
	segs := segments(s)
	if n := len(segs); n >= 4 && segs[n-2] == "_history" {
		version, segs = segs[n-1], segs[:n-2]
	}
	n := len(segs)
	if n < 2 || !isType(segs[n-2]) || !isID(segs[n-1]) {
		return "", "", ""
	}
	return segs[n-2], segs[n-1], version
}

// etagVersion reads W/"1".
func etagVersion(s string) string {
	s = strings.TrimPrefix(s, "W/")
	if len(s) > 2 && s[0] == '"' && s[len(s)-1] == '"' && isID(s[1:len(s)-1]) {
		return s[1 : len(s)-1]
	}
	return ""
}

// patientsInto adds the patients of r and all that is in it.
func (r *resource) patientsInto(x *vigil.Exchange) {
	seen := make(map[string]bool, len(x.Patients))
	for _, p := range x.Patients {
		seen[p] = true
	}
	add := func(p string) {
		if !seen[p] && len(seen) < maxKept {
			seen[p] = true
			x.Patients = append(x.Patients, p)
		}
	}
	r.all(func(r *resource) {
		if r.typ == "Patient" && isID(r.id) {
			add("Patient/" + r.id)
		}
		for _, p := range r.patients {
			add(p)
		}
	})
}

// search fills in the answer to a search or a history.
func (in *interpreter) search() {
	x := in.x
	if in.t.interaction == "search-type" || in.t.interaction == "search-system" {
		x.Search = &vigil.Search{Query: joinQuery(in.c.query, in.form)}
	} else {
		x.Search = &vigil.Search{Query: in.c.query}
	}
	if in.resp == nil || in.resp.typ != "Bundle" {
		return
	}
	sumUp(x.Search, in.resp)
	in.resp.patientsInto(x)
	x.Returned = in.resp.returned()
	if x.Outcome == "" {
		for _, e := range in.resp.entries {
			if e.mode == "outcome" {
				e.resource.outcomeInto(x)
			}
		}
	}
}

func joinQuery(a, b string) string {
	if a == "" || b == "" {
		return a + b
	}
	return a + "&" + b
}

// sumUp counts the entries of a bundle.
func sumUp(s *vigil.Search, bundle *resource) {
	s.Total = bundle.total
	for _, e := range bundle.entries {
		switch e.mode {
		case "include":
			s.Includes++
		case "outcome":
		default:
			s.Matches++
		}
	}
}

// returned lists the resources of a bundle, with versions. In a history they are
// what their request says.
func (r *resource) returned() []string {
	var out []string
	for _, e := range r.entries {
		s := e.resource.versioned()
		if e.mode == "outcome" {
			continue
		}
		if s == "" { // a deletion in a history
			s = strings.Trim(e.url, "/")
			if typ, id, version := parseLocation("/" + s); typ != "" {
				if version == "" {
					version = etagVersion(e.etag)
				}
				s = (&resource{typ: typ, id: id, version: version}).versioned()
			} else {
				s = ""
			}
		}
		if s != "" {
			out = append(out, s)
		}
	}
	return out
}

// operation fills in the answer to an operation: whatever resources it holds.
func (in *interpreter) operation() {
	x := in.x
	in.req.patientsInto(x)
	in.resp.patientsInto(x)
	if in.resp == nil || in.resp.typ == "OperationOutcome" {
		return
	}
	switch {
	case in.resp.typ == "Bundle":
		x.Returned = in.resp.returned()
		x.Search = &vigil.Search{Query: in.c.query}
		sumUp(x.Search, in.resp)
	case in.resp.typ == "Parameters":
		for _, p := range in.resp.parts {
			x.Returned = appendOne(x.Returned, p.versioned())
		}
	default:
		if s := in.resp.versioned(); s != "" {
			x.Returned = []string{s}
		}
	}
}

// dropLocal leaves out references that only mean something inside a bundle.
func dropLocal(patients []string) []string {
	return slices.DeleteFunc(patients, func(p string) bool { return !strings.HasPrefix(p, "Patient/") })
}

// statusOf reads the number of "201 Created".
func statusOf(s string) int {
	word, _, _ := strings.Cut(strings.TrimSpace(s), " ")
	n, err := strconv.Atoi(word)
	if err != nil || n < 100 || n > 599 {
		return 0
	}
	return n
}
