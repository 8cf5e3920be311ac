package fhirapi

import (
	"context"
	"crypto/rand"
	"errors"
	"iter"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"vigil"
	"vigil/internal/auth"
	"vigil/internal/fhirapi/search"
	"vigil/internal/format/fhir"
	"vigil/internal/web"
)

// search answers a search by GET, or by POST of a form.
func (a *API) search(c *call) (*answer, error) {
	if err := c.readForm(); err != nil {
		return nil, err
	}
	src, err := a.source(c)
	if err != nil {
		return nil, err
	}
	s, err := a.parseSearch(c, c.query, a.DateMandatory)
	if err != nil {
		return nil, err
	}
	p, err := a.run(c, s, src)
	if err != nil {
		return nil, err
	}
	out := &fhir.Node{Resource: "Bundle", Children: make([]*fhir.Node, 0, len(p.Entries)+8)}
	out.Add(fhir.NewString("type", "searchset"))
	c.page(out, p, auditEvent)
	sub := subsetOf(s, c.out.version)
	for _, e := range p.Entries {
		out.Add(fhir.NewObject("entry",
			fhir.NewString("fullUrl", c.base+"/"+auditEvent+"/"+e.Event.UID.String()),
			named("resource", sub.of(e.Node)),
			fhir.NewObject("search", fhir.NewString("mode", "match")),
		).Listed())
	}
	if notes := notesOf(s, p); len(notes) > 0 && s.Summary != search.SummaryCount {
		out.Add(fhir.NewObject("entry",
			fhir.NewString("fullUrl", "urn:uuid:"+newUUID()), // bdl-15 wants one
			named("resource", outcome(notes)), fhir.NewObject("search", fhir.NewString("mode", "outcome")),
		).Listed())
	}
	return &answer{status: http.StatusOK, body: out}, nil
}

// page adds what a Bundle says about the page that it is.
func (c *call) page(out *fhir.Node, p *search.Page, path string) {
	if p.HasTotal {
		out.Add(number("total", p.Total))
	}
	for _, l := range [...]struct{ relation, query string }{
		{"self", p.Self}, {"first", p.First}, {"next", p.Next}, {"previous", p.Prev},
	} {
		if l.query == "" && l.relation != "self" {
			continue
		}
		address := c.base + "/" + path
		if l.query != "" {
			address += "?" + l.query
		}
		out.Add(fhir.NewObject("link", fhir.NewString("relation", l.relation), fhir.NewString("url", address)).Listed())
	}
}

// notesOf says what of a search did not count.
func notesOf(s *search.Search, p *search.Page) []fhir.Issue {
	var notes []fhir.Issue
	for _, i := range s.Ignored {
		notes = append(notes, fhir.Issue{Severity: fhir.Warning, Code: "not-supported", Text: i.Parameter + ": " + i.Reason})
	}
	if p.Skipped > 0 {
		notes = append(notes, fhir.Issue{
			Severity: fhir.Warning, Code: "incomplete",
			Text: strconv.FormatInt(p.Skipped, 10) + " events could not be shown as AuditEvents and were left out",
		})
	}
	return notes
}

// newUUID returns a random UUID (version 4).
func newUUID() string {
	var u vigil.UID
	rand.Read(u[:])
	u[6], u[8] = u[6]&0x0f|0x40, u[8]&0x3f|0x80
	return u.String()
}

// run answers a search within the time that it may take.
func (a *API) run(c *call, s *search.Search, src search.Source) (*search.Page, error) {
	ctx, cancel := a.bounded(c.ctx)
	defer cancel()
	p, err := s.Run(ctx, src)
	if err != nil {
		return nil, searchError(err)
	}
	c.access().Rows += int64(len(p.Entries))
	return p, nil
}

// bounded returns a context that ends when a search has taken too long.
func (a *API) bounded(ctx context.Context) (context.Context, context.CancelFunc) {
	if a.QueryTime > 0 {
		return context.WithTimeout(ctx, a.QueryTime)
	}
	return context.WithCancel(ctx)
}

// source returns what c may search.
func (a *API) source(c *call) (search.Source, error) {
	src := search.Source{Store: a.Store, Convert: a.show, Mapping: a.Mapping, DateIndex: a.DateIndex, MaxLooks: a.MaxLooks, Tables: []string{}}
	for _, t := range search.Tables(a.Store) {
		if a.Allow(c.principal, t, auth.Search) == nil {
			src.Tables = append(src.Tables, t)
		}
	}
	if len(src.Tables) == 0 {
		return src, a.Allow(c.principal, vigil.TableAuditEvents, auth.Search)
	}
	c.access().Asked = true
	if len(src.Tables) > 1 {
		c.access().Table = strings.Join(src.Tables, ",")
	}
	return src, nil
}

// parseSearch reads parameters; dated says that date must be among them.
func (a *API) parseSearch(c *call, values url.Values, dated bool) (*search.Search, error) {
	strict := a.StrictSearch
	if c.prefer.handling != "" {
		strict = c.prefer.handling == "strict"
	}
	s, err := search.Parse(values, search.Options{
		Version: c.out.version, Strict: strict, RequireDate: dated, Base: c.base,
		Zone: a.Zone, Now: a.Now, Count: a.Count, MaxCount: a.MaxCount,
	})
	return s, searchError(err)
}

