package config

import (
	"fmt"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
)

// Gateway is a reverse proxy that records what passes it.
type Gateway struct {
	Name      string     `yaml:"name"`   // in events and metrics; empty is gateway
	Listen    string     `yaml:"listen"` // HOST:PORT
	Upstream  string     `yaml:"upstream,omitempty"`
	Upstreams []Upstream `yaml:"upstreams,omitempty"` // instead of upstream: several, by host and path
	TLS       GatewayTLS `yaml:"tls,omitempty"`
	H2C       bool       `yaml:"h2c,omitempty"` // HTTP/2 without TLS, with prior knowledge

	TrustedProxies []string `yaml:"trusted-proxies,omitempty"` // empty is the server's
	UserHeader     string   `yaml:"user-header,omitempty"`
	PurposeHeader  string   `yaml:"purpose-header,omitempty"`
	AuditHeaders   []string `yaml:"audit-headers,omitempty"`
	// Whose tokens are called verified: those of these issuers, or with
	// VerifyTokens those that the API takes, too.
	VerifyTokens bool     `yaml:"verify-tokens,omitempty"`
	Issuers      []Issuer `yaml:"issuers,omitempty"`

	Level            string          `yaml:"level,omitempty"`
	Policies         []GatewayPolicy `yaml:"policies,omitempty"`
	PseudonymKey     string          `yaml:"pseudonym-key,omitempty"` // file
	IgnoreBodyHeader bool            `yaml:"ignore-body-header,omitempty"`
	Logs             bool            `yaml:"logs,omitempty"`     // Aidbox's /_logs and /$loggy are on this listener, too
	MaxBody          Size            `yaml:"max-body,omitempty"` // bytes copied of each body
	MaxKept          Size            `yaml:"max-kept,omitempty"` // bytes of a body that become part of an exchange

	Site       string `yaml:"site,omitempty"`        // where the gateway is, for AuditEvents
	PerPatient bool   `yaml:"per-patient,omitempty"` // an AuditEvent for each patient

	Spool     string        `yaml:"spool,omitempty"` // directory
	SpoolSize Size          `yaml:"spool-size,omitempty"`
	Timeout   time.Duration `yaml:"timeout,omitempty"` // for the upstream's first byte; 0 is none
}

// Upstream is a server behind a gateway.
type Upstream struct {
	URL  string      `yaml:"url"`
	Host string      `yaml:"host,omitempty"` // that clients ask for, without port; empty is any
	Path string      `yaml:"path,omitempty"` // below which paths go there; empty is that of the URL
	TLS  UpstreamTLS `yaml:"tls,omitempty"`
}

// GatewayTLS names the files of a gateway's certificate.
type GatewayTLS struct {
	Cert          string `yaml:"cert,omitempty"`
	Key           string `yaml:"key,omitempty"`
	ClientCA      string `yaml:"client-ca,omitempty"`
	RequireClient bool   `yaml:"require-client,omitempty"` // refuse clients without a certificate
}

// UpstreamTLS names whom to believe there, and who we are to it.
type UpstreamTLS struct {
	CA   string `yaml:"ca,omitempty"`
	Cert string `yaml:"cert,omitempty"`
	Key  string `yaml:"key,omitempty"`
	Name string `yaml:"name,omitempty"` // name in its certificate, where it is not the URL's
}

// GatewayPolicy says how some requests are recorded; see gateway.Policy.
type GatewayPolicy struct {
	Methods      []string `yaml:"methods,omitempty"`
	Route        string   `yaml:"route,omitempty"`
	Level        string   `yaml:"level,omitempty"`
	Durability   string   `yaml:"durability,omitempty"`
	Redact       []string `yaml:"redact,omitempty"`
	Pseudonymize []string `yaml:"pseudonymize,omitempty"`
}

// Size is a number of bytes, written as in the table of settings.
type Size int64

// UnmarshalYAML reads sizes such as 4GiB.
func (s *Size) UnmarshalYAML(n *yaml.Node) error {
	size, err := parseSize(n.Value)
	if err != nil || n.Kind != yaml.ScalarNode {
		return fmt.Errorf("line %d: want a size such as 4GiB", n.Line)
	}
	*s = Size(size)
	return nil
}

// MarshalYAML writes what UnmarshalYAML reads.
func (s Size) MarshalYAML() (any, error) { return formatSize(int64(s)), nil }

