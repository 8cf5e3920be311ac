package config

import (
	"log/slog"
	"net/netip"
	"slices"
	"strings"
	"time"
)

// setting is one line of the table that flags, environment, files, `vigil
// config` and docs/config.md are all made from.
type setting struct {
	name    string // dotted, as in vigil.yaml
	def     string // default, as one would write it
	secret  bool   // hidden, and may be given as VIGIL_…_FILE
	file    bool   // may be given as VIGIL_…_FILE: a part of it may be secret
	section string // heading in the documentation, on the first of its settings
	doc     string
	kind    kind
}

// env returns the name of the environment variable.
func (s setting) env() string {
	return "VIGIL_" + strings.ToUpper(strings.NewReplacer(".", "_", "-", "_").Replace(s.name))
}

// flag returns the name of the flag, without the dashes.
func (s setting) flag() string { return strings.ReplaceAll(s.name, ".", "-") }

// settings returns the table, in the order of the documentation.
func settings() []setting {
	return slices.Concat(serverSettings(), authSettings(), apiSettings(), fhirSettings(), storeSettings(), postgresSettings(), relationSettings(), gatewaySettings(), sinkSettings(), aidboxSettings(), peerSettings())
}

func serverSettings() []setting {
	return []setting{
		{
			section: "Server", name: "store", def: "dir:./vigil-data", file: true,
			doc:  "Where events are kept: `dir:PATH`, `postgres://USER:PASSWORD@HOST/DATABASE`, or `memory:` for nothing that should last. With a password it is best in a file: `VIGIL_STORE_FILE`.",
			kind: text(func(c *Config) *string { return &c.Store }),
		},
		{
			name: "listen", def: "127.0.0.1:3000",
			doc: "Address and port of the API.",
			kind: kind{
				name: "host:port", set: setListen,
				show: func(c *Config) string { return c.Listen },
			},
		},
		{
			name: "admin", def: "127.0.0.1:3001",
			doc: "Address and port of /live, /ready and /metrics; `off` for none.",
			kind: kind{
				name: "host:port", set: setAdmin,
				show: func(c *Config) string { return c.Admin },
			},
		},
		{
			name: "base-url",
			doc:  "URL of the server as clients see it, for links in answers. Empty takes it from each request.",
			kind: text(func(c *Config) *string { return &c.BaseURL }),
		},
		{
			name: "trusted-proxies",
			doc:  "Addresses and networks of proxies whose X-Forwarded-For and Forwarded headers are believed.",
			kind: prefixes(func(c *Config) *[]netip.Prefix { return &c.TrustedProxies }),
		},
		{
			name: "tls.cert",
			doc:  "PEM file with the certificate chain. It is read again when it changes.",
			kind: text(func(c *Config) *string { return &c.TLS.Cert }),
		},
		{
			name: "tls.key",
			doc:  "PEM file with the certificate's key.",
			kind: text(func(c *Config) *string { return &c.TLS.Key }),
		},
		{
			name: "tls.client-ca",
			doc:  "PEM file with the authorities whose client certificates are accepted.",
			kind: text(func(c *Config) *string { return &c.TLS.ClientCA }),
		},
		{
			name: "idle-time", def: "2m",
			doc:  "How long a connection may wait for its next request.",
			kind: duration(func(c *Config) *time.Duration { return &c.IdleTime }),
		},
		{
			name: "shutdown-time", def: "30s",
			doc:  "How long requests may go on after SIGTERM.",
			kind: duration(func(c *Config) *time.Duration { return &c.ShutdownTime }),
		},
		{
			name: "log.level", def: "info",
			doc:  "Least level that is logged: `debug`, `info`, `warn` or `error`.",
			kind: parsed("text", func(c *Config) *slog.Level { return &c.Log.Level }, parseLevel, func(l slog.Level) string { return strings.ToLower(l.String()) }),
		},
		{
			name: "log.format", def: "auto",
			doc:  "`text`, `json`, or `auto`: text on a terminal, else JSON.",
			kind: parsed("text", func(c *Config) *string { return &c.Log.Format }, oneOf("auto", "text", "json"), same),
		},
		{
			name: "memory-limit", def: "0",
			doc:  "Memory that the Go runtime tries to stay under, as GOMEMLIMIT does; 0 is GOMEMLIMIT, or where that is not set either 512 MiB beside a store in PostgreSQL, 256 MiB for a gateway that forwards, and none else.",
			kind: size(func(c *Config) *int64 { return &c.MemoryLimit }),
		},
	}
}

