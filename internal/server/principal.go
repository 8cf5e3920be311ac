package server

import (
	"net/http"

	"vigil/internal/auth"
	"vigil/internal/web"
)

// Gate tells the faces who asks, and whether they may.
type Gate struct {
	Auth *auth.Authenticator
	// Admin is the role of who comes through the unix socket without a token.
	Admin string
}

// Authenticate returns who sent r: what the token, password or certificate
// says; through the unix socket in the store's directory, which only the
// server's own user can reach, the administrator.
func (g *Gate) Authenticate(r *http.Request) (*auth.Principal, error) {
	if Local(r) && r.Header.Get("Authorization") == "" {
		return &auth.Principal{Subject: "local", Role: g.Admin, Roles: []string{g.Admin}, Authenticated: true}, nil
	}
	return g.Auth.Authenticate(r)
}

// Allow returns nil where p may do a with table.
func (g *Gate) Allow(p *auth.Principal, table string, a auth.Action) error {
	return g.Auth.Grants().Check(p, table, a)
}

// Authorize is both for a request that reads a table; the empty name asks for
// all of them. It notes who asks in the request's record of access.
func (g *Gate) Authorize(r *http.Request, table string) error {
	a := web.AccessOf(r.Context())
	p, err := g.Authenticate(r)
	if err != nil {
		return err
	}
	a.Principal, a.Role = p.Name(), p.Role
	if table == "" {
		table = "*"
	}
	return g.Allow(p, table, auth.Select)
}
