// Package fhirapi is the FHIR face: a REST repository of AuditEvents, R4 and R5,
// JSON and XML, over a store. It takes AuditEvents alone and in Bundles, and
// gives every event of every table back as an AuditEvent.
//
// It is append-only: there is one version of each resource, its id is the
// event's UID, and nothing updates, patches or deletes. How events of other
// vocabularies become AuditEvents is injected; what a search means is package
// search's.
//
// # What is stored
//
// A resource that comes as JSON is stored as its bytes are. What comes as XML is
// stored as the JSON that FHIR defines to say the same: comments and white space
// between elements are not kept, everything else is. References as Aidbox writes
// them, which are no FHIR, are rewritten before they are stored.
package fhirapi

import (
	"log/slog"
	"net/http"
	"slices"
	"time"

	"vigil"
	"vigil/internal/auth"
	"vigil/internal/fhirapi/search"
	"vigil/internal/format/fhir"
	"vigil/internal/store"
	"vigil/internal/web"
)

// Config is what the face is made of.
type Config struct {
	Store store.Store
	// Authenticate says who asks; Allow whether it may. Their errors are shown.
	Authenticate func(*http.Request) (*auth.Principal, error)
	Allow        func(p *auth.Principal, table string, a auth.Action) error
	// Convert makes an AuditEvent of an event of any table. An error says that
	// there is none for it.
	Convert func(e *vigil.Event, v fhir.Version) (*fhir.Node, error)
	Mapping vigil.Mapping // the store's, for searches by date; may be nil
	// DateIndex says that the store finds events by date without looking at each.
	DateIndex bool
	// MaxLooks is how many events may be converted for one search; 0 is any number.
	MaxLooks int64
	Bodies   *web.Bodies // nil reads bodies within Limits
	Limits   web.Limits  // zero fields are those of [web.DefaultLimits]
	// BaseURL returns the URL that the server has for the client, without /fhir;
	// nil takes the request's host.
	BaseURL func(*http.Request) string

	Profiles      fhir.Policy   // what becomes of a resource that breaks a profile it claims
	StrictSearch  bool          // unknown search parameters are refused unless Prefer says otherwise
	DateMandatory bool          // a search must have date, as ITI-81 has it
	Count         int           // entries of a page that does not say; 0 is 100
	MaxCount      int           // most entries of a page; 0 is 1000
	QueryTime     time.Duration // longest time that a search may take; 0 is no bound

	CORSOrigins []string // origins whose scripts may use the API; "*" is every one
	Version     string   // of the software, for the CapabilityStatement
	Zone        *time.Location
	Now         func() time.Time // nil is time.Now
	Log         *slog.Logger     // nil discards
}

// API is the face. It is safe for concurrent use.
type API struct {
	Config
	started     time.Time
	conditional chan struct{} // has room from the search of a conditional create to its end
	jobs        jobs
}

// New returns the face.
func New(c Config) *API {
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	c.Limits, c.Bodies = web.OrDefault(c.Limits, c.Bodies)
	if c.BaseURL == nil {
		c.BaseURL = func(r *http.Request) string { return "http://" + r.Host }
	}
	if c.Count == 0 {
		c.Count = 100
	}
	if c.MaxCount == 0 {
		c.MaxCount = 1000
	}
	if c.Zone == nil {
		c.Zone = time.UTC
	}
	if c.Convert == nil {
		c.Convert = convertOwn
	}
	return &API{Config: c, started: c.Now(), conditional: make(chan struct{}, 1)}
}

// Handler returns the face as a handler, with its errors.
func (a *API) Handler() http.Handler { return web.Handle(a.Serve, ErrorWriter(a.Log)) }

// Serve answers a request, or returns why it cannot: [ErrorWriter] makes the
// OperationOutcome of it.
func (a *API) Serve(w http.ResponseWriter, r *http.Request) error {
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.Header().Add("Vary", "Accept, Prefer")
	if a.cors(w, r) {
		return nil
	}
	c, err := a.newCall(r)
	if err != nil {
		return err
	}
	if err := c.method(); err != nil {
		return err
	}
	access := web.AccessOf(r.Context())
	access.Table, access.Query = vigil.TableAuditEvents, c.question()
	if c.kind == atMetadata {
		access.Table = "" // it holds nothing of any table
	} else if c.principal, err = a.Authenticate(r); err != nil {
		return err
	} else {
		access.Principal, access.Role = c.principal.Name(), c.principal.Role
	}
	if err := c.negotiate(); err != nil {
		return err
	}
	if r.Method == http.MethodPost {
		if err := a.permit(c); err != nil { // before a body is read
			return err
		}
		body, release, err := a.Bodies.Read(w, r)
		if err != nil {
			return err
		}
		defer release()
		c.body = body
	}
	ans, err := a.do(c)
	if err != nil {
		return err
	}
	return ans.write(w, c)
}

// permit refuses a body by who has no use for one, while it is not yet read. What
// is in a Bundle may be read or write: its entries are permitted one by one.
func (a *API) permit(c *call) error {
	switch c.kind {
	case atCreate:
		return a.Allow(c.principal, vigil.TableAuditEvents, auth.Insert)
	case atBase, atValidate:
		if a.reads(c) {
			return nil
		}
		return a.Allow(c.principal, vigil.TableAuditEvents, auth.Insert)
	}
	return nil
}

// reads reports whether the caller may read anything, in one way or another, of
// any table that is searched.
func (a *API) reads(c *call) bool {
	return slices.ContainsFunc(search.Tables(a.Store), func(t string) bool {
		return a.Allow(c.principal, t, auth.Read) == nil || a.Allow(c.principal, t, auth.Search) == nil
	})
}

// do answers one interaction: of a request, or of an entry of a batch.
func (a *API) do(c *call) (*answer, error) {
	switch c.kind {
	case atMetadata:
		return a.capability(c)
	case atBase:
		if c.verb == http.MethodPost {
			return a.bundle(c)
		}
		return a.search(c)
	case atCreate:
		if c.verb == http.MethodPost {
			return a.create(c)
		}
		return a.search(c)
	case atSearch:
		return a.search(c)
	case atHistory:
		return a.historyAll(c)
	case atRead, atVersion, atInstanceHistory:
		return a.read(c)
	case atValidate:
		return a.validate(c)
	case atProof:
		return a.proof(c)
	case atVerify:
		return a.verify(c)
	case atStatus:
		return a.status(c)
	}
	return nil, errPath(c.path)
}
