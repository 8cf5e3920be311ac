package firely

import (
	"strings"

	"vigil"
)

// Excluded is a request, or an entry of a bundle, of which nothing is written.
type Excluded struct {
	// URLPath is a path below the FHIR server's base, in which * stands for any
	// text, slashes too.
	URLPath string
	// Methods are the methods that it is about; none is all.
	Methods []string
}

// excluded reads ExcludedRequests.
func (s *Settings) excluded(r *reader, n *node) {
	if n == nil {
		return
	}
	for _, p := range n.parts {
		r.known(p, "an excluded request", "UrlPath", "Method")
		path := r.text(p.part("UrlPath"), "")
		if path == "" {
			r.failf(p, "the excluded request has no UrlPath: want a path such as /Patient/*")
			continue
		}
		x := Excluded{URLPath: path}
		for m := range strings.SplitSeq(r.text(p.part("Method"), ""), "|") {
			switch m = strings.ToUpper(strings.TrimSpace(m)); m {
			case "":
			case "*":
				x.Methods = nil
			case "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS":
				x.Methods = append(x.Methods, m)
			default:
				r.failf(p.part("Method"), "there is no method %q: want such as GET, or GET|POST", m)
			}
			if m == "*" {
				break
			}
		}
		s.Excluded = append(s.Excluded, x)
	}
}

// Matches reports whether x is about a request with this method and this path
// below the FHIR server's base. Paths are compared without case and without a
// slash at the end.
func (x Excluded) Matches(method, path string) bool {
	if len(x.Methods) > 0 {
		found := false
		for _, m := range x.Methods {
			found = found || strings.EqualFold(m, method)
		}
		if !found {
			return false
		}
	}
	return wild(strings.ToLower(trim(x.URLPath)), strings.ToLower(trim(path)))
}

func trim(path string) string {
	return "/" + strings.Trim(path, "/")
}

// wild matches text with a pattern in which * is any text. It takes time
// proportional to the product of the two lengths at most.
func wild(pattern, text string) bool {
	star, mark := -1, 0
	p, t := 0, 0
	for t < len(text) {
		switch {
		case p < len(pattern) && pattern[p] == '*':
			star, mark = p, t
			p++
		case p < len(pattern) && pattern[p] == text[t]:
			p++
			t++
		case star >= 0:
			mark++
			p, t = star+1, mark
		default:
			return false
		}
	}
	return strings.Trim(pattern[p:], "*") == ""
}

// Excludes reports whether nothing is written of x, which is a whole exchange: of
// a bundle neither its own lines and AuditEvent nor those of its entries.
func (s *Settings) Excludes(x *vigil.Exchange) bool {
	return s.excludes(x, x.Upstream)
}

// ExcludesEntry reports whether nothing is written of an entry of whole, which is a
// batch or a transaction. Entries are requests with a method and a path of their own.
func (s *Settings) ExcludesEntry(whole, entry *vigil.Exchange) bool {
	return s.excludes(entry, whole.Upstream)
}

func (s *Settings) excludes(x *vigil.Exchange, upstream string) bool {
	if len(s.Excluded) == 0 {
		return false
	}
	path := below(x, upstream)
	for _, e := range s.Excluded {
		if e.Matches(x.Method, path) {
			return true
		}
	}
	return false
}

// Audits reports whether an AuditEvent is written of x, which is a whole exchange.
func (s *Settings) Audits(x *vigil.Exchange) bool {
	return s.Events.covers(x) && !s.Excludes(x)
}

// covers reports whether x is within the scope.
func (s Scope) covers(x *vigil.Exchange) bool {
	return s == All || s == Transactions && (x.Interaction == "batch" || x.Interaction == "transaction")
}

// String writes x down as it is recorded: methods and path.
func (x Excluded) String() string {
	if len(x.Methods) == 0 {
		return "* " + x.URLPath
	}
	return strings.Join(x.Methods, "|") + " " + x.URLPath
}
