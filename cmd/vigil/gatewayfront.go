package main

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"vigil/gateway"
	"vigil/internal/config"
	"vigil/internal/web"
)

// upstream is a server behind a gateway.
type upstream struct {
	url   *url.URL
	host  string // that clients ask for; empty is any
	path  string // below which paths go there
	proxy http.Handler
	tls   *upstreamCerts // nil: no TLS
}

// serve makes the server of a gateway: TLS, then the choice of the upstream, then
// what records.
func (f *frontGateway) serve(c *gatewaysConfig) error {
	for _, u := range f.Upstreams {
		one, err := f.newUpstream(u)
		if err != nil {
			return err
		}
		f.upstreams = append(f.upstreams, one)
	}
	// The longest path that fits is meant, and a host that is named before any.
	slices.SortStableFunc(f.upstreams, func(a, b upstream) int {
		if (a.host == "") != (b.host == "") {
			return len(b.host) - len(a.host)
		}
		return len(b.path) - len(a.path)
	})
	h := f.upstreams[0].proxy
	if len(f.upstreams) > 1 {
		h = route(f.upstreams, f.gateway.Wrap(http.HandlerFunc(nobody)))
	}
	limits := web.DefaultLimits()
	f.server = &http.Server{
		Handler:                      patient(h, limits.Stall),
		DisableGeneralOptionsHandler: true,
		ReadHeaderTimeout:            c.Proxies.Limits.HeaderTime,
		IdleTimeout:                  c.Proxies.IdleTime,
		MaxHeaderBytes:               256 << 10,
		ErrorLog:                     slog.NewLogLogger(f.log.Handler(), slog.LevelDebug),
		ConnContext:                  new(gateway.ConnIDs).Context,
	}
	if f.H2C {
		f.server.Protocols = new(http.Protocols)
		f.server.Protocols.SetHTTP1(true)
		f.server.Protocols.SetHTTP2(true)
		f.server.Protocols.SetUnencryptedHTTP2(true)
	}
	if f.TLS.Cert != "" {
		certs, err := web.LoadCertificates(web.CertificateFiles{
			Cert: f.TLS.Cert, Key: f.TLS.Key, ClientCA: f.TLS.ClientCA, Required: f.TLS.RequireClient, Log: f.log,
		})
		if err != nil {
			return err
		}
		f.server.TLSConfig = certs.Config()
	}
	return nil
}

func (f *frontGateway) newUpstream(u config.Upstream) (upstream, error) {
	parsed, err := url.Parse(u.URL)
	if err != nil {
		return upstream{}, usageError{fmt.Errorf("upstream: %w", err)}
	}
	one := upstream{url: parsed, host: strings.ToLower(u.Host), path: u.Place()}
	t := gateway.NewTransport()
	t.ResponseHeaderTimeout = f.Timeout
	if parsed.Scheme == "https" {
		if one.tls, err = newUpstreamCerts(u.TLS, parsed.Hostname(), f.log); err != nil {
			return upstream{}, err
		}
		t.DialTLSContext = one.tls.dial
	}
	one.proxy, err = f.gateway.Proxy(gateway.ProxyConfig{Upstream: parsed, Transport: t})
	return one, err
}

// reachable reports why the upstream cannot be connected to. Whether it is in
// order is for itself to say.
func (u *upstream) reachable() error {
	addr := u.url.Host
	if u.url.Port() == "" {
		addr = net.JoinHostPort(u.url.Hostname(), map[string]string{"http": "80", "https": "443"}[u.url.Scheme])
	}
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	var conn net.Conn
	var err error
	if u.tls != nil {
		conn, err = u.tls.dial(ctx, "tcp", addr)
	} else {
		conn, err = new(net.Dialer).DialContext(ctx, "tcp", addr)
	}
	if err != nil {
		return fmt.Errorf("reach upstream: %w", err)
	}
	return conn.Close()
}