func authSettings() []setting {
	return []setting{
		{
			section: "Who may do what", name: "jwt.secret", secret: true,
			doc:  "Secret of HS256 tokens, at least 32 characters, used as it is written. Empty: one is made beside the store.",
			kind: secretAt(0),
		},
		{
			name: "jwt.secret-previous", secret: true,
			doc:  "Secret that is accepted too while a new one is introduced.",
			kind: secretAt(1),
		},
		{
			name: "jwt.secret-base64", def: "false",
			doc:  "The secrets are base64 and are decoded first.",
			kind: boolean(func(c *Config) *bool { return &c.Auth.SecretBase64 }),
		},
		{
			name: "jwt.keys", secret: true,
			doc:  "A JWK or a JWK set, as text.",
			kind: text(func(c *Config) *string { return &c.Auth.Keys }),
		},
		{
			name: "jwt.jwks",
			doc:  "Files and URLs of JWK sets.",
			kind: texts(func(c *Config) *[]string { return &c.Auth.JWKS }),
		},
		{
			name: "jwt.issuers",
			doc:  "Issuers whose tokens are accepted: their URLs (keys are then discovered), or in YAML `issuer`, `jwks`, `audience`, `role-claim`.",
			kind: namesOr(func(c *Config) *[]Issuer { return &c.Auth.Issuers }, func(s string) Issuer { return Issuer{Issuer: s} }),
		},
		{
			name: "jwt.audience",
			doc:  "Audiences of which a token must name one. Empty accepts any.",
			kind: texts(func(c *Config) *[]string { return &c.Auth.Audience }),
		},
		{
			name: "jwt.role-claim", def: ".role",
			doc:  "Path of the claim with the role, such as `.role` or `.realm_access.roles`.",
			kind: text(func(c *Config) *string { return &c.Auth.RoleClaim }),
		},
		{
			name: "anon-role",
			doc:  "Role of requests without a token, such as `web_anon`, which may read every event. Empty refuses them.",
			kind: text(func(c *Config) *string { return &c.Auth.AnonRole }),
		},
		{
			name: "basic", secret: true,
			doc:  "Clients with a password, in YAML: `[{user: loader, password: …, role: event_writer}]`. The password is as it is, or its `pbkdf2-sha256$…` hash.",
			kind: structured(func(c *Config) *[]BasicClient { return &c.Auth.Basic }),
		},
		{
			name: "mtls",
			doc:  "Subjects of client certificates, in YAML: `[{subject: \"CN=gateway,O=Example\", role: event_writer}]`.",
			kind: structured(func(c *Config) *[]Subject { return &c.Auth.MTLS }),
		},
		{
			name: "roles",
			doc:  "Roles beyond the built-in ones (docs/api.md has those), in YAML: `{nurse: {events: [select]}}`; the table `*` is every one.",
			kind: structured(func(c *Config) *Roles { return &c.Roles }),
		},
		{
			name: "tables",
			doc:  "Event tables beyond the built-in ones: their names, or in YAML `[{name: visits, grants: {nurse: [select, insert]}}]`.",
			kind: namesOr(func(c *Config) *[]Table { return &c.Tables }, func(s string) Table { return Table{Name: s} }),
		},
	}
}

