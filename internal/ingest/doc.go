// Package ingest is the faces of other loggers: Aidbox's $loggy and its stream
// of logs, Elasticsearch's _bulk and Seq's events, so that what sends there can
// send here as it is.
//
// What is taken goes to the table logs and is acknowledged when it is stored.
// It is no format and no sink: package vigil/internal/format/aidbox makes lines.
package ingest

import (
	"context"
	"iter"
	"log/slog"
	"net/http"
	"slices"
	"time"

	"vigil"
	"vigil/internal/auth"
	"vigil/internal/store"
	"vigil/internal/web"
)

// Store is what the faces need of a store.
type Store interface {
	Append(ctx context.Context, b *store.Batch) (store.Receipt, error)
	Entries(ctx context.Context, from int64) iter.Seq2[*vigil.Event, error]
	Wait(ctx context.Context, size int64) (int64, error)
}

// Config is what the faces are made of.
type Config struct {
	Store  Store
	Tables []string // every table that there is
	// Size returns how many entries the store's log has.
	Size func() int64
	// Authenticate says who asks; Allow whether it may. Their errors are shown.
	Authenticate func(*http.Request) (*auth.Principal, error)
	Allow        func(p *auth.Principal, table string, a auth.Action) error
	// Anonymous lets $loggy take what comes without credentials, as Aidbox's
	// clients for Python send it.
	Anonymous bool

	Bodies *web.Bodies // nil reads bodies within Limits
	Limits web.Limits  // zero fields are those of [web.DefaultLimits]

	// Lines makes the lines of an event for the stream; Google and Pretty are the
	// same lines in other forms, made of one line without its newline.
	Lines          func(dst []byte, e *vigil.Event) []byte
	Pretty         func(dst, line []byte) []byte
	Tenant, Worker string // tn and w of what $loggy takes; empty leaves them out

	// Index returns the table for what comes to an index of Elasticsearch by that
	// name; nil is logs for all.
	Index func(index string) string
	// SeqKey returns the Authorization header that an API key of Seq's stands for;
	// nil is [SeqCredential].
	SeqKey func(key string) string

	CORSOrigins []string         // origins whose scripts may use $loggy; "*" is every one
	Now         func() time.Time // nil is time.Now
	Log         *slog.Logger     // nil discards
	// Heartbeat is how often a stream of server-sent events without any says that
	// it lives; 0 is 15 seconds.
	Heartbeat time.Duration
	// Held bounds the bytes of lines that are kept for slow readers; 0 is 16 MiB.
	Held int
}

// API is the faces.
type API struct {
	Config
	hub      *hub
	yamlTurn chan struct{} // has room for those who read YAML
}

// New returns the faces.
func New(c Config) *API {
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	c.Limits, c.Bodies = web.OrDefault(c.Limits, c.Bodies)
	if c.Index == nil {
		c.Index = func(string) string { return vigil.TableLogs }
	}
	if c.SeqKey == nil {
		c.SeqKey = SeqCredential
	}
	if c.Heartbeat == 0 {
		c.Heartbeat = 15 * time.Second
	}
	if c.Held == 0 {
		c.Held = 16 << 20
	}
	a := &API{Config: c, yamlTurn: make(chan struct{}, yamlReaders)}
	a.hub = newHub(a)
	return a
}

// authenticate says who asks, and notes it.
func (a *API) authenticate(r *http.Request) (*auth.Principal, error) {
	p, err := a.Authenticate(r)
	if err != nil {
		return nil, err
	}
	access := web.AccessOf(r.Context())
	access.Principal, access.Role = p.Name(), p.Role
	return p, nil
}

// logger returns who asks, where it may add to the log.
func (a *API) logger(r *http.Request) (*auth.Principal, error) {
	p, err := a.authenticate(r)
	if err != nil {
		return nil, err
	}
	return p, a.Allow(p, vigil.TableLogs, auth.Insert)
}

// open begins to answer a request that brings something for the log, if it has
// one of the methods and who allows it: it returns the sender and the body, which
// is the caller's until it calls release.
func (a *API) open(w http.ResponseWriter, r *http.Request, who func(*http.Request) (*auth.Principal, error), methods ...string) (p *auth.Principal, body []byte, release func(), err error) {
	if err := only(w, r, methods...); err != nil {
		return nil, nil, nil, err
	}
	access := web.AccessOf(r.Context())
	access.Table, access.Write = vigil.TableLogs, true
	if p, err = who(r); err != nil {
		return nil, nil, nil, err
	}
	body, release, err = a.Bodies.Read(w, r)
	return p, body, release, err
}

// only refuses every method but those.
func only(w http.ResponseWriter, r *http.Request, methods ...string) error {
	if slices.Contains(methods, r.Method) {
		return nil
	}
	for _, m := range methods {
		w.Header().Add("Allow", m)
	}
	return vigil.Errorf(vigil.NotAllowed, "%s is not taken here", r.Method)
}

// cors lets scripts of the configured origins send. It reports whether the
// request is answered: it was a browser's question whether it may.
func (a *API) cors(w http.ResponseWriter, r *http.Request) bool {
	origin, h := r.Header.Get("Origin"), w.Header()
	every := slices.Contains(a.CORSOrigins, "*")
	if origin == "" || !every && !slices.Contains(a.CORSOrigins, origin) {
		return false
	}
	if every {
		origin = "*"
	}
	h.Set("Access-Control-Allow-Origin", origin)
	h.Add("Vary", "Origin")
	if r.Method != http.MethodOptions {
		return false
	}
	h.Set("Access-Control-Allow-Methods", "POST")
	h.Set("Access-Control-Allow-Headers", "Authorization, Content-Type, Idempotency-Key, X-Correlation-Id, X-Request-Id, X-Seq-ApiKey")
	h.Set("Access-Control-Max-Age", "86400")
	w.WriteHeader(http.StatusNoContent)
	return true
}