// searchError words what is wrong with a search.
func searchError(err error) error {
	if e, ok := errors.AsType[*search.Error](err); ok {
		return fail(e.Status, e.Code, e.Error())
	}
	return err
}

// maxForm is the longest form of a search.
const maxForm = 1 << 20

// readForm adds the parameters of a POST _search to those of the address.
func (c *call) readForm() error {
	if c.kind != atSearch {
		return nil
	}
	t, _, _ := strings.Cut(c.header.Get("Content-Type"), ";")
	if t = strings.ToLower(strings.TrimSpace(t)); t != "application/x-www-form-urlencoded" && (t != "" || len(c.body) > 0) {
		return errContentType("a search by POST is a form: application/x-www-form-urlencoded")
	}
	if len(c.body) > maxForm {
		return fail(http.StatusRequestEntityTooLarge, "too-long", "the form of the search is too long")
	}
	form, err := url.ParseQuery(string(c.body))
	if err != nil {
		return fail(http.StatusBadRequest, "invalid", "the form has too many parameters, or is not percent-encoded as it should be")
	}
	c.access().Query = web.Readable(strings.Trim(c.rawQuery+"&"+string(c.body), "&"))
	for name, values := range form {
		c.query[name] = append(c.query[name], values...)
	}
	if f := form.Get("_format"); f != "" {
		return c.format(f)
	}
	return nil
}

// historyAll answers the history of the type or the whole system: what was taken,
// newest first, a version each.
func (a *API) historyAll(c *call) (*answer, error) {
	src, err := a.source(c)
	if err != nil {
		return nil, err
	}
	values := url.Values{}
	for name, v := range c.query {
		switch name {
		case "_since":
			for _, since := range v {
				values.Add("_lastUpdated", "ge"+since)
			}
		case "_count", "_page", "_lastUpdated", "_format", "_pretty":
			values[name] = v
		}
	}
	s, err := a.parseSearch(c, values, false)
	if err != nil {
		return nil, err
	}
	s.Total = search.TotalAccurate
	p, err := a.run(c, s, src)
	if err != nil {
		return nil, err
	}
	out := &fhir.Node{Resource: "Bundle"}
	out.Add(fhir.NewString("type", "history"))
	c.page(out, p, c.path)
	for _, e := range p.Entries {
		out.Add(c.historyEntry(e.Event, e.Node))
	}
	return &answer{status: http.StatusOK, body: out}, nil
}

// historyEntry is the one version of a resource.
func (c *call) historyEntry(e *vigil.Event, shown *fhir.Node) *fhir.Node {
	return fhir.NewObject("entry",
		fhir.NewString("fullUrl", c.base+"/"+auditEvent+"/"+e.UID.String()),
		named("resource", shown),
		fhir.NewObject("request", fhir.NewString("method", http.MethodPost), fhir.NewString("url", auditEvent)),
		fhir.NewObject("response", status(http.StatusCreated), fhir.NewString("etag", entityTag), fhir.NewString("lastModified", instant(e.Received))),
	).Listed()
}

// history makes the history of one resource.
func (c *call) history(e *vigil.Event, shown *fhir.Node) *fhir.Node {
	out := &fhir.Node{Resource: "Bundle"}
	return out.Add(
		fhir.NewString("type", "history"), number("total", 1),
		fhir.NewObject("link", fhir.NewString("relation", "self"), fhir.NewString("url", c.self())).Listed(),
		c.historyEntry(e, shown),
	)
}

// matches returns the first AuditEvents that a condition matches, at most so
// many. A condition that is not wholly understood is refused: what it leaves out
// would make it match others.
func (a *API) matches(c *call, values url.Values, most int) ([]*vigil.Event, error) {
	if err := a.Allow(c.principal, vigil.TableAuditEvents, auth.Search); err != nil {
		return nil, err
	}
	s, err := search.Parse(values, search.Options{Version: c.in.version, Strict: true, Base: c.base, Zone: a.Zone, Now: a.Now})
	if err != nil {
		return nil, searchError(err)
	}
	ctx, cancel := a.bounded(c.ctx)
	defer cancel()
	var out []*vigil.Event
	src := search.Source{Store: a.Store, Convert: a.show, DateIndex: a.DateIndex, MaxLooks: a.MaxLooks, Tables: []string{vigil.TableAuditEvents}}
	for e, err := range s.All(ctx, src) {
		if err != nil {
			return nil, searchError(err)
		}
		if out = append(out, e.Event); len(out) == most {
			break
		}
	}
	return out, nil
}

// found streams the AuditEvents that a search finds, however many must be looked at.
func (a *API) found(ctx context.Context, s *search.Search) iter.Seq2[*search.Entry, error] {
	return s.All(ctx, search.Source{Store: a.Store, Convert: a.show, DateIndex: a.DateIndex, Tables: []string{vigil.TableAuditEvents}})
}
