package config_test

import (
	"log/slog"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"vigil/internal/config"
)

// dir returns a directory with the given files.
func dir(t *testing.T, files map[string]string) string {
	t.Helper()
	d := t.TempDir()
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(d, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return d
}

func load(t *testing.T, flags map[string]string, env []string, files map[string]string) *config.Config {
	t.Helper()
	c, err := config.Load(flags, env, dir(t, files))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// source returns the value and source that Explain gives for a setting.
func source(t *testing.T, c *config.Config, name string) config.Setting {
	t.Helper()
	for _, s := range c.Explain() {
		if s.Name == name {
			return s
		}
	}
	t.Fatalf("Explain has no %s", name)
	return config.Setting{}
}

func TestDefaults(t *testing.T) {
	c := load(t, nil, nil, nil)
	if c.Store != "dir:./vigil-data" || c.Listen != "127.0.0.1:3000" || c.Admin != "127.0.0.1:3001" {
		t.Errorf("store %s, listen %s, admin %s", c.Store, c.Listen, c.Admin)
	}
	if want := (config.Limits{Body: 10 << 20, Depth: 100, Keys: 100_000, HeaderTime: 10 * time.Second, InFlight: 256 << 20, QueryTime: 2 * time.Minute}); c.Limits != want {
		t.Errorf("limits %+v", c.Limits)
	}
	if c.Zone != time.UTC || !c.Aggregates || c.Auth.AnonRole != "" || len(c.Auth.Secrets) != 0 || len(c.CORSOrigins) != 0 || c.Log.Level != slog.LevelInfo {
		t.Errorf("%+v", c)
	}
	for _, s := range c.Explain() {
		if s.Source != "default" {
			t.Errorf("%s is from %s", s.Name, s.Source)
		}
	}
	if len(c.Warnings)+len(c.Ignored) > 0 {
		t.Errorf("warnings %v", c.Warnings)
	}
}

// TestLayers sets one setting in more and more places.
func TestLayers(t *testing.T) {
	files := map[string]string{}
	var env []string
	flags := map[string]string{}
	for _, c := range []struct {
		set          func()
		want, source string
	}{
		{func() {}, "0", "default"},
		{func() { files["vigil.yaml"] = "max-rows: 1\n" }, "1", "max-rows in vigil.yaml"},
		{func() { files[".env"] = "PGRST_DB_MAX_ROWS=2\n" }, "2", "PGRST_DB_MAX_ROWS in .env"},
		{func() { files[".env"] += "VIGIL_MAX_ROWS=3\n" }, "3", "VIGIL_MAX_ROWS in .env"},
		{func() { env = []string{"PGRST_DB_MAX_ROWS=4"} }, "4", "PGRST_DB_MAX_ROWS"},
		{func() { env = append(env, "VIGIL_MAX_ROWS=5") }, "5", "VIGIL_MAX_ROWS"},
		{func() { flags["max-rows"] = "6" }, "6", "--max-rows"},
	} {
		c.set()
		if got := source(t, load(t, flags, env, files), "max-rows"); got.Value != c.want || got.Source != c.source {
			t.Errorf("max-rows is %s from %s, want %s from %s", got.Value, got.Source, c.want, c.source)
		}
	}
}

// TestLogserver reads the .env that logserver tells its users to make, with the
// names of its other versions.
func TestLogserver(t *testing.T) {
	c := load(t, nil, nil, map[string]string{".env": `# Default environment variables for docker compose
PGRST_JWT_SECRET: logserver-test-secret-0123456789abcdef
COMPOSE_FILE=docker-compose.yaml:docker-compose.expose.yaml
POSTGRES_IMAGE_TAG=12
POSTGRES_VERSION=12.3
EXTERNAL_PORT=8080
PGRST_DB_URI="postgres://app_user:secret@postgres:5432/app_db"
PGRST_DB_SCHEMA=api
PGRST_DB_ANON_ROLE=web_anon
PGRST_DB_POOL=10
PGRST_DB_EXTRA_SEARCH_PATH=public
PGRST_APP_SETTINGS_X=1
`})
	if !reflect.DeepEqual(c.Auth.Secrets, []string{"logserver-test-secret-0123456789abcdef"}) || c.Auth.AnonRole != "web_anon" {
		t.Errorf("auth %+v", c.Auth)
	}
	if c.Listen != "127.0.0.1:8080" || !reflect.DeepEqual(c.Schemas, []string{"api"}) {
		t.Errorf("listen %s, schemas %v", c.Listen, c.Schemas)
	}
	if c.Store != "dir:./vigil-data" || c.PostgresURI != "postgres://app_user:secret@postgres:5432/app_db" {
		t.Errorf("store %s, postgres %s", c.Store, c.PostgresURI)
	}
	if got := source(t, c, "postgres-uri").Value; strings.Contains(got, ":secret@") {
		t.Errorf("Explain shows a password: %s", got)
	}
	warnings := strings.Join(c.Warnings, "\n")
	for _, want := range []string{"PGRST_DB_URI", "PGRST_DB_POOL", "PGRST_APP_SETTINGS_X"} {
		if !strings.Contains(warnings, want) {
			t.Errorf("no warning about %s: %s", want, warnings)
		}
	}
	if len(c.Ignored) != 2 || !reflect.DeepEqual(c.Relations.SearchPath, []string{"public"}) {
		t.Errorf("ignored %v", c.Ignored)
	}
}

func TestPostgrestNames(t *testing.T) {
	c := load(t, nil, []string{
		"PGRST_SERVER_HOST=!4", "PGRST_SERVER_PORT=4000", "PGRST_ADMIN_SERVER_PORT=4001", "PGRST_DB_SCHEMAS=a, b", "PGRST_JWT_AUD=aud-1",
		"PGRST_JWT_ROLE_CLAIM_KEY=.realm_access.roles[0]", "PGRST_DB_AGGREGATES_ENABLED=false", "PGRST_SERVER_CORS_ALLOWED_ORIGINS=https://a.example.org,https://b.example.org",
		"PGRST_SERVER_TRACE_HEADER_NAME=X-Request-Id", "PGRST_OPENAPI_SERVER_PROXY_URI=https://audit.example.org", "PGRST_LOG_LEVEL=crit", "PGRST_JWT_SECRET_IS_BASE64=True",
	}, nil)
	for got, want := range map[string]string{
		c.Listen: "0.0.0.0:4000", c.Admin: "127.0.0.1:4001", strings.Join(c.Schemas, " "): "a b", strings.Join(c.Auth.Audience, " "): "aud-1",
		c.Auth.RoleClaim: ".realm_access.roles[0]", strings.Join(c.CORSOrigins, " "): "https://a.example.org https://b.example.org",
		c.TraceHeader: "X-Request-Id", c.OpenAPIURL: "https://audit.example.org", c.Log.Level.String(): "ERROR",
	} {
		if got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
	if c.Aggregates || !c.Auth.SecretBase64 {
		t.Error("booleans were not read")
	}
	if got := source(t, c, "listen").Source; got != "PGRST_SERVER_HOST, PGRST_SERVER_PORT" {
		t.Errorf("listen is from %s", got)
	}
	for host, want := range map[string]string{"*": ":3000", "*6": "[::]:3000", "localhost": "localhost:3000", "::1": "[::1]:3000"} {
		if c := load(t, nil, []string{"PGRST_SERVER_HOST=" + host}, nil); c.Listen != want {
			t.Errorf("%s: listen %s, want %s", host, c.Listen, want)
		}
	}
	// Ours wins whole, also over a part.
	if c := load(t, nil, []string{"EXTERNAL_PORT=1", "VIGIL_LISTEN=0.0.0.0:2"}, nil); c.Listen != "0.0.0.0:2" {
		t.Errorf("listen %s", c.Listen)
	}
}

func TestSecrets(t *testing.T) {
	const secret = "an-invented-secret-of-more-than-32-characters"
	files := map[string]string{"secret.txt": secret + "\n", "keys.json": `{"keys":[]}`}
	for name, c := range map[string]struct {
		env     []string
		secrets []string
		keys    string
	}{
		"literal":           {[]string{"PGRST_JWT_SECRET=" + secret}, []string{secret}, ""},
		"at file":           {[]string{"PGRST_JWT_SECRET=@secret.txt"}, []string{secret}, ""},
		"jwk":               {[]string{`PGRST_JWT_SECRET={"kty":"oct"}`}, nil, `{"kty":"oct"}`},
		"at file with jwk":  {[]string{"PGRST_JWT_SECRET=@keys.json"}, nil, `{"keys":[]}`},
		"ours":              {[]string{"PGRST_JWT_SECRET=other", "VIGIL_JWT_SECRET=" + secret}, []string{secret}, ""},
		"from a file":       {[]string{"VIGIL_JWT_SECRET_FILE=secret.txt"}, []string{secret}, ""},
		"rotation":          {[]string{"VIGIL_JWT_SECRET=new", "VIGIL_JWT_SECRET_PREVIOUS=old"}, []string{"new", "old"}, ""},
		"rotation of a jwk": {[]string{`VIGIL_JWT_KEYS={"kty":"oct"}`, "VIGIL_JWT_SECRET_PREVIOUS=old"}, []string{"old"}, `{"kty":"oct"}`},
	} {
		t.Run(name, func(t *testing.T) {
			got := load(t, nil, c.env, files)
			if strings.Join(got.Auth.Secrets, " ") != strings.Join(c.secrets, " ") || got.Auth.Keys != c.keys {
				t.Errorf("secrets %v, keys %s", got.Auth.Secrets, got.Auth.Keys)
			}
			if s := got.String(); strings.Contains(s, secret) || strings.Contains(s, "oct") || !strings.Contains(s, "(hidden)") {
				t.Errorf("the settings show a secret:\n%s", s)
			}
		})
	}
}

func TestYAML(t *testing.T) {
	c := load(t, nil, nil, map[string]string{"vigil.yaml": `
store: dir:/srv/vigil
tls: {cert: c.pem, key: k.pem, client-ca: ca.pem}
trusted-proxies: [10.0.0.0/8, 192.0.2.1]
jwt:
  issuers:
    - {issuer: https://id.example.org, audience: [vigil], role-claim: .roles}
  audience: vigil
basic:
  - {user: gateway, password: an-invented-password, role: event_writer}
mtls:
  - {subject: "CN=sample", role: event_writer}
tables:
  - name: trials
    grants: {auditor: [select], event_writer: [insert]}
roles:
  viewer: {events: [select], "*": []}
limits:
  body: 1MiB
  header-time: 5s
zone: America/Los_Angeles
checkpoints: [/var/checkpoints/vigil, "https://witness.example.org/add"]
log: {level: debug, format: json}
`})
	if c.TLS != (config.TLS{Cert: "c.pem", Key: "k.pem", ClientCA: "ca.pem"}) || len(c.TrustedProxies) != 2 || c.TrustedProxies[1].Bits() != 32 {
		t.Errorf("tls %+v, proxies %v", c.TLS, c.TrustedProxies)
	}
	if len(c.Auth.Issuers) != 1 || c.Auth.Issuers[0].RoleClaim != ".roles" || len(c.Auth.Basic) != 1 || len(c.Auth.MTLS) != 1 {
		t.Errorf("auth %+v", c.Auth)
	}
	if len(c.Tables) != 1 || c.Tables[0].Grants["auditor"][0] != "select" || len(c.Roles["viewer"]) != 2 {
		t.Errorf("tables %+v, roles %+v", c.Tables, c.Roles)
	}
	if c.Limits.Body != 1<<20 || c.Limits.HeaderTime != 5*time.Second || c.Limits.Depth != 100 || c.Zone.String() != "America/Los_Angeles" || len(c.Checkpoints) != 2 {
		t.Errorf("%+v", c)
	}
	if strings.Contains(c.String(), "an-invented-password") {
		t.Error("a password is shown")
	}
	if got := source(t, c, "limits.body"); got.Value != "1MiB" || got.Source != "limits.body in vigil.yaml" {
		t.Errorf("%+v", got)
	}
	// The short forms, and a file by name.
	c = load(t, map[string]string{"tables": "a,b", "jwt-issuers": "https://id.example.org"}, nil, nil)
	if len(c.Tables) != 2 || c.Tables[1].Name != "b" || c.Auth.Issuers[0].Issuer != "https://id.example.org" {
		t.Errorf("tables %v, issuers %v", c.Tables, c.Auth.Issuers)
	}
	d := dir(t, map[string]string{"other.yaml": "max-rows: 7"})
	if c, err := config.Load(map[string]string{"config": filepath.Join(d, "other.yaml")}, nil, t.TempDir()); err != nil || c.MaxRows != 7 {
		t.Errorf("%v, %v", c, err)
	}
	if c := load(t, map[string]string{"limits.body": "2MiB", "limits-depth": "7"}, nil, nil); c.Limits.Body != 2<<20 || c.Limits.Depth != 7 {
		t.Errorf("limits %+v", c.Limits)
	}
	load(t, nil, nil, map[string]string{"vigil.yaml": ""})
	load(t, nil, nil, map[string]string{"vigil.yaml": "# nothing\n---\n"})
}

// TestErrors expects each fault to be named so that one can put it right.
func TestErrors(t *testing.T) {
	const hush = "do-not-show-me"
	for name, c := range map[string]struct {
		flags map[string]string
		env   []string
		files map[string]string
		want  []string
	}{
		"unknown ours":      {nil, []string{"VIGIL_LISTN=x"}, nil, []string{"VIGIL_LISTN", "did you mean VIGIL_LISTEN?"}},
		"unknown PostgREST": {nil, nil, map[string]string{".env": "PGRST_JWT_SECRTE=" + hush}, []string{"PGRST_JWT_SECRTE in .env", "did you mean PGRST_JWT_SECRET?"}},
		"unknown in YAML":   {nil, nil, map[string]string{"vigil.yaml": "a: 1\nlimits: {bodyy: 1}"}, []string{"line 1: unknown setting a", "line 2", "did you mean limits.body?"}},
		"unknown deep":      {nil, nil, map[string]string{"vigil.yaml": "mtls:\n- {subjekt: a}"}, []string{"mtls in vigil.yaml", "subjekt"}},
		"unknown flag":      {map[string]string{"stor": "x"}, nil, nil, []string{"--stor", "did you mean store?"}},
		"twice in YAML":     {nil, nil, map[string]string{"vigil.yaml": "zone: UTC\nzone: UTC"}, []string{"zone is there twice"}},
		"not a map":         {nil, nil, map[string]string{"vigil.yaml": "- a"}, []string{"vigil.yaml"}},
		"not YAML":          {nil, nil, map[string]string{"vigil.yaml": "a: [b"}, []string{"vigil.yaml"}},
		"no such file":      {map[string]string{"config": "none.yaml"}, nil, nil, []string{"none.yaml"}},
		"a group":           {nil, nil, map[string]string{"vigil.yaml": "limits: 5"}, []string{"unknown setting limits"}},
		"two faults":        {nil, []string{"VIGIL_MAX_ROWS=many", "VIGIL_ZONE=Nowhere/City"}, nil, []string{"VIGIL_MAX_ROWS", "VIGIL_ZONE"}},
		"local zone":        {nil, []string{"VIGIL_ZONE=Local"}, nil, []string{"another one on every machine"}},
		"size":              {nil, []string{"VIGIL_LIMITS_BODY=ten"}, nil, []string{"10MiB"}},
		"size too large":    {nil, []string{"VIGIL_LIMITS_BODY=99999999999TiB"}, nil, []string{"VIGIL_LIMITS_BODY"}},
		"duration":          {nil, []string{"VIGIL_IDLE_TIME=-5s"}, nil, []string{"VIGIL_IDLE_TIME"}},
		"listen":            {nil, []string{"VIGIL_LISTEN=3000"}, nil, []string{"HOST:PORT"}},
		"port":              {nil, []string{"PGRST_SERVER_PORT=70000"}, nil, []string{"PGRST_SERVER_PORT", "65535"}},
		"proxies":           {nil, []string{"VIGIL_TRUSTED_PROXIES=localhost"}, nil, []string{"10.0.0.0/8"}},
		"postgres":          {nil, []string{"VIGIL_STORE=postgres://u:" + hush + "/@h/db"}, nil, []string{"store (VIGIL_STORE)", "% escapes"}},
		"owner":             {map[string]string{"postgres.owner": "dir:" + hush}, nil, nil, []string{"postgres.owner", "want postgres://"}},
		"store":             {nil, []string{"VIGIL_STORE=sqlite:x"}, nil, []string{"memory:, postgres://… or dir:PATH"}},
		"store without":     {nil, []string{"VIGIL_STORE=dir:"}, nil, []string{"want a path"}},
		"half of TLS":       {nil, []string{"VIGIL_TLS_CERT=c.pem"}, nil, []string{"go together"}},
		"mtls without":      {nil, []string{`VIGIL_MTLS=[{subject: a, role: b}]`}, nil, []string{"client-ca"}},
		"base URL":          {nil, []string{"VIGIL_BASE_URL=audit.example.org"}, nil, []string{"https://audit.example.org"}},
		"table":             {nil, []string{"VIGIL_TABLES=../x"}, nil, []string{"cannot be a table's name"}},
		"built-in table":    {nil, []string{"VIGIL_TABLES=events"}, nil, []string{"grant it under roles"}},
		"reserved table":    {nil, []string{"VIGIL_TABLES=rpc"}, nil, []string{"take another name"}},
		"table twice":       {nil, []string{"VIGIL_TABLES=x,x"}, nil, []string{"twice"}},
		"grant":             {nil, []string{`VIGIL_ROLES={r: {events: [delete]}}`}, nil, []string{"select and insert"}},
		"basic":             {nil, []string{`VIGIL_BASIC=[{user: a, password: ` + hush + `}]`}, nil, []string{"user, password and role"}},
		"basic unreadable":  {nil, []string{`VIGIL_BASIC=` + hush}, nil, []string{"VIGIL_BASIC"}},
		"no secret file":    {nil, []string{"VIGIL_JWT_SECRET_FILE=none.txt"}, nil, []string{"VIGIL_JWT_SECRET_FILE", "none.txt"}},
		"empty secret file": {nil, []string{"PGRST_JWT_SECRET=@empty.txt"}, map[string]string{"empty.txt": "\n"}, []string{"empty"}},
		"line of .env":      {nil, nil, map[string]string{".env": "X=1\nVIGIL_JWT_SECRET " + hush}, []string{"line 2"}},
		"log level":         {nil, []string{"VIGIL_LOG_LEVEL=loud"}, nil, []string{"debug, info"}},
		"log format":        {nil, []string{"VIGIL_LOG_FORMAT=xml"}, nil, []string{"auto, text, json"}},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := config.Load(c.flags, c.env, dir(t, c.files))
			if err == nil {
				t.Fatal("no error")
			}
			for _, want := range c.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("%v\ndoes not say %q", err, want)
				}
			}
			if strings.Contains(err.Error(), hush) {
				t.Errorf("the error shows a value: %v", err)
			}
		})
	}
}