// route chooses the upstream of each request. The path is looked at as it came:
// what an upstream makes of dots in it is its own affair.
func route(upstreams []upstream, other http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		host, path := strings.ToLower(r.Host), r.URL.EscapedPath()
		if h, _, err := net.SplitHostPort(host); err == nil {
			host = h
		}
		for _, u := range upstreams {
			rest, below := strings.CutPrefix(path, u.path)
			if (u.host == "" || u.host == host) && below && (rest == "" || rest[0] == '/') {
				u.proxy.ServeHTTP(w, r)
				return
			}
		}
		other.ServeHTTP(w, r)
	})
}

// nobody answers for paths that belong to no upstream.
func nobody(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/fhir+json; charset=utf-8")
	w.WriteHeader(http.StatusNotFound)
	_, _ = io.WriteString(w, `{"resourceType":"OperationOutcome","issue":[{"severity":"error","code":"not-found","diagnostics":"No server is behind this host and path."}]}`)
}

// patient bounds how long a body may stand still: a client that sends half of one,
// or reads half of an answer, holds a connection to the upstream, too.
func patient(h http.Handler, stall time.Duration) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		control := http.NewResponseController(w)
		if r.Body != nil && r.Body != http.NoBody {
			b := &stallingBody{ReadCloser: r.Body, control: control, stall: stall, streams: r.ProtoMajor > 1}
			if !b.streams {
				b.extend() // the server reads what the handler leaves
			}
			r.Body = b
		}
		sw := &stallingWriter{ResponseWriter: w, control: control, stall: stall, streams: r.ProtoMajor > 1}
		h.ServeHTTP(sw, r)
		sw.extend() // for the end of the answer
	})
}

// stallingWriter gives each write its time. What flushes in between has the time
// of the write before it.
type stallingWriter struct {
	http.ResponseWriter
	control *http.ResponseController
	stall   time.Duration
	streams bool // a stream of HTTP/2 ends when its deadline is over, written to or not
	set     time.Time
}

// Unwrap is for [http.ResponseController].
func (w *stallingWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

func (w *stallingWriter) Write(p []byte) (int, error) {
	if w.set.IsZero() {
		w.set = time.Now().Add(-w.stall)
	}
	w.extend()
	n, err := w.ResponseWriter.Write(p)
	if w.streams && err == nil {
		_ = w.control.SetWriteDeadline(time.Time{})
		w.set = time.Time{}
	}
	return n, err
}

// extend gives what comes next its time, if there is a deadline and it is not new.
func (w *stallingWriter) extend() {
	now := time.Now()
	if w.set.IsZero() || now.Sub(w.set) <= w.stall/4 {
		return
	}
	w.set = now
	// A connection without deadlines has nothing to guard.
	_ = w.control.SetWriteDeadline(now.Add(w.stall + w.stall/4))
}

// stallingBody gives each read its time.
type stallingBody struct {
	io.ReadCloser
	control *http.ResponseController
	stall   time.Duration
	streams bool // as of a stallingWriter
	set     time.Time
}

func (b *stallingBody) Read(p []byte) (int, error) {
	b.extend()
	n, err := b.ReadCloser.Read(p)
	if err == io.EOF || b.streams && err == nil { // after any other error the server must not wait for the rest
		_ = b.control.SetReadDeadline(time.Time{})
		b.set = time.Time{}
	}
	return n, err
}

// extend gives what comes next its time, if the deadline is not new.
func (b *stallingBody) extend() {
	if now := time.Now(); now.Sub(b.set) > b.stall/4 {
		b.set = now
		// A connection without deadlines has nothing to guard.
		_ = b.control.SetReadDeadline(now.Add(b.stall + b.stall/4))
	}
}

// protocols are what an upstream with TLS is offered.
var protocols = []string{"h2", "http/1.1"}

// dial connects to an upstream with the certificates as they are now.
func (c *upstreamCerts) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	config, err := c.current()
	if err != nil {
		return nil, err
	}
	d := &tls.Dialer{NetDialer: &net.Dialer{Timeout: 10 * time.Second, KeepAlive: 30 * time.Second}, Config: config}
	return d.DialContext(ctx, network, addr)
}
