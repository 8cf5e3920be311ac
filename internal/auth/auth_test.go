package auth

import (
	"bufio"
	"encoding/base64"
	"encoding/json"
	"errors"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"vigil"
)

// The secret of these tests, and one that another party has.
const (
	secret = "synthetic-secret-of-these-tests-0001"
	other  = "synthetic-secret-of-these-tests-0002"
)

// clock is a time that a test moves.
type clock struct{ t time.Time }

func (c *clock) now() time.Time { return c.t }

func newClock() *clock { return &clock{time.Unix(1_800_000_000, 0)} }

func mustNew(t testing.TB, c Config) *Authenticator {
	t.Helper()
	a, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func sign(t testing.TB, method jwt.SigningMethod, key any, header, claims map[string]any) string {
	t.Helper()
	tok := jwt.NewWithClaims(method, jwt.MapClaims(claims))
	maps.Copy(tok.Header, header)
	s, err := tok.SignedString(key)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// raw signs header and payload as they are written.
func raw(t testing.TB, header, payload, key string) string {
	t.Helper()
	enc := base64.RawURLEncoding.EncodeToString
	s := enc([]byte(header)) + "." + enc([]byte(payload))
	sig, err := jwt.SigningMethodHS256.Sign(s, []byte(key))
	if err != nil {
		t.Fatal(err)
	}
	return s + "." + enc(sig)
}

func request(authorization ...string) *http.Request {
	r := httptest.NewRequest("GET", "/events", nil)
	if len(authorization) > 0 {
		r.Header["Authorization"] = authorization
	}
	return r
}

// outcome is an answer as one line: the role, or status, code, message and details.
func outcome(p *Principal, err error) string {
	if err == nil {
		return "role " + p.Role
	}
	e, ok := errors.AsType[*vigil.Error](err)
	if !ok {
		return "no vigil.Error: " + err.Error()
	}
	if e.Kind != vigil.Unauthenticated {
		return "not 401: " + e.Error()
	}
	s := e.Code + " " + e.Message
	if e.Details != "" {
		s += " | " + e.Details
	}
	return s
}

func bearer(a *Authenticator, token string) string {
	return outcome(a.Authenticate(request("Bearer " + token)))
}

func TestHeader(t *testing.T) {
	good := raw(t, `{"alg":"HS256"}`, `{"role":"event_logger"}`, secret)
	scheme := "PGRST301 Authentication scheme not supported"
	for _, tt := range []struct {
		name string
		anon string
		auth []string
		want string
	}{
		{"none, anonymous", "web_anon", nil, "role web_anon"},
		{"none, no anonymous", "", nil, "PGRST302 Anonymous access is disabled"},
		{"bearer", "", []string{"Bearer " + good}, "role event_logger"},
		{"lower case", "", []string{"bearer " + good}, "role event_logger"},
		{"spaces", "", []string{"Bearer   " + good + " "}, "role event_logger"},
		{"two", "", []string{"Bearer " + good, "Bearer " + good}, "PGRST301 More than one Authorization header"},
		{"empty bearer", "web_anon", []string{"Bearer "}, "PGRST301 Empty JWT is sent in Authorization header"},
		{"bare bearer", "web_anon", []string{"Bearer"}, "PGRST301 Empty JWT is sent in Authorization header"},
		{"empty", "web_anon", []string{""}, scheme},
		{"basic, not configured", "web_anon", []string{"Basic dTpw"}, scheme},
		{"token without scheme", "web_anon", []string{good}, scheme},
		{"digest", "web_anon", []string{`Digest username="u"`}, scheme},
		{"no role claim", "web_anon", []string{"Bearer " + raw(t, `{"alg":"HS256"}`, `{"sub":"x"}`, secret)}, "role web_anon"},
		{"no role claim, no anonymous", "", []string{"Bearer " + raw(t, `{"alg":"HS256"}`, `{"sub":"x"}`, secret)}, "PGRST302 Anonymous access is disabled"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			a := mustNew(t, Config{Secrets: []string{secret}, AnonRole: tt.anon})
			if got := outcome(a.Authenticate(request(tt.auth...))); got != tt.want {
				t.Errorf("got  %s\nwant %s", got, tt.want)
			}
		})
	}
}

func TestClaims(t *testing.T) {
	c := newClock()
	a := mustNew(t, Config{Secrets: []string{secret}, Audience: []string{"me", "us"}, Now: c.now})
	for payload, want := range map[string]string{
		`{"role":"event_logger"}`:                             "role event_logger",
		`{"role":"event_logger","exp":1799999970}`:            "role event_logger", // 30 s late
		`{"role":"event_logger","exp":1799999969}`:            "PGRST303 JWT expired",
		`{"role":"event_logger","exp":1799999969.9}`:          "PGRST303 JWT expired",
		`{"role":"event_logger","exp":null}`:                  "role event_logger",
		`{"role":"event_logger","exp":"1900000000"}`:          "PGRST303 The JWT 'exp' claim must be a number",
		`{"role":"event_logger","exp":1e400}`:                 "PGRST303 The JWT 'exp' claim must be a number",
		`{"role":"event_logger","exp":-1e300}`:                "PGRST303 The JWT 'exp' claim must be a number",
		`{"role":"event_logger","exp":true}`:                  "PGRST303 The JWT 'exp' claim must be a number",
		`{"role":"event_logger","nbf":1800000030}`:            "role event_logger",
		`{"role":"event_logger","nbf":1800000031}`:            "PGRST303 JWT not yet valid",
		`{"role":"event_logger","nbf":"x"}`:                   "PGRST303 The JWT 'nbf' claim must be a number",
		`{"role":"event_logger","iat":1800000030}`:            "role event_logger",
		`{"role":"event_logger","iat":1800000031}`:            "PGRST303 JWT issued at future",
		`{"role":"event_logger","iat":{}}`:                    "PGRST303 The JWT 'iat' claim must be a number",
		`{"role":"event_logger","aud":"me"}`:                  "role event_logger",
		`{"role":"event_logger","aud":["x","us"]}`:            "role event_logger",
		`{"role":"event_logger","aud":[]}`:                    "role event_logger",
		`{"role":"event_logger","aud":null}`:                  "role event_logger",
		`{"role":"event_logger","aud":""}`:                    "PGRST303 JWT not in audience",
		`{"role":"event_logger","aud":"them"}`:                "PGRST303 JWT not in audience",
		`{"role":"event_logger","aud":{"a":1}}`:               "PGRST303 The JWT 'aud' claim must be a string or an array of strings",
		`{"role":"event_logger","aud":["me",1]}`:              "PGRST303 The JWT 'aud' claim must be a string or an array of strings",
		`{"role":"nope"}`:                                     `22023 role "nope" does not exist`,
		`{"role":""}`:                                         `22023 role "" does not exist`,
		`{"role":7}`:                                          `22023 role "7" does not exist`,
		`{"role":["nope","auditor","admin"]}`:                 "role auditor",
		`{"role":["nope","none"]}`:                            `22023 role "nope" does not exist`,
		`{"role":"` + strings.Repeat("é", 40) + `"}`:          `22023 role "` + strings.Repeat("é", 31) + `" does not exist`,
		`{"scope":"openid system/AuditEvent.c"}`:              "role system/AuditEvent.c",
		`{"role":["default"],"scope":"system/AuditEvent.rs"}`: "role system/AuditEvent.rs",
		`{"role":"admin","scope":"system/AuditEvent.rs"}`:     "role admin",
		`{"role":"event_logger","role":"admin"}`:              "PGRST303 Parsing claims failed",
		`{"role":"event_logger","x":{"a":1,"a":2}}`:           "PGRST303 Parsing claims failed",
		`{"role":"event_logger","x":"` + "\xff" + `"}`:        "PGRST303 Parsing claims failed",
		`["role"]`:                   "PGRST303 Parsing claims failed",
		`notjson`:                    "PGRST303 Parsing claims failed",
		`{"role":"event_logger"} {}`: "PGRST303 Parsing claims failed",
		``:                           "PGRST303 Parsing claims failed",
		`{"role":"event_logger","x":` + strings.Repeat("[", 5000) + strings.Repeat("]", 5000) + `}`: "PGRST303 Parsing claims failed",
	} {
		if got := bearer(a, raw(t, `{"alg":"HS256"}`, payload, secret)); got != want {
			t.Errorf("%.80s\n got %s\nwant %s", payload, got, want)
		}
	}
}

// TestPostgREST checks the answers that PostgREST's own suite expects.
func TestPostgREST(t *testing.T) {
	const cases = "../../../shared/data/postgrest/cases.jsonl"
	f, err := os.Open(cases)
	if err != nil {
		t.Skip("the recorded cases of PostgREST are not beside this checkout")
	}
	defer f.Close()
	grants, err := NewGrants(Grant{"postgrest_test_author", "authors_only", All}, Grant{"postgrest_test_anonymous", "items", Select})
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for s := bufio.NewScanner(f); s.Scan(); {
		var c struct {
			ID, Name, File string
			Settings       map[string]*string `json:"config_settings"`
			Headers        [][2]string
			Expect         struct {
				Status  int
				Headers []struct{ Name, EQ string }
				Body    struct {
					JSON struct{ Code, Message, Details string }
				}
			}
		}
		// Bodies of other cases have other shapes; those are not of this suite.
		if err := json.Unmarshal(s.Bytes(), &c); !strings.HasPrefix(c.File, "Auth/") && !strings.Contains(c.Name, "JWT") || err != nil {
			continue
		}
		n++
		t.Run(c.ID, func(t *testing.T) {
			conf := Config{Secrets: []string{"reallyreallyreallyreallyverysafe"}, AnonRole: "postgrest_test_anonymous", Grants: grants}
			if _, ok := c.Settings["db-anon-role"]; ok {
				conf.AnonRole = ""
			}
			if v, ok := c.Settings["jwt-secret"]; ok && v == nil {
				conf.Secrets = nil
			} else if ok {
				conf.Secrets = []string{*v}
				conf.SecretsBase64 = c.Settings["jwt-secret-is-base64"] != nil
			}
			if v := c.Settings["jwt-aud"]; v != nil {
				conf.Audience = []string{*v}
			}
			r := httptest.NewRequest("GET", "/", nil)
			for _, h := range c.Headers {
				r.Header.Set(h[0], h[1])
			}
			a := mustNew(t, conf)
			p, err := a.Authenticate(r)
			if err == nil && c.Expect.Status == 401 {
				err = grants.Check(p, "authors_only", Select)
			}
			want := c.Expect.Body.JSON
			if c.Expect.Status == 500 { // no secret: here 401, as for any scheme that is not configured
				if got := outcome(p, err); got != want.Code+" "+want.Message {
					t.Errorf("got %s", got)
				}
				return
			}
			if (err != nil) != (c.Expect.Status == 401) {
				t.Fatalf("%s: got %s, want status %d", c.Name, outcome(p, err), c.Expect.Status)
			}
			if want.Code != "" {
				e, _ := errors.AsType[*vigil.Error](err)
				if e == nil || e.Code != want.Code || e.Message != want.Message || e.Details != want.Details || e.Hint != "" {
					t.Errorf("%s: got %s, want %+v", c.Name, outcome(p, err), want)
				}
			}
			for _, h := range c.Expect.Headers {
				if h.Name == "WWW-Authenticate" && Challenge(err) != h.EQ {
					t.Errorf("challenge %s, want %s", Challenge(err), h.EQ)
				}
			}
		})
	}
	if n < 30 {
		t.Errorf("only %d cases", n)
	}
}

func TestPrincipal(t *testing.T) {
	a := mustNew(t, Config{Secrets: []string{secret}, AnonRole: "web_anon"})
	p, err := a.Authenticate(request("Bearer " + raw(t, `{"alg":"HS256","kid":"k"}`,
		`{"role":"event_logger","sub":"s","iss":"i","azp":"c","scope":"a b"}`, secret)))
	if err != nil {
		t.Fatal(err)
	}
	want := vigil.Sender{Subject: "s", Issuer: "i", Client: "c", Role: "event_logger", Listener: "http", Peer: "192.0.2.1", Authenticated: true}
	if got := p.Sender("http", "192.0.2.1"); *got != want {
		t.Errorf("sender %+v", *got)
	}
	if p.Anonymous || !p.Authenticated || len(p.Scopes) != 2 || p.Name() != "s" {
		t.Errorf("%+v", p)
	}
	anon, err := a.Authenticate(request())
	if err != nil || !anon.Anonymous || anon.Authenticated || anon.Scope() == p.Scope() {
		t.Errorf("%+v, %v", anon, err)
	}
	named, err := a.Authenticate(request("Bearer " + raw(t, `{"alg":"HS256"}`, `{"role":"web_anon"}`, secret)))
	if err != nil || !named.Anonymous || !named.Authenticated || named.Scope() == anon.Scope() {
		t.Errorf("%+v, %v", named, err)
	}
}

// TestScopeIsUnambiguous checks that no two senders share a scope by where one
// field ends and the next begins.
func TestScopeIsUnambiguous(t *testing.T) {
	seen := map[string]Principal{}
	for _, p := range []Principal{
		{Issuer: "a", Subject: "b"},
		{Issuer: `a" "b`},
		{Subject: "ab"},
		{Client: "ab"},
		{Issuer: "ab", Role: "x"},
		{Issuer: "ab", Client: "x"},
	} {
		if q, ok := seen[p.Scope()]; ok {
			t.Errorf("%+v and %+v share %s", p, q, p.Scope())
		}
		seen[p.Scope()] = p
	}
}

func TestConfigRefused(t *testing.T) {
	for name, tt := range map[string]struct {
		c    Config
		want string
	}{
		"short secret":        {Config{Secrets: []string{"short"}}, "at least 32 characters"},
		"31 characters":       {Config{Secrets: []string{secret, strings.Repeat("x", 31)}}, "at least 32 characters"},
		"short after base64":  {Config{Secrets: []string{strings.Repeat("YWFh", 10)}, SecretsBase64: true}, "this one has 30"},
		"not base64":          {Config{Secrets: []string{"%%%"}, SecretsBase64: true}, "not base64"},
		"short oct JWK":       {Config{Secrets: []string{`{"kty":"oct","k":"c2hvcnQ"}`}}, "shorter than 32"},
		"JWK set without key": {Config{Secrets: []string{`{"keys":[]}`}}, "no key"},
		"JSON without kty":    {Config{Secrets: []string{`{"a":"` + strings.Repeat("x", 40) + `"}`}}, "no key"},
		"path":                {Config{RoleClaim: "role"}, "role claim path"},
		"anonymous role":      {Config{AnonRole: "nobody"}, `"nobody"`},
		"issuer without URL":  {Config{Issuers: []Issuer{{}}}, "needs its URL"},
		"issuer twice":        {Config{Issuers: []Issuer{{URL: "https://a.example"}, {URL: "https://a.example"}}}, "twice"},
		"issuer by file URL":  {Config{Issuers: []Issuer{{URL: "file:///etc/passwd"}}}, "want such as https://"},
		"keys of no file":     {Config{KeyFiles: []string{"testdata/none.json"}}, "read JWK set"},
		"URL with a password": {Config{KeyURLs: []string{"https://u:p@id.example/keys"}}, "want such as https://"},
		"client hash":         {Config{Basic: []Client{{"c", "plain", "admin"}}}, "cannot be read"},
		"client role":         {Config{Basic: []Client{{"c", cheapHash(t, "s"), "nobody"}}}, `no role "nobody"`},
		"client with colon":   {Config{Basic: []Client{{"a:b", cheapHash(t, "s"), "admin"}}}, "without colon"},
		"certificate role":    {Config{Certs: []CertSubject{{"CN=a", "nobody"}}}, `no role "nobody"`},
	} {
		_, err := New(tt.c)
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: got %v, want %q", name, err, tt.want)
		}
		if err != nil && (strings.Contains(err.Error(), "short\"") || strings.Contains(err.Error(), strings.Repeat("x", 31))) {
			t.Errorf("%s: the error tells the secret: %v", name, err)
		}
	}
}

