package gateway

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// reading is what a request asks for: as it says it, and as the server may
// understand it.
type reading struct {
	written []string // segments of the path below the base, as they came
	meant   []string // as a server reads them that is not strict; the same where nothing is odd
	methods []string // the request's, and those that it asks to be taken for
	odd     bool     // the server might understand it otherwise
}

func readRequest(r *http.Request, base string) reading {
	whole := pathOf(r)
	path, below := splitBase(whole, base)
	if !below {
		path = whole
	}
	q := reading{written: strings.Split(strings.TrimPrefix(path, "/"), "/")}
	q.meant = q.written
	q.methods, q.odd = overrides(r)
	q.methods = append(q.methods, strings.ToUpper(r.Method))
	q.odd = q.odd || r.URL.Opaque != ""
	looked := q.written
	if base == "" { // what comes before the part that is read may be meant as well
		looked = strings.Split(strings.TrimPrefix(whole, "/"), "/")
	}
	if q.odd = q.odd || oddPath(looked); q.odd || !below {
		q.meant, _ = belowBase(lax(whole), base)
	} else if n := len(q.written); n > 1 && q.written[n-1] == "" {
		q.meant = q.written[:n-1]
	}
	return q
}

// isFor reports whether p is for a request with that method and path.
func (p *policy) isFor(method string, segs []string) bool {
	if len(p.Methods) > 0 && !slices.Contains(p.Methods, method) {
		return false
	}
	return p.route == nil || p.route.matches(segs)
}

// isForAll reports whether p is for every request.
func (p *policy) isForAll() bool { return len(p.Methods) == 0 && p.route == nil }

// mayBeFor reports whether p is for the request in some reading.
func (p *policy) mayBeFor(q *reading) bool {
	if len(p.Methods) > 0 && !slices.ContainsFunc(q.methods, func(m string) bool { return slices.Contains(p.Methods, m) }) {
		return false
	}
	return p.route == nil || p.route.matches(q.written) || p.route.matchesFold(q.meant)
}

// overrides returns the methods that r asks to be taken for, and whether it says
// anything that may change its method or path, or takes more than an answer.
func overrides(r *http.Request) (methods []string, odd bool) {
	for name, values := range r.Header {
		if name == "" || name[0] != 'X' && name[0] != 'U' {
			continue // most
		}
		switch n := dashed(name); {
		case strings.HasPrefix(n, "X-Http-Method") || n == "X-Method-Override":
			odd = true
			for _, v := range values {
				methods = append(methods, strings.ToUpper(strings.TrimSpace(v)))
			}
		case overridesPath(n):
			odd = true
		case n == "Upgrade": // what goes through a WebSocket is no answer to a request for that path
			odd = odd || slices.ContainsFunc(values, func(v string) bool { return strings.Contains(strings.ToLower(v), "websocket") })
		}
	}
	if r.Method == http.MethodGet || r.Method == http.MethodHead {
		odd = odd || r.ContentLength != 0 // a body that says what is asked for
	}
	if !strings.Contains(r.URL.RawQuery, "ethod") && !strings.Contains(r.URL.RawQuery, "ETHOD") && strings.IndexByte(r.URL.RawQuery, '%') < 0 {
		return methods, odd // most
	}
	for pair := range strings.FieldsFuncSeq(r.URL.RawQuery, func(c rune) bool { return c == '&' || c == ';' }) {
		name, value, _ := strings.Cut(pair, "=")
		if n := strings.ToLower(unescape(name)); strings.HasSuffix(n, "_method") || strings.Contains(n, "http-method") || strings.Contains(n, "method-override") {
			odd = true
			methods = append(methods, strings.ToUpper(strings.TrimSpace(unescape(value))))
		}
	}
	return methods, odd
}

// oddPath reports whether a server might read another path in these segments.
func oddPath(segs []string) bool {
	for i, s := range segs {
		if s == "" && i < len(segs)-1 || s == "." || s == ".." {
			return true
		}
		for j := range len(s) { // %00, %c0%af and %252f mean something else to each server
			if c := s[j]; c <= ' ' || c >= 0x7f || c == '%' || c == '\\' || c == ';' {
				return true
			}
		}
	}
	return false
}

// lax are the segments of a path as the most lenient of servers reads them: escapes
// undone as often as there are any, with what they hide of slashes and of parameters.
func lax(path string) []string {
	for range 3 {
		u, err := url.PathUnescape(path)
		if err != nil || u == path {
			break
		}
		path = u
	}
	path = strings.ReplaceAll(path, "\\", "/")
	var out []string
	for s := range strings.SplitSeq(path, "/") {
		s, _, _ = strings.Cut(s, ";")
		switch s = strings.TrimSpace(s); s {
		case "", ".":
		case "..":
			out = out[:max(len(out)-1, 0)]
		default:
			out = append(out, s)
		}
	}
	return out
}

// overridesPath reports whether a server may take the path from that header.
func overridesPath(name string) bool {
	switch name {
	case "X-Original-Url", "X-Original-Uri", "X-Rewrite-Url", "X-Forwarded-Uri", "X-Forwarded-Path":
		return true
	}
	return false
}

// dashed is a header's name as servers see it that make no difference between _
// and -.
func dashed(name string) string {
	if strings.IndexByte(name, '_') < 0 {
		return name
	}
	return http.CanonicalHeaderKey(strings.ReplaceAll(name, "_", "-"))
}
