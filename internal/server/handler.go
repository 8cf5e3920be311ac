package server

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"vigil/internal/web"
)

// Config is what a [Handler] is made of.
type Config struct {
	API      http.Handler // the PostgREST face: everything that has no Route
	Log      http.Handler // /log/ and /raw/
	Routes   []Route      // the other faces; the first that fits is taken
	Edge     *web.Edge
	Stall    time.Duration // longest time that a client may take nothing of an answer
	Trace    string        // header with a request's id; empty is X-Request-Id
	Recorder *Recorder
	Metrics  prometheus.Registerer
	Now      func() time.Time // nil is time.Now
	Logger   *slog.Logger     // nil discards
}

// A Route is where a face is mounted.
type Route struct {
	// Path is a path, such as /_logs, or with a slash at its end everything
	// below it; that path without the slash, too.
	Path    string
	Handler http.Handler
}

// fits reports whether a request for path goes to r.
func (r Route) fits(path string) bool {
	base, below := strings.CutSuffix(r.Path, "/")
	return path == base || below && strings.HasPrefix(path, r.Path)
}

// Handler mounts the faces, records who read what and who was refused, and
// counts requests.
func Handler(c Config) http.Handler {
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	m := newMetrics(c.Metrics)
	observer := web.Observer{Edge: c.Edge, Now: c.Now, Stall: c.Stall, Trace: c.Trace, Done: func(r *http.Request, a *web.Access) {
		m.observe(r, a, c.Now())
		if a.Err != nil && a.Status < http.StatusBadRequest && !errors.Is(a.Err, context.Canceled) {
			c.Logger.Error("an answer was broken off", "request", a.ID, "table", a.Table, "err", a.Err)
		}
		c.Recorder.access(r, a)
	}}
	return observer.Wrap(web.Compress(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		web.AccessOf(r.Context()).Begin = c.Recorder.begun
		// No ServeMux: it would answer //events with a redirect, which clients
		// of a logserver do not follow.
		if strings.HasPrefix(r.URL.Path, "/log/") || strings.HasPrefix(r.URL.Path, "/raw/") {
			c.Log.ServeHTTP(w, r)
			return
		}
		for _, route := range c.Routes {
			if route.fits(r.URL.Path) {
				route.Handler.ServeHTTP(w, r)
				return
			}
		}
		c.API.ServeHTTP(w, r)
	})))
}

// Local reports whether a request came through the unix socket in the store's
// directory, which only the server's own user can reach.
func Local(r *http.Request) bool {
	a, ok := r.Context().Value(http.LocalAddrContextKey).(net.Addr)
	return ok && a.Network() == "unix"
}

// begun records that a live tail begins: its end may be weeks away.
func (r *Recorder) begun(a *web.Access) {
	r.Record(Doing{
		Action: "read", Who: a.Principal, Role: a.Role, IP: a.Peer,
		Table: a.Table, Query: a.Query, Status: http.StatusOK, Message: "live tail begun",
	})
}

// access records a request that read the log, or that was refused.
func (r *Recorder) access(req *http.Request, a *web.Access) {
	d := Doing{
		Action: "read", Who: a.Principal, Role: a.Role, IP: a.Peer,
		Table: a.Table, Query: a.Query, Rows: a.Rows, Status: a.Status,
	}
	switch {
	case a.Denied != "" || a.Status == http.StatusUnauthorized || a.Status == http.StatusForbidden:
		d.Severity, d.Action, d.Message = "warning", "execute", "request refused"
		if a.Denied != "" {
			d.Message += ": " + a.Denied
		}
		if d.Query == "" {
			d.Query = req.Method + " " + req.URL.EscapedPath()
		}
		if a.Principal == "" && a.Role == "" && len(d.Query) > maxStranger {
			d.Query = strings.ToValidUTF8(d.Query[:maxStranger], "") + "…"
		}
		r.Refused(d)
	case a.Status == http.StatusInsufficientStorage:
		// It cannot be written either, so it counts for the gap; trying it again
		// is what finds out that there is space, also when nobody posts any more.
		d.Severity, d.Action, d.Message = "error", "create", "request refused: the disk is full"
		r.Record(d)
	case a.Write || a.Table == "" || req.Method == http.MethodOptions:
	case a.Status >= 400 && !a.Asked:
	default:
		d.Message = "log read"
		r.Record(d)
	}
}

// maxStranger is how many bytes are kept of what somebody asked whom nobody
// knows: the log only grows, and strangers are not to fill the disk with it.
const maxStranger = 1024

// metrics are about the requests; the store counts its own.
type metrics struct {
	requests *prometheus.CounterVec
	seconds  *prometheus.HistogramVec
}

func newMetrics(reg prometheus.Registerer) *metrics {
	m := &metrics{
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "vigil_http_requests_total", Help: "Requests by method and status.",
		}, []string{"method", "code"}),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "vigil_http_request_seconds", Help: "Time until the answer was sent whole, by what was done.",
			Buckets: prometheus.ExponentialBuckets(0.0005, 2, 16),
		}, []string{"kind"}),
	}
	if reg != nil {
		reg.MustRegister(m.requests, m.seconds)
	}
	return m
}

// observe counts one request. Labels take a few values only, whatever clients send.
func (m *metrics) observe(r *http.Request, a *web.Access, now time.Time) {
	method := "other"
	switch r.Method {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodOptions, http.MethodPut, http.MethodPatch, http.MethodDelete:
		method = r.Method
	}
	kind := "other"
	switch {
	case strings.HasPrefix(r.Header.Get("Accept"), "text/event-stream"):
		kind = "tail"
	case a.Write:
		kind = "write"
	case a.Table != "":
		kind = "read"
	}
	m.requests.WithLabelValues(method, strconv.Itoa(a.Status)).Inc()
	m.seconds.WithLabelValues(kind).Observe(now.Sub(a.Start).Seconds())
}
