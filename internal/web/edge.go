package web

import (
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
)

// RequestID returns sent, the id that a client or a proxy gave a request, where
// it is fit for a log line: 1 to 128 letters, digits and -_.:/+=@. Otherwise it
// makes one.
func RequestID(sent string) string {
	if sane(sent) {
		return sent
	}
	var b [16]byte
	rand.Read(b[:]) // never fails
	return hex.EncodeToString(b[:])
}

// sane reports whether s may be a request's id.
func sane(s string) bool {
	if len(s) == 0 || len(s) > 128 {
		return false
	}
	for i := range len(s) {
		c := s[i]
		if ('a' > c || c > 'z') && ('A' > c || c > 'Z') && ('0' > c || c > '9') && strings.IndexByte("-_.:/+=@", c) < 0 {
			return false
		}
	}
	return true
}

// EdgeConfig says what stands between clients and the server.
type EdgeConfig struct {
	// Proxies are the addresses and networks whose forwarding headers are
	// believed: "10.0.0.0/8", "192.0.2.1", "::1", or "unix" for who comes
	// through a unix socket.
	Proxies []string
	// Header is the one forwarding header that the proxies set: X-Forwarded-For
	// or Forwarded. Empty takes X-Forwarded-For and, only where that is absent,
	// Forwarded; a client behind a proxy that sets just the second can then
	// forge the first.
	Header string
	// BaseURL is the public URL of the service, without a trailing slash; empty
	// makes it from each request.
	BaseURL string
}

// Edge tells who sent a request and under which URL. A nil Edge trusts nobody.
type Edge struct {
	trusted []netip.Prefix
	unix    bool
	header  string
	base    string
}

// NewEdge checks c.
func NewEdge(c EdgeConfig) (*Edge, error) {
	e := &Edge{header: http.CanonicalHeaderKey(c.Header), base: strings.TrimRight(c.BaseURL, "/")}
	for _, s := range c.Proxies {
		if s == "unix" {
			e.unix = true
			continue
		}
		p, err := netip.ParsePrefix(s)
		if err != nil {
			a, err2 := netip.ParseAddr(s)
			if err2 != nil {
				return nil, fmt.Errorf("trusted proxy %q: want an address or a network such as 10.0.0.0/8", s)
			}
			p = netip.PrefixFrom(a.Unmap(), a.Unmap().BitLen())
		}
		e.trusted = append(e.trusted, p.Masked())
	}
	switch e.header {
	case "", "X-Forwarded-For", "Forwarded":
	default:
		return nil, fmt.Errorf("forwarding header %q: want X-Forwarded-For or Forwarded", c.Header)
	}
	if e.base != "" {
		u, err := url.Parse(e.base)
		if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" || u.RawQuery != "" || u.Fragment != "" {
			return nil, fmt.Errorf("base URL %q: want such as https://log.example.org/vigil", c.BaseURL)
		}
	}
	return e, nil
}

// Peer returns the address of the client, without port: the nearest one that is
// no trusted proxy. It is empty for who comes through a unix socket.
func (e *Edge) Peer(r *http.Request) string {
	addr, ok := remote(r)
	if !e.believes(addr, ok) {
		return text(addr)
	}
	hops := e.hops(r)
	for i := len(hops) - 1; i >= 0; i-- {
		hop, ok := hostAddr(hops[i])
		if !ok { // unknown, obfuscated or broken: the last proxy that was named is all that is known
			break
		}
		addr = hop
		if !e.believes(addr, true) {
			break
		}
	}
	return text(addr)
}

// BaseURL returns the URL that the service has for the client, without a
// trailing slash.
func (e *Edge) BaseURL(r *http.Request) string {
	if e != nil && e.base != "" {
		return e.base
	}
	scheme, host := "http", r.Host
	if r.TLS != nil {
		scheme = "https"
	}
	if e.believes(remote(r)) {
		if s := strings.ToLower(e.forwarded(r, "X-Forwarded-Proto", "proto")); s == "http" || s == "https" {
			scheme = s
		}
		if h := e.forwarded(r, "X-Forwarded-Host", "host"); saneHost(h) {
			host = h
		}
	}
	return scheme + "://" + host
}

// believes reports whether the forwarding headers of who is at addr count; !ok
// is somebody at a unix socket.
func (e *Edge) believes(addr netip.Addr, ok bool) bool {
	if e == nil {
		return false
	}
	if !ok {
		return e.unix
	}
	for _, p := range e.trusted {
		if p.Contains(addr) {
			return true
		}
	}
	return false
}

// hops returns the addresses that proxies have noted, the nearest one last.
func (e *Edge) hops(r *http.Request) []string {
	if v := r.Header["X-Forwarded-For"]; e.header != "Forwarded" && len(v) > 0 {
		return strings.Split(strings.Join(v, ","), ",")
	}
	if e.header == "X-Forwarded-For" {
		return nil
	}
	var hops []string
	for _, elem := range splitQuoted(strings.Join(r.Header["Forwarded"], ","), ',') {
		hops = append(hops, param(elem, "for"))
	}
	return hops
}

// forwarded returns what the nearest proxy says about the request it got.
func (e *Edge) forwarded(r *http.Request, header, name string) string {
	if e.header != "Forwarded" {
		if v := r.Header.Values(header); len(v) > 0 {
			return strings.TrimSpace(v[len(v)-1][strings.LastIndexByte(v[len(v)-1], ',')+1:])
		}
	}
	if e.header == "X-Forwarded-For" {
		return ""
	}
	elems := splitQuoted(strings.Join(r.Header["Forwarded"], ","), ',')
	return param(elems[len(elems)-1], name)
}

// param returns the value of a parameter of one element of Forwarded (RFC 7239, section 4).
func param(elem, name string) string {
	for _, pair := range splitQuoted(elem, ';') {
		k, v, _ := strings.Cut(pair, "=")
		if strings.EqualFold(strings.TrimSpace(k), name) {
			return strings.Trim(strings.TrimSpace(v), `"`)
		}
	}
	return ""
}

// splitQuoted splits s at sep outside double quotes. There is always one part.
func splitQuoted(s string, sep byte) []string {
	var parts []string
	start, quoted := 0, false
	for i := range len(s) {
		switch {
		case s[i] == '"':
			quoted = !quoted
		case s[i] == sep && !quoted:
			parts = append(parts, s[start:i])
			start = i + 1
		}
	}
	return append(parts, s[start:])
}

// remote returns the address at the other end of the connection; not ok is a unix socket.
func remote(r *http.Request) (netip.Addr, bool) {
	ap, err := netip.ParseAddrPort(r.RemoteAddr)
	return ap.Addr().Unmap().WithZone(""), err == nil
}

// hostAddr reads an address with or without port, brackets and white space.
func hostAddr(s string) (netip.Addr, bool) {
	s = strings.TrimSpace(s)
	if ap, err := netip.ParseAddrPort(s); err == nil {
		return ap.Addr().Unmap().WithZone(""), true
	}
	a, err := netip.ParseAddr(strings.TrimSuffix(strings.TrimPrefix(s, "["), "]"))
	return a.Unmap().WithZone(""), err == nil
}

// text returns a as text, empty where there is none.
func text(a netip.Addr) string {
	if !a.IsValid() {
		return ""
	}
	return a.String()
}

// saneHost reports whether h is a host with an optional port and nothing else.
func saneHost(h string) bool {
	if h == "" || strings.ContainsAny(h, "/?#@\\ \t\"'<>") {
		return false
	}
	u, err := url.Parse("http://" + h)
	return err == nil && u.Host == h && u.Hostname() != ""
}
