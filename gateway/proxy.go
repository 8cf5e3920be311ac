package gateway

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"
)

// ProxyConfig says where a proxy sends requests.
type ProxyConfig struct {
	// Upstream is the FHIR server, such as http://fhir:8080/fhir. Its path is
	// the same for clients, /fhir/Patient stays /fhir/Patient, and is the base
	// that interactions are told by. Other paths go to the same server.
	Upstream *url.URL
	// Transport reaches it; nil is [NewTransport].
	Transport http.RoundTripper
}

// NewTransport returns a Transport fit for one upstream with many clients: it
// keeps idle connections, follows no proxy of the environment, and leaves
// content codings alone. Its TLSClientConfig is for the caller to set.
func NewTransport() *http.Transport {
	d := &net.Dialer{Timeout: 10 * time.Second, KeepAlive: 30 * time.Second}
	return &http.Transport{
		DialContext:           dialWide(d),
		ForceAttemptHTTP2:     true,
		DisableCompression:    true,
		MaxIdleConnsPerHost:   1024,
		IdleConnTimeout:       90 * time.Second,
		TLSHandshakeTimeout:   10 * time.Second,
		ExpectContinueTimeout: 2 * time.Second,
		WriteBufferSize:       16 << 10,
		ReadBufferSize:        16 << 10,

		MaxResponseHeaderBytes: 1 << 20,
	}
}

// Proxy returns a handler that sends requests upstream and records them. The
// upstream sees the Host that the client asked for, with its port, and
// X-Forwarded-*, so that the links it makes lead back to the gateway. Bodies
// stream, and upgrades to WebSocket pass; other upgrades do not, because what
// goes through them would not be recorded.
func (g *Gateway) Proxy(c ProxyConfig) (http.Handler, error) {
	u := c.Upstream
	if u == nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return nil, errors.New("the upstream must be a URL such as http://fhir:8080/fhir")
	}
	if c.Transport == nil {
		c.Transport = NewTransport()
	}
	rp := &httputil.ReverseProxy{
		Rewrite:      func(pr *httputil.ProxyRequest) { g.rewrite(pr, u) },
		Transport:    c.Transport,
		ErrorHandler: upstreamFailed,
		ErrorLog:     slog.NewLogLogger(g.c.Log.Handler(), slog.LevelDebug),
		BufferPool:   &bufferPool{size: 32 << 10},
	}
	base := strings.TrimSuffix(u.EscapedPath(), "/")
	if base == "" {
		base = g.c.Base
	}
	shown := url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path, RawPath: u.RawPath} // without a password
	return g.wrap(guard(rp), base, shown.String()), nil
}

// guard refuses requests that could mean one thing to the record and another
// thing upstream.
func guard(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.Method == http.MethodConnect || r.Method == "PRI": // PRI begins a connection of HTTP/2
			refuse(w, http.StatusMethodNotAllowed, r.Method+" is not for a FHIR server.")
		case r.URL.Opaque != "": // x:http://fhir/Patient/1 has no path, and would go upstream without the x:
			refuse(w, http.StatusBadRequest, "The target of the request is no path.")
		case len(r.Header["Authorization"]) > 1:
			refuse(w, http.StatusBadRequest, "There is more than one Authorization header.")
		case strings.ContainsAny(r.Host, "@/\\?#,; \t\"<>"):
			refuse(w, http.StatusBadRequest, "The Host is not the name or address of a server.")
		case hidesHeader(r.Header):
			refuse(w, http.StatusBadRequest, "The Connection header names a header that is not about the connection.")
		default:
			next.ServeHTTP(w, r)
		}
	})
}

// hidesHeader reports whether Connection names a header of the request that is
// not about the connection: it would be removed on the way, and the record be
// made from what the upstream does not see.
func hidesHeader(h http.Header) bool {
	for _, line := range h["Connection"] {
		for name := range strings.SplitSeq(line, ",") {
			name = http.CanonicalHeaderKey(strings.TrimSpace(name))
			switch name {
			case "Close", "Keep-Alive", "Upgrade", "Te", "Trailer", "Http2-Settings", "Proxy-Connection", "Proxy-Authorization":
				continue
			case "Host", "Content-Length", "Transfer-Encoding": // net/http has taken them out of h
				return true
			}
			if _, there := h[name]; there {
				return true
			}
		}
	}
	return false
}

func (g *Gateway) rewrite(pr *httputil.ProxyRequest, upstream *url.URL) {
	in, out := pr.In, pr.Out
	out.URL.Scheme, out.URL.Host = upstream.Scheme, upstream.Host
	out.URL.Path, out.URL.RawPath, out.URL.RawQuery = in.URL.Path, in.URL.RawPath, in.URL.RawQuery
	out.URL.ForceQuery = in.URL.ForceQuery
	out.URL.User, out.URL.Opaque = nil, ""
	out.Host = in.Host
	g.passTrailers(in, out)
	if up := out.Header["Upgrade"]; len(up) > 0 && !(len(up) == 1 && strings.EqualFold(up[0], "websocket")) {
		delete(out.Header, "Upgrade")
		delete(out.Header, "Connection")
	}
	delete(out.Header, "Http2-Settings")
	g.forward(in, out)
	acceptReadable(out.Header)
}