func gatewaySettings() []setting {
	return []setting{
		{
			section: "Gateways", name: "gateways",
			doc: "Reverse proxies that record every request to a FHIR server, in YAML: `[{name: front, listen: \":8090\", upstream: \"http://fhir:8080/fhir\"}]`. " +
				"docs/gateway.md has all their keys.",
			kind: structured(func(c *Config) *[]Gateway { return &c.Gateways }),
		},
	}
}

// Normal returns g with what is left out filled in: one list of upstreams.
func (g Gateway) Normal() Gateway {
	if g.Name == "" {
		g.Name = "gateway"
	}
	if g.Upstream != "" {
		g.Upstreams = append([]Upstream{{URL: g.Upstream}}, g.Upstreams...)
		g.Upstream = ""
	}
	return g
}

// Complete reports what is missing: flags may still have given it.
func (g Gateway) Complete() error {
	switch {
	case g.Listen == "":
		return fmt.Errorf("gateway %s: listen is missing, such as :8090", g.Name)
	case len(g.Upstreams) == 0:
		return fmt.Errorf("gateway %s: upstream is missing, such as http://fhir:8080/fhir", g.Name)
	}
	return nil
}

// Check reports what cannot work with g, as Normal returned it.
func (g Gateway) Check() error {
	if !tableName.MatchString(strings.ReplaceAll(g.Name, "-", "_")) {
		return fmt.Errorf("gateway %q: want a name of a-z, 0-9, - and _", g.Name)
	}
	switch {
	case (g.TLS.Cert == "") != (g.TLS.Key == ""):
		return fmt.Errorf("gateway %s: tls.cert and tls.key go together: give both or neither", g.Name)
	case g.TLS.Cert == "" && (g.TLS.ClientCA != "" || g.TLS.RequireClient):
		return fmt.Errorf("gateway %s: client certificates need tls.cert and tls.key", g.Name)
	}
	for _, p := range g.TrustedProxies {
		if _, err := parsePrefix(p); err != nil {
			return fmt.Errorf("gateway %s: trusted-proxies: %w", g.Name, err)
		}
	}
	seen := map[string]bool{}
	for _, u := range g.Upstreams {
		parsed, err := url.Parse(u.URL)
		if err != nil || parsed.Host == "" || parsed.Scheme != "http" && parsed.Scheme != "https" || parsed.User != nil || parsed.RawQuery != "" {
			return fmt.Errorf("gateway %s: want an upstream such as http://fhir:8080/fhir, without a password in it", g.Name)
		}
		if (u.TLS.Cert == "") != (u.TLS.Key == "") {
			return fmt.Errorf("gateway %s: tls.cert and tls.key of an upstream go together: give both or neither", g.Name)
		}
		if place := strings.ToLower(u.Host) + u.place(parsed); seen[place] {
			return fmt.Errorf("gateway %s: two upstreams have the same host and path: nothing tells which one is meant", g.Name)
		} else {
			seen[place] = true
		}
	}
	return nil
}

func (u Upstream) place(parsed *url.URL) string {
	if u.Path != "" {
		return strings.TrimSuffix(u.Path, "/")
	}
	return strings.TrimSuffix(parsed.EscapedPath(), "/")
}

// Place returns the path below which requests go to u, without a slash at its end.
func (u Upstream) Place() string {
	parsed, err := url.Parse(u.URL)
	if err != nil {
		return u.Path
	}
	return u.place(parsed)
}

// Proxies returns the networks of g's trusted proxies, or others.
func (g Gateway) Proxies(others []netip.Prefix) []netip.Prefix {
	if len(g.TrustedProxies) == 0 {
		return others
	}
	var list []netip.Prefix
	for _, s := range g.TrustedProxies {
		if p, err := parsePrefix(s); err == nil { // Check has seen it
			list = append(list, p)
		}
	}
	return list
}

// checkGateways reports what cannot work with all of them together.
func (c *Config) checkGateways() error {
	names, addrs := map[string]bool{}, map[string]bool{}
	for i, g := range c.Gateways {
		g = g.Normal()
		c.Gateways[i] = g
		if err := g.Check(); err != nil {
			return err
		}
		if names[g.Name] || addrs[g.Listen] {
			return fmt.Errorf("gateway %s: another one has the same name or address", g.Name)
		}
		names[g.Name], addrs[g.Listen] = true, true
	}
	return nil
}
