package config

import (
	"fmt"
	"path"
	"strings"
	"time"
)

// Aidbox says how lines of Aidbox's log look, and who may send them.
type Aidbox struct {
	Tenant      string // tn
	Worker      string // w; empty is the gateway's name, else vigil
	Compat      string // aidbox: $loggy takes what comes without credentials
	TokenRoutes []string
	Sizes       time.Duration // how often sizes are written as lines; 0 is never
	Indices     []string      // PATTERN=TABLE for _bulk
}

// Anonymous reports whether $loggy takes what comes without credentials.
func (a *Aidbox) Anonymous() bool { return a.Compat == "aidbox" }

// IndexTable returns the table for an index of Elasticsearch by that name.
func (a *Aidbox) IndexTable(index string) string {
	for _, pair := range a.Indices {
		pattern, table, _ := strings.Cut(pair, "=")
		if ok, _ := path.Match(pattern, index); ok {
			return table
		}
	}
	return "logs"
}

func aidboxSettings() []setting {
	return []setting{
		{
			section: "Logs of Aidbox, Elasticsearch and Seq", name: "aidbox.tenant",
			doc:  "`tn` of lines of Aidbox's log: the name of the box.",
			kind: text(func(c *Config) *string { return &c.Aidbox.Tenant }),
		},
		{
			name: "aidbox.worker",
			doc:  "`w` of those lines. Empty is the gateway's name, and vigil for what came through none.",
			kind: text(func(c *Config) *string { return &c.Aidbox.Worker }),
		},
		{
			name: "compat", def: "none",
			doc:  "`aidbox` lets `POST /$loggy` take what comes without credentials, as Aidbox's client for Python sends it. Anybody who reaches the server can then write to the table logs.",
			kind: parsed("text", func(c *Config) *string { return &c.Aidbox.Compat }, oneOf("none", "aidbox"), same),
		},
		{
			name: "aidbox.token-routes",
			doc:  "Ends of paths of a gateway's upstream at which tokens are given out: an answer there is `auth/login` or `auth/warn`. Empty is the usual ones, such as /auth/token.",
			kind: texts(func(c *Config) *[]string { return &c.Aidbox.TokenRoutes }),
		},
		{
			name: "aidbox.sizes", def: "0s",
			doc:  "How often the size of the store and of its tables is written to the table logs, as `db/db-size` and `db/rel-size`; 0 is never.",
			kind: duration(func(c *Config) *time.Duration { return &c.Aidbox.Sizes }),
		},
		{
			name: "bulk.indices",
			doc:  "Which table documents for an index of Elasticsearch go to by `POST /_bulk`, as `PATTERN=TABLE`, such as `audit-*=events`; the first that fits is taken, and logs for the rest.",
			kind: indices(func(c *Config) *[]string { return &c.Aidbox.Indices }),
		},
	}
}

// indices is a list of PATTERN=TABLE.
func indices(field func(*Config) *[]string) kind {
	k := texts(field)
	set := k.set
	k.set = func(c *Config, v value) error {
		if err := set(c, v); err != nil {
			return err
		}
		for _, pair := range *field(c) {
			if err := checkIndex(pair); err != nil {
				return err
			}
		}
		return nil
	}
	return k
}

// checkIndex reports what is wrong with PATTERN=TABLE.
func checkIndex(pair string) error {
	pattern, table, ok := strings.Cut(pair, "=")
	if !ok || pattern == "" || table == "" {
		return fmt.Errorf("%q: want PATTERN=TABLE", pair)
	}
	if _, err := path.Match(pattern, ""); err != nil {
		return fmt.Errorf("%q: %w", pair, err)
	}
	return nil
}
