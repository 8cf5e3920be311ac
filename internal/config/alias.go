package config

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// alias is a variable of PostgREST's or logserver's that sets one of ours.
type alias struct {
	env     string
	setting string // name of the setting; empty where PostgREST's meaning has no place here
	// set reads the text where it is not written as the setting is.
	set func(c *Config, text, dir string) error
}

// postgresURI is the name under which PGRST_DB_URI is shown. It is no setting.
const postgresURI = "postgres-uri"

// aliases returns the table. Of two aliases for one setting the later wins.
func aliases() []alias {
	return append([]alias{
		{env: "EXTERNAL_PORT", setting: "listen", set: setListenPort},
		{env: "PGRST_SERVER_HOST", setting: "listen", set: setListenHost},
		{env: "PGRST_SERVER_PORT", setting: "listen", set: setListenPort},
		{env: "PGRST_ADMIN_SERVER_PORT", setting: "admin", set: setAdminPort},
		{env: "PGRST_DB_URI", setting: postgresURI, set: func(c *Config, text, _ string) error {
			c.PostgresURI = text
			return nil
		}},
		{env: "PGRST_DB_SCHEMA", setting: "schemas"},
		{env: "PGRST_DB_SCHEMAS", setting: "schemas"},
		{env: "PGRST_DB_ANON_ROLE", setting: "anon-role"},
		{env: "PGRST_DB_EXTRA_SEARCH_PATH", setting: "postgres.search-path"},
		{env: "PGRST_MAX_ROWS", setting: "max-rows"},
		{env: "PGRST_DB_MAX_ROWS", setting: "max-rows"},
		{env: "PGRST_DB_AGGREGATES_ENABLED", setting: "aggregates"},
		{env: "PGRST_JWT_SECRET", setting: "jwt.secret", set: setSecret},
		{env: "PGRST_SECRET_IS_BASE64", setting: "jwt.secret-base64"},
		{env: "PGRST_JWT_SECRET_IS_BASE64", setting: "jwt.secret-base64"},
		{env: "PGRST_ROLE_CLAIM_KEY", setting: "jwt.role-claim"},
		{env: "PGRST_JWT_ROLE_CLAIM_KEY", setting: "jwt.role-claim"},
		{env: "PGRST_JWT_AUD", setting: "jwt.audience", set: func(c *Config, text, _ string) error {
			c.Auth.Audience = []string{text} // one text in PostgREST, commas and all
			return nil
		}},
		{env: "PGRST_SERVER_CORS_ALLOWED_ORIGINS", setting: "cors-origins"},
		{env: "PGRST_SERVER_TRACE_HEADER", setting: "trace-header"},
		{env: "PGRST_SERVER_TRACE_HEADER_NAME", setting: "trace-header"},
		{env: "PGRST_SERVER_PROXY_URI", setting: "openapi-url"},
		{env: "PGRST_OPENAPI_SERVER_PROXY_URI", setting: "openapi-url"},
		{env: "PGRST_LOG_LEVEL", setting: "log.level"},
	}, ignored()...)
}

// ignored are PostgREST's settings about its database connection and other
// things that Vigil does not have.
func ignored() []alias {
	var out []alias
	for _, name := range []string{
		"ADMIN_SERVER_HOST", "CLIENT_ERROR_VERBOSITY", "DB_CHANNEL", "DB_CHANNEL_ENABLED", "DB_CONFIG",
		"DB_HOISTED_TX_SETTINGS", "DB_PLAN_ENABLED", "DB_POOL", "DB_POOL_ACQUISITION_TIMEOUT",
		"DB_POOL_AUTOMATIC_RECOVERY", "DB_POOL_MAX_IDLETIME", "DB_POOL_MAX_LIFETIME", "DB_POOL_TIMEOUT",
		"DB_PREPARED_STATEMENTS", "DB_PRE_CONFIG", "DB_PRE_REQUEST", "DB_ROOT_SPEC", "DB_TIMEZONE_ENABLED", "DB_TX_END",
		"DB_USE_LEGACY_GUCS", "JWT_CACHE_MAX_ENTRIES", "JWT_CACHE_MAX_LIFETIME", "LOG_QUERY", "OPENAPI_MODE",
		"OPENAPI_SECURITY_ACTIVE", "PRE_REQUEST", "RAW_MEDIA_TYPES", "ROOT_SPEC", "SERVER_TIMING_ENABLED",
		"SERVER_UNIX_SOCKET", "SERVER_UNIX_SOCKET_MODE",
	} {
		out = append(out, alias{env: "PGRST_" + name})
	}
	return out
}

