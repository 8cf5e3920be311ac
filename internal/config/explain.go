package config

import (
	"fmt"
	"net/url"
	"strings"
)

// hidden is shown for a secret that is set.
const hidden = "(hidden)"

// Explain returns every setting with its value and where that came from, in the
// order of the documentation. Secrets, and passwords in URLs, are hidden.
func (c *Config) Explain() []Setting {
	var out []Setting
	for _, s := range settings() {
		e := Setting{Name: s.name, Value: redact(s.kind.show(c)), Source: c.source(s.name), Secret: s.secret}
		if s.secret && e.Value != "" {
			e.Value = hidden
		}
		out = append(out, e)
	}
	if c.PostgresURI != "" {
		out = append(out, Setting{Name: postgresURI, Value: redact(c.PostgresURI), Source: c.source(postgresURI)})
	}
	return out
}

func (c *Config) source(name string) string {
	if o, ok := c.origins[name]; ok {
		return o.from
	}
	return "default"
}

// redact hides the password of a URL, and all of one that cannot be parsed.
func redact(s string) string {
	if !strings.Contains(s, "://") || !strings.Contains(s, "@") {
		if strings.Contains(s, "password=") {
			return hidden // libpq's other form
		}
		return s
	}
	u, err := url.Parse(s)
	if err != nil || strings.Contains(u.RawQuery, "password") {
		return hidden // or a parameter of libpq's
	}
	return u.Redacted()
}

// String lists the settings, one line each. It is fit for logs.
func (c *Config) String() string {
	var b strings.Builder
	for _, s := range c.Explain() {
		fmt.Fprintf(&b, "%s=%s (%s)\n", s.Name, s.Value, s.Source)
	}
	return b.String()
}
