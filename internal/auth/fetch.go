package auth

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"syscall"
)

// maxDocument bounds a JWK set or a discovery document, in bytes.
const maxDocument = 1 << 20

// wellKnown is where an issuer describes itself (OpenID Connect Discovery 1.0, section 4).
const wellKnown = "/.well-known/openid-configuration"

// fetcher gets documents from configured URLs. A configured address may be an
// inner one; whatever the answers lead to, by redirect or as jwks_uri, must be
// public. The address that is checked is the one connected to, so that a name
// cannot change its mind in between.
type fetcher struct {
	client  *http.Client
	allowed map[string]bool // host:port of every configured URL
}

func newFetcher(roots *x509.CertPool) *fetcher {
	f := &fetcher{allowed: make(map[string]bool)}
	inner := &net.Dialer{Timeout: fetchTime}
	outer := &net.Dialer{Timeout: fetchTime, Control: func(_, address string, _ syscall.RawConn) error {
		ap, err := netip.ParseAddrPort(address)
		if err != nil {
			return err
		}
		if !public(ap.Addr()) {
			return fmt.Errorf("the inner address %s is not configured", ap)
		}
		return nil
	}}
	f.client = &http.Client{
		Timeout: fetchTime,
		Transport: &http.Transport{
			DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
				if f.allowed[addr] {
					return inner.DialContext(ctx, network, addr)
				}
				return outer.DialContext(ctx, network, addr)
			},
			TLSClientConfig:        &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12},
			TLSHandshakeTimeout:    fetchTime,
			ResponseHeaderTimeout:  fetchTime,
			MaxResponseHeaderBytes: 64 << 10,
			DisableKeepAlives:      true, // each document over a connection that was checked for it
			DisableCompression:     true, // so that the bound on size is one on memory
		},
		CheckRedirect: func(r *http.Request, via []*http.Request) error {
			if len(via) > 3 {
				return errors.New("too many redirects")
			}
			if r.URL.Scheme != "https" && (r.URL.Scheme != "http" || via[0].URL.Scheme == "https") {
				return fmt.Errorf("redirect to %s: not https", r.URL.Scheme)
			}
			return nil
		},
	}
	return f
}

// allow lets a configured URL be asked.
func (f *fetcher) allow(raw string) error {
	u, err := url.Parse(raw)
	if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Hostname() == "" || u.User != nil || u.Fragment != "" {
		return fmt.Errorf("URL %q: want such as https://id.example.org/keys", raw)
	}
	port := u.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[u.Scheme]
	}
	f.allowed[net.JoinHostPort(u.Hostname(), port)] = true
	return nil
}

// get returns a document.
func (f *fetcher) get(ctx context.Context, url string) ([]byte, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	r.Header.Set("Accept", "application/jwk-set+json, application/json")
	resp, err := f.client.Do(r)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("get %s: status %d", url, resp.StatusCode)
	}
	b, err := io.ReadAll(io.LimitReader(resp.Body, maxDocument+1))
	if err != nil {
		return nil, fmt.Errorf("get %s: %w", url, err)
	}
	if len(b) > maxDocument {
		return nil, fmt.Errorf("get %s: more than %d bytes", url, maxDocument)
	}
	return b, nil
}

// jwks reads the JWK set at url.
func (f *fetcher) jwks(url string) func(context.Context) ([]key, error) {
	return func(ctx context.Context) ([]key, error) {
		b, err := f.get(ctx, url)
		if err != nil {
			return nil, err
		}
		return parseJWKs(b, false)
	}
}

// discover reads the JWK set that an issuer names.
func (f *fetcher) discover(issuer string) func(context.Context) ([]key, error) {
	return func(ctx context.Context) ([]key, error) {
		b, err := f.get(ctx, strings.TrimSuffix(issuer, "/")+wellKnown)
		if err != nil {
			return nil, err
		}
		var doc struct {
			Issuer string `json:"issuer"`
			JWKS   string `json:"jwks_uri"`
		}
		if err := json.Unmarshal(b, &doc); err != nil {
			return nil, fmt.Errorf("the description of issuer %s is not valid JSON", issuer)
		}
		if doc.Issuer != issuer {
			return nil, fmt.Errorf("the description of issuer %s is of %q", issuer, doc.Issuer)
		}
		if u, err := url.Parse(doc.JWKS); err != nil || u.Scheme != "https" && (u.Scheme != "http" || strings.HasPrefix(issuer, "https:")) {
			return nil, fmt.Errorf("the jwks_uri of issuer %s is %q: want https", issuer, doc.JWKS)
		}
		return f.jwks(doc.JWKS)(ctx)
	}
}

// reserved are the networks that lead inward or nowhere, beside those that
// netip.Addr knows by name (IANA's special-purpose address registries).
var reserved = []netip.Prefix{
	netip.MustParsePrefix("0.0.0.0/8"),
	netip.MustParsePrefix("100.64.0.0/10"),
	netip.MustParsePrefix("192.0.0.0/24"),
	netip.MustParsePrefix("192.0.2.0/24"),
	netip.MustParsePrefix("192.88.99.0/24"),
	netip.MustParsePrefix("198.18.0.0/15"),
	netip.MustParsePrefix("198.51.100.0/24"),
	netip.MustParsePrefix("203.0.113.0/24"),
	netip.MustParsePrefix("240.0.0.0/4"),
	netip.MustParsePrefix("64:ff9b::/96"),
	netip.MustParsePrefix("64:ff9b:1::/48"),
	netip.MustParsePrefix("100::/64"),
	netip.MustParsePrefix("2001::/23"),
	netip.MustParsePrefix("2001:db8::/32"),
	netip.MustParsePrefix("2002::/16"),
	netip.MustParsePrefix("fec0::/10"),
}

// public reports whether a is an address of the public internet.
func public(a netip.Addr) bool {
	a = a.Unmap().WithZone("")
	if !a.IsGlobalUnicast() || a.IsPrivate() {
		return false
	}
	for _, p := range reserved {
		if p.Contains(a) {
			return false
		}
	}
	return true
}