func apiSettings() []setting {
	return []setting{
		{
			section: "API", name: "max-rows", def: "0",
			doc:  "Rows that one answer may have; 0 is no limit.",
			kind: integer(func(c *Config) *int64 { return &c.MaxRows }),
		},
		{
			name: "aggregates", def: "true",
			doc:  "Whether count(), sum(), avg(), min() and max() may be asked for.",
			kind: boolean(func(c *Config) *bool { return &c.Aggregates }),
		},
		{
			name: "schemas", def: "api",
			doc:  "Names that Accept-Profile and Content-Profile may have; they all mean the same tables.",
			kind: texts(func(c *Config) *[]string { return &c.Schemas }),
		},
		{
			name: "cors-origins",
			doc:  "Origins whose pages may call the API; `*` is any. Empty is none.",
			kind: texts(func(c *Config) *[]string { return &c.CORSOrigins }),
		},
		{
			name: "trace-header",
			doc:  "Request header that is repeated in the answer, such as X-Request-Id.",
			kind: text(func(c *Config) *string { return &c.TraceHeader }),
		},
		{
			name: "openapi-url",
			doc:  "Base URL in the OpenAPI document, where it differs from base-url.",
			kind: text(func(c *Config) *string { return &c.OpenAPIURL }),
		},
		{
			name: "limits.body", def: "10MiB",
			doc:  "Size of a request's body, after gzip.",
			kind: size(func(c *Config) *int64 { return &c.Limits.Body }),
		},
		{
			name: "limits.depth", def: "100",
			doc:  "Nesting of a document.",
			kind: integer(func(c *Config) *int { return &c.Limits.Depth }),
		},
		{
			name: "limits.keys", def: "100000",
			doc:  "Keys in a document.",
			kind: integer(func(c *Config) *int { return &c.Limits.Keys }),
		},
		{
			name: "limits.header-time", def: "10s",
			doc:  "Time in which a request's header must have come.",
			kind: duration(func(c *Config) *time.Duration { return &c.Limits.HeaderTime }),
		},
		{
			name: "limits.query-time", def: "2m",
			doc:  "Time in which a question must find its next row; 0 is no limit. Beyond it the request gets 503.",
			kind: duration(func(c *Config) *time.Duration { return &c.Limits.QueryTime }),
		},
		{
			name: "limits.in-flight", def: "256MiB",
			doc:  "Bodies in memory, all requests together. Beyond it requests get 503 and Retry-After.",
			kind: size(func(c *Config) *int64 { return &c.Limits.InFlight }),
		},
	}
}

func storeSettings() []setting {
	return []setting{
		{
			section: "Store and log", name: "zone", def: "UTC",
			doc:  "Zone of times in documents that name none, such as `America/Los_Angeles`. Changing it makes the facts of older events be read again.",
			kind: parsed("text", func(c *Config) **time.Location { return &c.Zone }, parseZone, (*time.Location).String),
		},
		{
			name: "head-size", def: "24MiB",
			doc:  "Newest events kept in memory before they are sealed into a segment.",
			kind: size(func(c *Config) *int64 { return &c.HeadSize }),
		},
		{
			name: "origin",
			doc:  "Name of the log in its checkpoints. Empty is made from the store's id.",
			kind: text(func(c *Config) *string { return &c.Origin }),
		},
		{
			name: "signing-key",
			doc:  "File with the key that signs checkpoints. Empty is one in the store's directory.",
			kind: text(func(c *Config) *string { return &c.SigningKey }),
		},
		{
			name: "guard",
			doc:  "Directory of the rollback guard, which should lie on another disk than the store. Empty is beside the store's directory.",
			kind: text(func(c *Config) *string { return &c.Guard }),
		},
		{
			name: "checkpoints",
			doc:  "Files and URLs that every signed checkpoint is also written to.",
			kind: texts(func(c *Config) *[]string { return &c.Checkpoints }),
		},
	}
}

func same(s string) string { return s }

// secretAt is the kind of one of Auth.Secrets.
func secretAt(i int) kind {
	return kind{
		name: "text",
		set: func(c *Config, v value) error {
			s, err := v.scalar()
			if err != nil {
				return err
			}
			for len(c.Auth.Secrets) <= i {
				c.Auth.Secrets = append(c.Auth.Secrets, "")
			}
			c.Auth.Secrets[i] = s
			return nil
		},
		show: func(c *Config) string {
			if len(c.Auth.Secrets) <= i {
				return ""
			}
			return c.Auth.Secrets[i]
		},
	}
}
