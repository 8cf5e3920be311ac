package config

import (
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"vigil"
)

// tableName is what an event table may be called: a PostgreSQL name that needs
// no quotes.
var tableName = regexp.MustCompile(`^[a-z][a-z0-9_]{0,62}$`)

// reserved are the names of routes that are no tables.
var reserved = []string{
	"events_view", "log", "raw", "rpc", "store", "fhir", "ui", "live", "ready", "metrics",
	"_logs", "_bulk", "ingest", "api", "ohf_hdr_fhir_audit",
}

// Validate reports what cannot work, all of it at once. [Load] has called it.
func (c *Config) Validate() error {
	var errs []error
	add := func(name, format string, args ...any) {
		errs = append(errs, fmt.Errorf("%s (%s): %w", name, c.source(name), fmt.Errorf(format, args...)))
	}
	if err := checkStore(c.Store); err != nil {
		add("store", "%w", err)
	}
	if o := c.Postgres.Owner; o != "" && !isPostgres(o) {
		add("postgres.owner", "want postgres://…")
	} else if o != "" {
		if err := checkPostgres(o); err != nil {
			add("postgres.owner", "%w", err)
		}
	}
	if c.Postgres.Connections < 1 || c.Postgres.Connections > 10_000 {
		add("postgres.connections", "want 1 to 10000")
	}
	if (c.TLS.Cert == "") != (c.TLS.Key == "") {
		add("tls.cert", "tls.cert and tls.key go together: give both or neither")
	}
	if c.TLS.ClientCA != "" && c.TLS.Cert == "" {
		add("tls.client-ca", "client certificates need tls.cert and tls.key")
	}
	if len(c.Auth.MTLS) > 0 && c.TLS.ClientCA == "" {
		add("mtls", "client certificates need tls.client-ca")
	}
	for name, u := range map[string]string{"base-url": c.BaseURL, "openapi-url": c.OpenAPIURL} {
		if err := checkURL(u); err != nil {
			add(name, "%w", err)
		}
	}
	for _, i := range c.Auth.Issuers {
		if i.Issuer == "" {
			add("jwt.issuers", "an issuer has no name")
		}
	}
	for _, b := range c.Auth.Basic {
		if b.User == "" || b.Password == "" || b.Role == "" {
			add("basic", "a client needs user, password and role")
		}
	}
	for _, s := range c.Auth.MTLS {
		if s.Subject == "" || s.Role == "" {
			add("mtls", "a client needs subject and role")
		}
	}
	if len(c.Schemas) == 0 {
		add("schemas", "want at least one name")
	}
	if err := c.checkGateways(); err != nil {
		add("gateways", "%w", err)
	}
	errs = append(errs, c.checkTables()...)
	errs = append(errs, c.checkSinks()...)
	return errors.Join(errs...)
}

func (c *Config) checkTables() []error {
	var errs []error
	add := func(name, format string, args ...any) {
		errs = append(errs, fmt.Errorf("%s (%s): %w", name, c.source(name), fmt.Errorf(format, args...)))
	}
	seen := map[string]bool{}
	for _, t := range c.Tables {
		switch {
		case !tableName.MatchString(t.Name):
			add("tables", "%q cannot be a table's name: want a-z, 0-9 and _, a letter first, 63 characters at most", t.Name)
		case slices.Contains(vigil.Tables(), t.Name):
			add("tables", "%s is built in: grant it under roles", t.Name)
		case slices.Contains(reserved, t.Name):
			add("tables", "%s is a page or a view of Vigil's: take another name", t.Name)
		case seen[t.Name]:
			add("tables", "%s is there twice", t.Name)
		}
		seen[t.Name] = true
		for role, actions := range t.Grants {
			if err := checkActions(actions); err != nil {
				add("tables", "%s, role %s: %w", t.Name, role, err)
			}
		}
	}
	for role, tables := range c.Roles {
		for table, actions := range tables {
			if err := checkActions(actions); err != nil {
				add("roles", "%s, table %s: %w", role, table, err)
			}
		}
	}
	return errs
}

func checkActions(actions []string) error {
	for _, a := range actions {
		if a != "select" && a != "insert" {
			return fmt.Errorf("actions are select and insert: the log has no other")
		}
	}
	return nil
}

func checkStore(store string) error {
	scheme, rest, _ := strings.Cut(store, ":")
	switch {
	case scheme == "dir" && rest != "", store == "memory:":
		return nil
	case scheme == "dir":
		return errors.New("want a path after dir, as in dir:./vigil-data")
	case isPostgres(store):
		return checkPostgres(store)
	}
	return errors.New("want memory:, postgres://… or dir:PATH")
}

func checkURL(s string) error {
	if s == "" {
		return nil
	}
	u, err := url.Parse(s)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return fmt.Errorf("want a URL such as https://audit.example.org")
	}
	return nil
}