// forward sets X-Forwarded-*, after what a trusted proxy said.
func (g *Gateway) forward(in, out *http.Request) {
	host, _, err := net.SplitHostPort(in.RemoteAddr)
	if err != nil {
		host = in.RemoteAddr
	}
	proto := "http"
	if in.TLS != nil {
		proto = "https"
	}
	forHost, forProto := in.Host, proto
	if g.trusts(host) {
		if v := in.Header["X-Forwarded-For"]; len(v) > 0 {
			host = strings.Join(v, ", ") + ", " + host
		}
		if v := first(in.Header, "X-Forwarded-Host"); v != "" {
			forHost = v
		}
		if v := first(in.Header, "X-Forwarded-Proto"); v != "" {
			forProto = v
		}
	} else {
		g.distrust(out.Header)
	}
	out.Header["X-Forwarded-For"] = []string{host}
	out.Header["X-Forwarded-Host"] = []string{forHost}
	out.Header["X-Forwarded-Proto"] = []string{forProto}
}

// distrust removes what only a proxy that is trusted may say: for whom and for
// which address it acts, and who the user is.
func (g *Gateway) distrust(h http.Header) {
	user := http.CanonicalHeaderKey(g.c.UserHeader)
	for name := range h {
		n := dashed(name)
		if strings.HasPrefix(n, "X-Forwarded-") || n == "Forwarded" || n == "X-Real-Ip" || n == user || overridesPath(n) {
			delete(h, name)
		}
	}
}

// acceptReadable leaves out of Accept-Encoding what the record could not be made
// from (br). What is left is still one of the client's choices.
func acceptReadable(h http.Header) {
	lines := h["Accept-Encoding"]
	if len(lines) == 0 || !slices.ContainsFunc(lines, func(s string) bool {
		return strings.Contains(s, "br") || strings.Contains(s, "*") || strings.Contains(s, "dc")
	}) {
		return
	}
	var kept []string
	for _, line := range lines {
		for s := range strings.SplitSeq(line, ",") {
			name, _, _ := strings.Cut(s, ";")
			switch strings.ToLower(strings.TrimSpace(name)) {
			case "gzip", "x-gzip", "deflate", "zstd", "identity":
				kept = append(kept, strings.TrimSpace(s))
			}
		}
	}
	if len(kept) == 0 {
		kept = []string{"identity"}
	}
	h["Accept-Encoding"] = []string{strings.Join(kept, ", ")}
}

// upstreamFailed answers where the upstream did not.
func upstreamFailed(w http.ResponseWriter, r *http.Request, err error) {
	x := exchangeOf(w)
	status, text := http.StatusBadGateway, "The FHIR server cannot be reached."
	why := "the upstream could not be reached"
	var timeout net.Error
	switch {
	case r.Context().Err() != nil && !errors.Is(r.Context().Err(), context.DeadlineExceeded):
		if x != nil {
			x.c.failure = "the client was gone before there was a response"
		}
		panic(http.ErrAbortHandler)
	case x != nil && x.body.broken() != nil:
		status, text = http.StatusBadRequest, "The body of the request is broken, or did not come to its end."
		if errors.As(x.body.broken(), &timeout) && timeout.Timeout() {
			status = http.StatusRequestTimeout
		}
		why = "the client did not send the whole request"
	case errors.As(err, &timeout) && timeout.Timeout():
		status, text = http.StatusGatewayTimeout, "The FHIR server did not answer in time."
		why = "the upstream did not answer in time"
	case !isDial(err):
		why = "the upstream gave no response that could be read"
		text = "The FHIR server gave no response that could be read."
	}
	if x != nil {
		x.c.failure = why
		x.g.c.Log.Warn(why, "id", x.c.id, "err", told(err))
	}
	refuse(w, status, text)
}

// told returns what may be logged of err: what net/http says of an answer that it
// cannot read quotes it.
func told(err error) string {
	if op, ok := errors.AsType[*net.OpError](err); ok {
		return op.Error()
	}
	if cert, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return cert.Error()
	}
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, context.DeadlineExceeded) {
		return err.Error()
	}
	return fmt.Sprintf("%T", err)
}

func isDial(err error) bool {
	op, ok := errors.AsType[*net.OpError](err)
	return ok && op.Op == "dial"
}

// exchangeOf finds the exchange that w answers.
func exchangeOf(w http.ResponseWriter) *exchange {
	for w != nil {
		if resp, ok := w.(*response); ok {
			return resp.x
		}
		u, ok := w.(interface{ Unwrap() http.ResponseWriter })
		if !ok {
			return nil
		}
		w = u.Unwrap()
	}
	return nil
}

// bufferPool keeps the buffers that bodies are copied through, of one size.
type bufferPool struct {
	size int
	p    sync.Pool // of *[]byte
}

// Get implements [httputil.BufferPool].
func (b *bufferPool) Get() []byte {
	if v, ok := b.p.Get().(*[]byte); ok {
		return *v
	}
	return make([]byte, b.size)
}

// Put implements [httputil.BufferPool].
func (b *bufferPool) Put(buf []byte) { b.p.Put(&buf) }
