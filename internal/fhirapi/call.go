package fhirapi

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"vigil"
	"vigil/internal/auth"
	"vigil/internal/format/fhir"
	"vigil/internal/store"
	"vigil/internal/web"
)

// The one resource type.
const auditEvent = "AuditEvent"

// place is what a path means.
type place uint8

const (
	atBase            place = iota // the base itself: Bundles, and search
	atMetadata                     // metadata
	atCreate                       // AuditEvent: create, and search
	atSearch                       // _search
	atHistory                      // _history of all
	atRead                         // AuditEvent/{id}
	atVersion                      // AuditEvent/{id}/_history/{version}
	atInstanceHistory              // AuditEvent/{id}/_history
	atValidate                     // AuditEvent/$validate and AuditEvent/{id}/$validate
	atProof                        // AuditEvent/{id}/$proof
	atVerify                       // AuditEvent/$verify-integrity
	atStatus                       // $verify-integrity-status
)

// allowed has the methods of each place, for Allow.
var allowed = [...][]string{
	atBase:            {"GET", "HEAD", "POST"},
	atMetadata:        {"GET", "HEAD"},
	atCreate:          {"GET", "HEAD", "POST"},
	atSearch:          {"POST"},
	atHistory:         {"GET", "HEAD"},
	atRead:            {"GET", "HEAD"},
	atVersion:         {"GET", "HEAD"},
	atInstanceHistory: {"GET", "HEAD"},
	atValidate:        {"GET", "HEAD", "POST"},
	atProof:           {"GET", "HEAD"},
	atVerify:          {"GET", "HEAD"},
	atStatus:          {"GET", "HEAD", "DELETE"},
}

// call is one interaction: a request, or an entry of a batch.
type call struct {
	ctx       context.Context
	request   *http.Request // of the whole, for the record of access
	header    http.Header   // of the request, or what an entry has of it
	verb      string
	path      string // below the base, without slashes at its ends
	kind      place
	id        string // of the resource
	versionID string
	query     url.Values
	rawQuery  string
	principal *auth.Principal
	base      string // URL that the links of the answer begin with, such as https://example.org/fhir
	root      string // the server's own, without /r5
	prefix    string // of the path: /fhir or /fhir/r5
	body      []byte
	entry     bool // of a batch
	prefer    preferences

	of  fhir.Version // that the address stands for
	in  form         // of the body
	out form         // of the answer
}

// newCall reads the address of a request.
func (a *API) newCall(r *http.Request) (*call, error) {
	c := &call{ctx: r.Context(), request: r, header: r.Header, verb: r.Method, rawQuery: r.URL.RawQuery}
	path := strings.Trim(strings.TrimPrefix(r.URL.Path, "/fhir"), "/")
	root := strings.TrimSuffix(a.BaseURL(r), "/") + "/fhir"
	c.root, c.base, c.prefix = root, root, "/fhir"
	if first, rest, _ := strings.Cut(path, "/"); first == "r5" || first == "R5" {
		c.of, c.base, c.prefix, path = fhir.R5, root+"/r5", "/fhir/r5", rest
	} else if first == "r4" || first == "R4" {
		c.base, c.prefix, path = root+"/r4", "/fhir/r4", rest
	}
	c.out = form{version: c.of}
	c.in = form{version: c.of}
	c.prefer = parsePrefer(r.Header["Prefer"])
	return c, c.locate(path, r.URL.RawQuery)
}

// entryCall returns the interaction that an entry of a Bundle asks for.
func (c *call) entryCall(method, address string, header http.Header) (*call, error) {
	e := &call{
		ctx: c.ctx, request: c.request, header: header, verb: method, principal: c.principal,
		base: c.base, root: c.root, prefix: c.prefix, entry: true, of: c.of, in: c.in, out: c.out, prefer: c.prefer,
	}
	address = strings.TrimPrefix(strings.TrimPrefix(address, c.base), "/")
	path, query, _ := strings.Cut(address, "?")
	path, err := url.PathUnescape(path)
	if err != nil {
		return nil, errPath("")
	}
	if err := e.locate(strings.Trim(path, "/"), query); err != nil {
		return nil, err
	}
	return e, e.method()
}