func TestRotation(t *testing.T) {
	old, newer := raw(t, `{"alg":"HS256"}`, `{"role":"auditor"}`, secret), raw(t, `{"alg":"HS256"}`, `{"role":"admin"}`, other)
	both := mustNew(t, Config{Secrets: []string{other, secret}})
	if got := bearer(both, old) + ", " + bearer(both, newer); got != "role auditor, role admin" {
		t.Error(got)
	}
	after := mustNew(t, Config{Secrets: []string{other}})
	if got := bearer(after, old); !strings.HasPrefix(got, "PGRST301 No suitable key") {
		t.Error(got)
	}
}

func TestCacheKeepsNothingPastItsTime(t *testing.T) {
	c := newClock()
	a := mustNew(t, Config{Secrets: []string{secret}, Now: c.now, CacheSize: 2})
	token := raw(t, `{"alg":"HS256"}`, `{"role":"auditor","nbf":1800000000,"exp":1800000010}`, secret)
	for _, at := range []struct {
		after time.Duration
		want  string
	}{
		{0, "role auditor"},
		{40 * time.Second, "role auditor"},
		{41 * time.Second, "PGRST303 JWT expired"},
		{5 * time.Second, "role auditor"},
		{-31 * time.Second, "PGRST303 JWT not yet valid"}, // the clock was put back
	} {
		c.t = time.Unix(1_800_000_000, 0).Add(at.after)
		if got := bearer(a, token); got != at.want {
			t.Errorf("after %v: %s, want %s", at.after, got, at.want)
		}
	}
	for i := range 10 {
		bearer(a, raw(t, `{"alg":"HS256"}`, `{"role":"auditor","n":`+string(rune('0'+i))+`}`, secret))
	}
	if n := len(a.tokens.items); n != 2 {
		t.Errorf("%d tokens remembered, want 2", n)
	}
}

// TestVerifyToken says of tokens of another server whether they are genuine,
// whatever their bearer may do here.
func TestVerifyToken(t *testing.T) {
	const secret = "a-secret-for-tests-only-0123456789"
	now := time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC)
	a, err := New(Config{Secrets: []string{secret}, Now: func() time.Time { return now }})
	if err != nil {
		t.Fatal(err)
	}
	mint := func(secret string, expires time.Time) string {
		s, err := Mint(secret, "a role that nobody knows here", expires, nil)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	good := mint(secret, now.Add(time.Hour))
	for range 2 { // the second time from memory
		if err := a.VerifyToken(t.Context(), good); err != nil {
			t.Error(err)
		}
	}
	for name, s := range map[string]string{
		"other secret": mint("another-secret-for-tests-only-0123456", now.Add(time.Hour)),
		"expired":      mint(secret, now.Add(-time.Hour)),
		"cut":          good[:len(good)-3],
		"none":         "",
		"nonsense":     "a.b.c",
	} {
		if a.VerifyToken(t.Context(), s) == nil {
			t.Errorf("%s is genuine", name)
		}
	}
	now = now.Add(2 * time.Hour)
	if a.VerifyToken(t.Context(), good) == nil {
		t.Error("what was good is good for ever")
	}
}
