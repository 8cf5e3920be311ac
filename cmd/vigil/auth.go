package main

import (
	"fmt"
	"log/slog"
	"strings"

	"vigil/internal/auth"
	"vigil/internal/config"
)

// grants returns the roles that there are by configuration.
func grants(cfg *config.Config) (*auth.Grants, error) {
	var more []auth.Grant
	add := func(role, table string, actions []string) error {
		g := auth.Grant{Role: role, Table: table}
		if len(actions) > 0 {
			a, err := auth.ParseAction(strings.Join(actions, ","))
			if err != nil {
				return fmt.Errorf("role %q, table %q: %w", role, table, err)
			}
			g.Action = a
		}
		more = append(more, g)
		return nil
	}
	for role, tables := range cfg.Roles {
		for table, actions := range tables {
			if err := add(role, table, actions); err != nil {
				return nil, err
			}
		}
		if len(tables) == 0 {
			more = append(more, auth.Grant{Role: role})
		}
	}
	for _, t := range cfg.Tables {
		for role, actions := range t.Grants {
			if err := add(role, t.Name, actions); err != nil {
				return nil, err
			}
		}
	}
	return auth.NewGrants(more...)
}

// authenticator makes what tells who asks.
func authenticator(cfg *config.Config, log *slog.Logger) (*auth.Authenticator, error) {
	g, err := grants(cfg)
	if err != nil {
		return nil, err
	}
	a := cfg.Auth
	c := auth.Config{
		SecretsBase64: a.SecretBase64, Audience: a.Audience, RoleClaim: a.RoleClaim,
		AnonRole: a.AnonRole, Grants: g, Log: log,
	}
	for _, s := range append(a.Secrets, a.Keys) {
		if s != "" {
			c.Secrets = append(c.Secrets, s)
		}
	}
	for _, where := range a.JWKS {
		if strings.HasPrefix(where, "https://") || strings.HasPrefix(where, "http://") {
			c.KeyURLs = append(c.KeyURLs, where)
		} else {
			c.KeyFiles = append(c.KeyFiles, where)
		}
	}
	for _, i := range a.Issuers {
		c.Issuers = append(c.Issuers, auth.Issuer{URL: i.Issuer, Keys: i.JWKS, Audience: i.Audience, RoleClaim: i.RoleClaim})
	}
	for _, b := range a.Basic {
		hash := b.Password
		if !strings.HasPrefix(hash, "pbkdf2-sha256$") {
			if hash, err = auth.HashSecret(b.Password); err != nil {
				return nil, err
			}
		}
		c.Basic = append(c.Basic, auth.Client{ID: b.User, Hash: hash, Role: b.Role})
	}
	for _, s := range a.MTLS {
		c.Certs = append(c.Certs, auth.CertSubject{Subject: s.Subject, Role: s.Role})
	}
	return auth.New(c)
}
