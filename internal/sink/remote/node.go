package remote

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// node is an address of the server, of which a cluster has several.
type node struct {
	url            *url.URL
	user, password string // Basic; none where both are empty
}

// node reads an address. User and password in it count over those of c.
func (c *Config) node(address, path string) (*node, error) {
	u, err := parseURL(address)
	if err != nil {
		return nil, err
	}
	n := &node{url: u, user: c.User, password: c.Password}
	if u.User != nil {
		n.user = u.User.Username()
		n.password, _ = u.User.Password()
		u.User = nil
	}
	if u.Path == "" || u.Path == "/" {
		u.Path = path
	}
	return n, nil
}

// nodes reads the address and those of the same cluster.
func (c *Config) nodes(p *protocol) ([]*node, error) {
	var list []*node
	for _, address := range slices.Concat([]string{c.URL}, p.others) {
		n, err := c.node(address, p.path)
		if err != nil {
			return nil, err
		}
		if p.query != "" {
			n.url.RawQuery = joinQuery(n.url.RawQuery, p.query)
		}
		list = append(list, n)
	}
	return list, nil
}

// turn goes on to the next node, which is used until it fails in turn.
func (s *Sink) turn() {
	s.at = (s.at + 1) % len(s.nodes)
	s.node = s.nodes[s.at]
}

// away reports whether an answer says that a node has no cluster, or a proxy no
// node, behind it.
func away(status int) bool {
	return status == http.StatusBadGateway || status == http.StatusServiceUnavailable || status == http.StatusGatewayTimeout
}

// noneAnswers is the error of a request that every node was asked.
func noneAnswers(errs []error) error {
	if len(errs) == 1 {
		return errs[0]
	}
	all := make([]string, len(errs))
	for i, err := range errs {
		all[i] = err.Error()
	}
	return waitFor(0, "no node answers: %s", strings.Join(all, "; "))
}
