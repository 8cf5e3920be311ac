package remote

import (
	"fmt"
	"regexp"

	"vigil/internal/jsonb"
)

// DatadogOptions are what Datadog needs beside a [Config].
type DatadogOptions struct {
	APIKey  string
	Site    string // such as datadoghq.eu; makes the URL where Config has none. Empty is datadoghq.com
	Tags    string // ddtags: env:staging,team:audit
	Source  string // ddsource; empty is vigil
	Service string // empty is vigil
	Host    string // hostname; empty: none
}

var siteName = regexp.MustCompile(`^[a-z0-9.-]+$`)

// NewDatadog returns a Sink for Datadog's logs API, version 2. Each line is the
// message of one log, which Datadog reads as JSON where it is.
func NewDatadog(c Config, o DatadogOptions) (*Sink, error) {
	if o.APIKey == "" {
		return nil, fmt.Errorf("open sink %s: Datadog needs an API key", c.Name)
	}
	if o.Site == "" {
		o.Site = "datadoghq.com"
	}
	if !siteName.MatchString(o.Site) {
		return nil, fmt.Errorf("open sink %s: site %q: want a name such as datadoghq.eu", c.Name, o.Site)
	}
	if c.URL == "" {
		c.URL = "https://http-intake.logs." + o.Site
	}
	rest := []byte(`,"ddsource":`)
	rest = jsonb.AppendLineString(rest, orElse(o.Source, "vigil"))
	rest = jsonb.AppendLineString(append(rest, `,"service":`...), orElse(o.Service, "vigil"))
	for _, f := range [...]struct{ key, value string }{{`,"ddtags":`, o.Tags}, {`,"hostname":`, o.Host}} {
		if f.value != "" {
			rest = jsonb.AppendLineString(append(rest, f.key...), f.value)
		}
	}
	rest = append(rest, '}')
	// Datadog takes 1,000 logs and 5 MB in a request, 1 MB in a log.
	c.BatchLines = min(orElse(c.BatchLines, 1000), 1000)
	c.BatchBytes = min(orElse(c.BatchBytes, 3<<20), 3<<20)
	return newSink(c, protocol{
		path: "/api/v2/logs", contentType: "application/json",
		header: map[string]string{"DD-API-KEY": o.APIKey},
		open:   "[", sep: ",", close: "]",
		item: func(dst []byte, it *item) []byte {
			dst = jsonb.AppendLineString(append(dst, `{"message":`...), it.line)
			return append(dst, rest...)
		},
	})
}

// orElse returns v, or other where v is zero.
func orElse[T comparable](v, other T) T {
	var zero T
	if v == zero {
		return other
	}
	return v
}
