package logapi

import (
	"context"
	"errors"
	"iter"
	"net/http"
	"strings"
	"time"

	"vigil"
	"vigil/internal/ledger"
	"vigil/internal/store"
)

// Store is what the face needs of a store.
type Store interface {
	Entries(ctx context.Context, from int64) iter.Seq2[*vigil.Event, error]
	ByUID(ctx context.Context, uid vigil.UID) (*vigil.Event, error)
	Log() *ledger.Log
}

// Config is what an [API] is made of.
type Config struct {
	Store Store
	// Authorize fails, with a [*vigil.Error], if the request may not read the
	// table; the empty name asks for all tables.
	Authorize func(r *http.Request, table string) error
	// Observe is told what a request has read of which table, before the answer
	// begins or, where the rows are counted, when it ends. Nil: nobody wants to know.
	Observe func(r *http.Request, table, query string, rows int64)
	// Private has checkpoint, key and tiles, too, read only by those who may read
	// all tables. They hold nothing about patients, and witnesses need them, so
	// that they are open by default.
	Private bool
	// Key is the verifier key of the log.
	Key string
	// Wait is how long a proof waits for a checkpoint that covers the event; 0 is
	// three seconds.
	Wait time.Duration
}

// API answers for the paths below /log/ and /raw/.
type API struct {
	Config
	bundles chan struct{} // bounds how many bundles are made at a time
}

// The bounds.
const (
	defaultWait = 3 * time.Second
	maxBundles  = 4 // each reads 256 events
)

// New returns the face of a store's log.
func New(c Config) *API {
	if c.Wait <= 0 {
		c.Wait = defaultWait
	}
	if c.Observe == nil {
		c.Observe = func(*http.Request, string, string, int64) {}
	}
	return &API{Config: c, bundles: make(chan struct{}, maxBundles)}
}

// Serve answers a request, or returns why it cannot, mostly as a [*vigil.Error].
// An error after the answer has begun is one that the connection must be cut for.
func (a *API) Serve(w http.ResponseWriter, r *http.Request) error {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		return vigil.Errorf(vigil.NotAllowed, "the log can only be read")
	}
	w.Header().Set("X-Content-Type-Options", "nosniff")
	path := r.URL.Path
	if r.URL.RawPath != "" { // no path here needs escapes that Go would not write
		return notFound()
	}
	switch path {
	case "/log/checkpoint":
		return a.open(w, r, a.checkpoint)
	case "/log/key":
		return a.open(w, r, a.key)
	case "/log/consistency":
		return a.open(w, r, a.consistency)
	case "/log/entries":
		return a.entries(w, r)
	}
	if rest, ok := strings.CutPrefix(path, "/log/tile/"); ok {
		return a.open(w, r, func(w http.ResponseWriter, r *http.Request) error { return a.tile(w, r, rest) })
	}
	if uid, ok := strings.CutPrefix(path, "/log/proof/"); ok {
		return a.proof(w, r, uid)
	}
	if uid, ok := strings.CutPrefix(path, "/raw/"); ok {
		return a.raw(w, r, uid)
	}
	return notFound()
}

// open serves what holds no patient data.
func (a *API) open(w http.ResponseWriter, r *http.Request, h func(http.ResponseWriter, *http.Request) error) error {
	if a.Private {
		if err := a.Authorize(r, ""); err != nil {
			return err
		}
	}
	return h(w, r)
}

// cache has an open answer kept for a time, by everybody or by the client alone.
func (a *API) cache(w http.ResponseWriter, directives string) {
	who := "public, "
	if a.Private {
		who = "private, "
	}
	w.Header().Set("Cache-Control", who+directives)
}

// event returns the event with a UID, or what is left of it, if the request may
// read its table.
func (a *API) event(r *http.Request, text string) (*vigil.Event, error) {
	uid, err := vigil.ParseUID(text)
	if err != nil || uid.String() != text {
		return nil, notFound()
	}
	e, err := a.Store.ByUID(r.Context(), uid)
	if gone, ok := errors.AsType[*store.ErasedError](err); ok {
		e = gone.Event
	} else if err != nil {
		return nil, err
	}
	if err := a.Authorize(r, e.Table); err != nil {
		return nil, err
	}
	return e, nil
}

func notFound() error {
	return &vigil.Error{
		Kind: vigil.NotFound, Message: "there is nothing here",
		Hint: "The log is at /log/checkpoint, /log/key, /log/tile/…, /log/consistency, /log/entries and /log/proof/{uid}; documents are at /raw/{uid}.",
	}
}

// outside words the errors of a log that is asked for what it does not have.
func outside(err error) error {
	if errors.Is(err, ledger.ErrRange) {
		return &vigil.Error{
			Kind: vigil.NotFound, Message: "the log does not reach that far",
			Hint: "The latest size is the second line of /log/checkpoint.", Err: err,
		}
	}
	return err
}
