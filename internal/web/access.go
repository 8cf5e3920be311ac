package web

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// Access is what is known about one request for the record of who read what.
// The server makes it, the faces fill it, one goroutine at a time; when the
// answer is over the server reads it.
type Access struct {
	ID    string // of the request
	Peer  string // IP address of the client
	Start time.Time

	Principal string // who asks: subject or client; empty is nobody known
	Role      string // the role that the request acts in
	Table     string // what is read or written
	Query     string // what is asked, as [Readable] has it
	Rows      int64  // rows answered or taken
	Write     bool   // the request writes
	Asked     bool   // the question was put to the store: a refusal of its answer, too, tells of what is stored
	Denied    string // the code of the refusal, such as PGRST301 or 42501
	Err       error  // why the request failed, for logs

	// Begin, if the server sets it, gets the record of a request that may go on
	// for long, such as a live tail, when it begins.
	Begin func(*Access)

	Status int   // of the answer; 0 where none was made
	Bytes  int64 // of the answer's body
}

// Begun says that the answer of a request that may go on for long begins.
func (a *Access) Begun() {
	if a.Begin != nil {
		a.Begin(a)
	}
}

// Readable returns a query string as people read it, for [Access.Query]: the same
// question is the same text, however a client encoded it.
func Readable(rawQuery string) string {
	text, err := url.PathUnescape(strings.ReplaceAll(rawQuery, "+", " "))
	if err != nil {
		return rawQuery
	}
	return strings.ToValidUTF8(text, "\uFFFD")
}

type accessKey struct{}

// WithAccess returns a context that carries a.
func WithAccess(ctx context.Context, a *Access) context.Context {
	return context.WithValue(ctx, accessKey{}, a)
}

// AccessOf returns the record of the request that ctx belongs to. It is never
// nil: outside a request it is a record that nobody reads.
func AccessOf(ctx context.Context) *Access {
	if a, ok := ctx.Value(accessKey{}).(*Access); ok {
		return a
	}
	return new(Access)
}

// Observer gives every request an [Access] and hands it over when the answer is
// over, however it ended.
type Observer struct {
	Edge  *Edge            // who stands before the server; nil is nobody
	Now   func() time.Time // nil is time.Now
	Stall time.Duration    // longest time that a client may take nothing of an answer; 0 is no bound
	Trace string           // header with the request's id, both ways; empty is X-Request-Id
	// Done gets each record, in the request's goroutine, also after a panic.
	Done func(*http.Request, *Access)
}

// Wrap returns h under observation.
func (o Observer) Wrap(h http.Handler) http.Handler {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Trace == "" {
		o.Trace = "X-Request-Id"
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		a := &Access{ID: RequestID(r.Header.Get(o.Trace)), Peer: o.Edge.Peer(r), Start: o.Now()}
		w.Header().Set(o.Trace, a.ID)
		t := &tracked{ResponseWriter: w, stall: o.Stall}
		r = r.WithContext(WithAccess(r.Context(), a))
		t.renew() // the connection may have the deadline of its last request
		defer func() {
			t.renew()
			a.Status, a.Bytes = t.status, t.bytes
			if o.Done != nil {
				o.Done(r, a)
			}
		}()
		h.ServeHTTP(t, r)
		if t.status == 0 {
			t.status = http.StatusOK // net/http sends it when the handler returns
		}
	})
}
