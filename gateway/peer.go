package gateway

import (
	"context"
	"crypto/rand"
	"encoding/base32"
	"encoding/binary"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"sync/atomic"
)

// origin is where a request came from.
type origin struct {
	peer    []string // the client first, then each trusted proxy
	claimed []string // addresses that somebody untrusted named
	trusted bool     // the direct peer is a trusted proxy
}

// from follows the chain of forwarders from the direct peer back as far as it
// may be believed.
func (g *Gateway) from(r *http.Request) origin {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		host = r.RemoteAddr
	}
	o := origin{peer: []string{host}, trusted: g.trusts(host)}
	if len(r.Header["X-Forwarded-For"]) == 0 && len(r.Header["Forwarded"]) == 0 {
		return o
	}
	chain := forwarded(r.Header)
	believed := o.trusted
	for i := len(chain) - 1; i >= 0; i-- {
		if !believed {
			o.claimed = slices.Clone(chain[:i+1])
			break
		}
		o.peer = append(o.peer, chain[i])
		believed = g.trusts(chain[i])
	}
	slices.Reverse(o.peer)
	return o
}

func (g *Gateway) trusts(host string) bool {
	if len(g.c.TrustedProxies) == 0 {
		return false
	}
	a, err := netip.ParseAddr(host)
	if err != nil {
		return false
	}
	a = a.Unmap().WithZone("")
	return slices.ContainsFunc(g.c.TrustedProxies, func(p netip.Prefix) bool { return p.Contains(a) })
}

// forwarded returns the addresses of X-Forwarded-For, or else of Forwarded (RFC
// 7239), the farthest first. What is no address is kept as it is, cut.
func forwarded(h http.Header) []string {
	var out []string
	if lines := h["X-Forwarded-For"]; len(lines) > 0 {
		for _, line := range lines {
			for s := range strings.SplitSeq(line, ",") {
				if s = strings.TrimSpace(s); s != "" && len(out) < 32 {
					out = append(out, clip(bareAddress(s), 128))
				}
			}
		}
		return out
	}
	for _, line := range h["Forwarded"] {
		for element := range strings.SplitSeq(line, ",") {
			for pair := range strings.SplitSeq(element, ";") {
				name, v, _ := strings.Cut(strings.TrimSpace(pair), "=")
				if v = strings.Trim(v, `"`); strings.EqualFold(name, "for") && v != "" && len(out) < 32 {
					out = append(out, clip(bareAddress(v), 128))
				}
			}
		}
	}
	return out
}

// bareAddress takes brackets and port off an address.
func bareAddress(s string) string {
	if ap, err := netip.ParseAddrPort(s); err == nil {
		return ap.Addr().String()
	}
	if a, err := netip.ParseAddr(strings.Trim(s, "[]")); err == nil {
		return a.String()
	}
	return s
}

type connKey struct{}

// ConnIDs gives every connection of a server an id: set its ConnContext to
// (*ConnIDs).Context. Without it the connection is named by its peer's address
// and port.
type ConnIDs struct {
	prefix atomic.Pointer[string]
	n      atomic.Uint64
}

// Context is for [http.Server].ConnContext.
func (c *ConnIDs) Context(ctx context.Context, _ net.Conn) context.Context {
	p := c.prefix.Load()
	if p == nil {
		var b [5]byte
		rand.Read(b[:]) // never fails
		s := base32.StdEncoding.EncodeToString(b[:])
		c.prefix.CompareAndSwap(nil, &s)
		p = c.prefix.Load()
	}
	var n [8]byte
	binary.BigEndian.PutUint64(n[:], c.n.Add(1))
	id := *p + strings.TrimLeft(base32.HexEncoding.WithPadding(base32.NoPadding).EncodeToString(n[:]), "0")
	return context.WithValue(ctx, connKey{}, id)
}

func connection(r *http.Request) string {
	if id, ok := r.Context().Value(connKey{}).(string); ok {
		return id
	}
	return r.RemoteAddr
}
