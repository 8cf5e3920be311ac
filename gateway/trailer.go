package gateway

import (
	"io"
	"net/http"
	"strings"
)

// passTrailers lets trailers of the request through that were announced and say
// nothing that belongs into a header: some servers put them there, after the record
// was made from what the header had (RFC 9110, 6.5.1).
func (g *Gateway) passTrailers(in, out *http.Request) {
	out.Trailer = nil
	for name := range in.Trailer {
		if !g.belongsIntoHeader(dashed(name)) {
			if out.Trailer == nil {
				out.Trailer = http.Header{}
			}
			out.Trailer[name] = nil
		}
	}
	if out.Trailer != nil && out.Body != nil {
		out.Body = &trailingBody{ReadCloser: out.Body, from: in, to: out.Trailer}
	}
}

// belongsIntoHeader reports whether a field of that name would change what a request
// is, who it is from or how it is recorded.
func (g *Gateway) belongsIntoHeader(name string) bool {
	switch name {
	case "Host", "Connection", "Keep-Alive", "Te", "Trailer", "Transfer-Encoding", "Upgrade", "Expect", "Range", "Prefer", "Accept",
		"Content-Length", "Content-Type", "Content-Encoding", "Content-Range", "Content-Location",
		"Forwarded", "X-Real-Ip", "X-Method-Override", "X-Request-Id", "X-Correlation-Id", "Traceparent",
		http.CanonicalHeaderKey(g.c.UserHeader), http.CanonicalHeaderKey(g.c.PurposeHeader):
		return true
	}
	for _, prefix := range [...]string{"X-Forwarded-", "X-Http-Method", "X-Audit", "If-", "Proxy-"} {
		if strings.HasPrefix(name, prefix) {
			return true
		}
	}
	return overridesPath(name) || secretHeader(strings.ToLower(name))
}

// trailingBody fills in the trailers that may pass when the body has been read.
type trailingBody struct {
	io.ReadCloser
	from *http.Request
	to   http.Header
}

func (b *trailingBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if err == io.EOF {
		for name := range b.to {
			b.to[name] = b.from.Trailer[name]
		}
	}
	return n, err
}
