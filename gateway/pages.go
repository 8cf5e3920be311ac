package gateway

import (
	"net/url"
	"sync"

	"vigil"
)

// pages remembers which search the further pages of an answer belong to: their
// addresses are often opaque. It is bounded; the oldest are forgotten first, and
// then a page is recorded without its search.
type pages struct {
	mu    sync.Mutex
	of    map[string]string // address of a page -> address of its search
	order []string
	next  int
}

// link sets what x is a page of, and remembers the links of its answer.
func (p *pages) link(x *vigil.Exchange, answer *resource, rules *rules) {
	if x.Search == nil {
		return
	}
	self := address(x.Path, x.RawQuery)
	p.mu.Lock()
	defer p.mu.Unlock()
	search, ok := p.of[self]
	switch {
	case ok && search != self:
		x.Search.PageOf = search
	case x.Method == "POST":
		search = address(x.Path, x.Search.Query)
	default:
		search = self
	}
	if answer == nil {
		return
	}
	for _, link := range answer.next {
		u, err := url.Parse(link)
		if err != nil {
			continue
		}
		// A link may be relative to the base, so the query must tell it apart.
		a := address(u.EscapedPath(), rules.query(u.RawQuery))
		if a == self || a == search || u.RawQuery == "" {
			continue
		}
		p.put(a, search)
	}
}

func (p *pages) put(page, search string) {
	if p.of == nil {
		p.of = make(map[string]string)
	}
	if _, ok := p.of[page]; ok {
		p.of[page] = search
		return
	}
	const most = 10_000
	if len(p.order) < most {
		p.order = append(p.order, page)
	} else {
		delete(p.of, p.order[p.next])
		p.order[p.next] = page
		p.next = (p.next + 1) % most
	}
	p.of[page] = search
}

// address bounds what is kept of one link.
func address(path, query string) string {
	if query != "" {
		path += "?" + query
	}
	return clip(path, 4096)
}
