// Package config is what Vigil is told: one struct, filled from defaults,
// vigil.yaml, .env, the environment and flags, each over the one before, with a
// note of where every value came from.
//
// It opens nothing but the configuration files and the secret files they name,
// and decides nothing: cmd/vigil turns a [Config] into parts that work.
package config

import (
	"log/slog"
	"net/netip"
	"time"
)

// Config is the effective configuration. It is made by [Load] and then only read.
type Config struct {
	// Store is dir:PATH, memory: or postgres://…, which may have a password in it:
	// [Redact] before it is shown.
	Store     string
	Postgres  Postgres
	Relations Relations // other tables of the database
	// PostgresURI is what PGRST_DB_URI says. It never chooses the store by
	// itself: stock logserver files have it beside everything else.
	PostgresURI string

	Listen         string // HOST:PORT of the API
	Admin          string // HOST:PORT of the admin server; empty is none
	BaseURL        string // as clients see the server; empty is taken from the request
	TrustedProxies []netip.Prefix
	TLS            TLS

	Auth   Auth
	Tables []Table
	Sinks  []Sink
	Roles  Roles

	Gateways []Gateway
	Peers    Peers

	Limits       Limits
	MaxRows      int64    // rows of one answer; 0 is no limit
	Aggregates   bool     // count(), sum() and others may be asked for
	Schemas      []string // names accepted in Accept-Profile and Content-Profile
	CORSOrigins  []string // origins of other sites; * is any, none is none
	TraceHeader  string   // request header that is echoed; empty is none
	OpenAPIURL   string   // base URL in the OpenAPI document; empty is BaseURL
	IdleTime     time.Duration
	ShutdownTime time.Duration

	FHIR   FHIR
	Aidbox Aidbox

	Zone        *time.Location // of times that name no zone
	Origin      string         // name of the Merkle log; empty is made from the store's id
	SigningKey  string         // file; empty is in the store's directory
	Guard       string         // directory of the rollback guard; empty is beside the store's directory
	Checkpoints []string       // files and URLs that checkpoints are also written to

	Log         Log
	HeadSize    int64 // bytes of events kept in memory before they are sealed
	MemoryLimit int64 // bytes for the Go runtime (GOMEMLIMIT); 0 leaves it alone

	// Warnings are for the operator, to be logged at start.
	Warnings []string
	// Ignored are known settings of PostgREST that mean nothing here.
	Ignored []Setting

	origins map[string]origin // by setting name
	aidbox  []Sink            // from Aidbox's names of settings
}

// TLS names the files of the API's certificate. They are read again when they change.
type TLS struct {
	Cert     string // PEM; empty serves plain HTTP
	Key      string // PEM
	ClientCA string // PEM; where set, client certificates are asked for and checked
}

// Auth says whom to believe.
type Auth struct {
	// Secrets are HS256 secrets, the current one first, used as they are unless
	// SecretBase64. During a rotation there are two.
	Secrets      []string
	SecretBase64 bool
	Keys         string   // JWK or JWKS text
	JWKS         []string // files and URLs
	Issuers      []Issuer
	Audience     []string
	RoleClaim    string // path in PostgREST's syntax, such as .realm_access.roles[0]
	AnonRole     string // role of requests without a token; empty refuses them
	Basic        []BasicClient
	MTLS         []Subject
}

// Issuer is an OpenID provider or another maker of tokens.
type Issuer struct {
	Issuer    string   `yaml:"issuer"`
	JWKS      string   `yaml:"jwks"` // file or URL; empty is discovered
	Audience  []string `yaml:"audience"`
	RoleClaim string   `yaml:"role-claim"`
}

// BasicClient is a client with a password.
type BasicClient struct {
	User     string `yaml:"user"`
	Password string `yaml:"password"`
	Role     string `yaml:"role"`
}

// Subject is the subject of a client certificate.
type Subject struct {
	Subject string `yaml:"subject"` // distinguished name, or a DNS name or URI of the certificate
	Role    string `yaml:"role"`
}

// Table is an event table beyond the built-in ones.
type Table struct {
	Name string `yaml:"name"`
	// Grants are the actions (select, insert) of each role on the table.
	Grants map[string][]string `yaml:"grants"`
}

// Roles are roles beyond the built-in ones: the actions (select, insert) of each
// role on each table, where the table * is every one.
type Roles map[string]map[string][]string

// Limits bound what a request may cost.
type Limits struct {
	Body       int64         // bytes of a body, after gzip
	Depth      int           // nesting of a document
	Keys       int           // object members of a document
	HeaderTime time.Duration // until a request's header has come
	InFlight   int64         // bytes of all bodies in memory
	QueryTime  time.Duration // until a question's next row; 0 is no limit
}

// Log is how Vigil logs.
type Log struct {
	Level  slog.Level
	Format string // text, json, or auto: text on a terminal
}

// Setting is one value as an operator sees it.
type Setting struct {
	Name   string // as in vigil.yaml, such as tls.cert
	Value  string // hidden for secrets
	Source string // such as "default", "VIGIL_LISTEN in .env" or "--listen"
	Secret bool
}