// setSecret reads PGRST_JWT_SECRET: @file names a file with it, a JSON object is
// a JWK or a JWK set, anything else is the secret itself.
func setSecret(c *Config, text, dir string) error {
	if name, ok := strings.CutPrefix(text, "@"); ok {
		b, err := readSecretFile(name, dir)
		if err != nil {
			return err
		}
		text = b
	}
	if strings.HasPrefix(strings.TrimSpace(text), "{") {
		c.Auth.Keys, c.Auth.Secrets = text, nil
		return nil
	}
	c.Auth.Keys = ""
	return secretAt(0).set(c, value{text: text})
}

// readSecretFile returns the text of a file without the newline at its end. A
// relative name is relative to dir.
func readSecretFile(name, dir string) (string, error) {
	if !filepath.IsAbs(name) {
		name = filepath.Join(dir, name)
	}
	b, err := os.ReadFile(name)
	if err != nil {
		return "", fmt.Errorf("read secret: %w", err)
	}
	s := strings.TrimRight(string(b), "\r\n")
	if s == "" {
		return "", fmt.Errorf("read secret: %s is empty", name)
	}
	return s, nil
}

func setListen(c *Config, v value) (err error) {
	s, err := v.scalar()
	if err != nil {
		return err
	}
	c.Listen, err = hostPort(s)
	return err
}

func setAdmin(c *Config, v value) (err error) {
	s, err := v.scalar()
	if err != nil {
		return err
	}
	if s == "off" {
		c.Admin = ""
		return nil
	}
	c.Admin, err = hostPort(s)
	return err
}

func hostPort(s string) (string, error) {
	host, port, err := net.SplitHostPort(s)
	if err != nil {
		return "", fmt.Errorf("want HOST:PORT such as 127.0.0.1:3000")
	}
	if port, err = parsePort(port); err != nil {
		return "", err
	}
	return net.JoinHostPort(host, port), nil
}

func parsePort(s string) (string, error) {
	n, err := strconv.ParseUint(s, 10, 16)
	if err != nil {
		return "", fmt.Errorf("want a port from 0 to 65535")
	}
	return strconv.FormatUint(n, 10), nil
}

// setListenHost reads PGRST_SERVER_HOST with PostgREST's names of every address.
func setListenHost(c *Config, text, _ string) error {
	_, port, err := net.SplitHostPort(c.Listen)
	if err != nil {
		return err
	}
	switch text {
	case "*":
		text = ""
	case "*4", "!4":
		text = "0.0.0.0"
	case "*6", "!6":
		text = "::"
	}
	c.Listen = net.JoinHostPort(text, port)
	return nil
}

func setListenPort(c *Config, text, _ string) error {
	host, _, err := net.SplitHostPort(c.Listen)
	if err != nil {
		return err
	}
	port, err := parsePort(text)
	if err != nil {
		return err
	}
	c.Listen = net.JoinHostPort(host, port)
	return nil
}

func setAdminPort(c *Config, text, _ string) error {
	host := "127.0.0.1"
	if h, _, err := net.SplitHostPort(c.Admin); err == nil {
		host = h
	}
	port, err := parsePort(text)
	if err != nil {
		return err
	}
	c.Admin = net.JoinHostPort(host, port)
	return nil
}