// TestPostgres expects the address of a database to be taken from a file, and
// its password to be shown nowhere.
func TestPostgres(t *testing.T) {
	const password = "opensesame"
	for _, address := range []string{
		"postgres://u:" + password + "@h:5433/db", "postgresql://u@h/db?password=" + password, "postgres:///db?host=/run&user=u&sslpassword=" + password,
	} {
		c := load(t, map[string]string{"postgres.owner": address}, []string{"VIGIL_STORE_FILE=at.txt", "STATE_DIRECTORY=/var/lib/a:/var/lib/b"}, map[string]string{"at.txt": address + "\n"})
		if c.Store != address || !c.IsPostgres() || c.Postgres.Owner != address || c.Postgres.StateDir != "/var/lib/a" {
			t.Errorf("store %s, %+v", c.Store, c.Postgres)
		}
		if s := c.String() + config.Redact(c.Store); strings.Contains(s, password) {
			t.Errorf("the password is shown:\n%s", s)
		}
	}
}

// TestKubernetes expects that what Kubernetes puts beside a service called vigil
// is no error.
func TestKubernetes(t *testing.T) {
	load(t, nil, []string{
		"VIGIL_SERVICE_HOST=10.0.0.1", "VIGIL_SERVICE_PORT=3000", "VIGIL_SERVICE_PORT_HTTP=3000", "VIGIL_PORT=tcp://10.0.0.1:3000",
		"VIGIL_PORT_3000_TCP=tcp://10.0.0.1:3000", "VIGIL_PORT_3000_TCP_PROTO=tcp",
	}, nil)
	if _, err := config.Load(nil, []string{"VIGIL_PORT=3000"}, t.TempDir()); err == nil {
		t.Error("VIGIL_PORT=3000 is taken for Kubernetes's")
	}
}

// TestExplained expects a flag for every setting, and every setting explained.
func TestExplained(t *testing.T) {
	flags := config.Flags()
	for _, s := range load(t, nil, nil, nil).Explain() {
		if flags[strings.ReplaceAll(s.Name, ".", "-")] == "" {
			t.Errorf("%s: no flag, or nothing said about it", s.Name)
		}
		delete(flags, strings.ReplaceAll(s.Name, ".", "-"))
	}
	if len(flags) > 0 {
		t.Errorf("flags without settings: %v", flags)
	}
}