// locate finds out what path and query mean.
func (c *call) locate(path, rawQuery string) error {
	c.path, c.rawQuery = path, rawQuery
	var err error
	// A semicolon is part of a value, as in _format=application/fhir+json;fhirVersion=5.0.
	if c.query, err = url.ParseQuery(strings.ReplaceAll(rawQuery, ";", "%3B")); err != nil {
		return &Error{Status: http.StatusBadRequest, Issues: []fhir.Issue{{Severity: fhir.Error, Code: "invalid", Text: "the query of the address has too many parameters, or is not percent-encoded as it should be"}}}
	}
	parts := strings.Split(path, "/")
	switch {
	case path == "":
		c.kind = atBase
		return nil
	case len(parts) == 1 && placesOfBase[path] != 0:
		c.kind = placesOfBase[path]
		return nil
	case parts[0] != auditEvent:
		return errPath(parts[0])
	case len(parts) == 1:
		c.kind = atCreate
		return nil
	case len(parts) == 2 && placesOfType[parts[1]] != 0:
		c.kind = placesOfType[parts[1]]
		return nil
	}
	c.id = parts[1]
	switch rest := parts[2:]; {
	case len(rest) == 0 && !strings.HasPrefix(c.id, "$") && !strings.HasPrefix(c.id, "_"):
		c.kind = atRead
	case len(rest) == 1 && placesOfInstance[rest[0]] != 0:
		c.kind = placesOfInstance[rest[0]]
	case len(rest) == 2 && rest[0] == "_history":
		c.kind, c.versionID = atVersion, rest[1]
	default:
		return errPath(path)
	}
	return nil
}

var (
	placesOfBase = map[string]place{
		"metadata": atMetadata, "_search": atSearch, "_history": atHistory, "$verify-integrity-status": atStatus,
	}
	placesOfType = map[string]place{
		"_search": atSearch, "_history": atHistory, "$validate": atValidate,
		"$verify-integrity": atVerify, "$verify-integrity-status": atStatus,
	}
	placesOfInstance = map[string]place{"_history": atInstanceHistory, "$validate": atValidate, "$proof": atProof}
)

// method refuses what cannot be done here, whoever asks.
func (c *call) method() error {
	if slices.Contains(allowed[c.kind], c.verb) {
		return nil
	}
	text := "this address does not take " + methodName(c.verb)
	switch c.verb {
	case http.MethodPut, http.MethodPatch, http.MethodDelete:
		text = c.verb + " is not supported: events can be added and read, they are never changed or removed"
	}
	return &Error{
		Status: http.StatusMethodNotAllowed, Allow: strings.Join(allowed[c.kind], ", "),
		Issues: []fhir.Issue{{Severity: fhir.Error, Code: "not-supported", Text: text}},
	}
}

// methodName returns a method that may be shown: clients may send any text.
func methodName(m string) string {
	switch m {
	case "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT":
		return m
	}
	return "this method"
}

// question returns what is asked for the record of access: the query, behind the
// address where that names one resource.
func (c *call) question() string {
	asked := web.Readable(c.rawQuery)
	switch {
	case c.id == "":
		return asked
	case asked == "":
		return c.path
	}
	return c.path + "?" + asked
}

// access returns the record of the request that c belongs to.
func (c *call) access() *web.Access { return web.AccessOf(c.ctx) }

// event returns the event with the id of the address, if the caller may read it.
// Where its document was removed, 410 is said to those who might have read it.
func (a *API) event(c *call) (*vigil.Event, error) {
	e, err := a.leaf(c)
	if err == nil && e.Erased {
		return nil, fail(http.StatusGone, "deleted", "the document of this AuditEvent was removed; its place in the log can still be proved by $proof")
	}
	return e, err
}

// leaf returns the event with the id of the address, or what is left of it.
func (a *API) leaf(c *call) (*vigil.Event, error) {
	uid, err := vigil.ParseUID(c.id)
	if err != nil || uid.String() != c.id {
		return nil, errUnknown()
	}
	e, err := a.Store.ByUID(c.ctx, uid)
	if gone, ok := errors.AsType[*store.ErasedError](err); ok {
		e, err = gone.Event, nil
	}
	if err != nil {
		if vigil.KindOf(err) == vigil.NotFound {
			return nil, errUnknown()
		}
		return nil, err
	}
	c.access().Table = e.Table
	return e, a.Allow(c.principal, e.Table, auth.Read)
}
