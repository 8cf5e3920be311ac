package auth

import (
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/golang-jwt/jwt/v5"
)

func rsaKey(t testing.TB) *rsa.PrivateKey {
	t.Helper()
	k, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func readJSON(t testing.TB, name string, v any) {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(b, v); err != nil {
		t.Fatal(err)
	}
}

// pyjwt is what PyJWT made, recorded.
type pyjwt struct {
	Secret string
	Keys   []json.RawMessage
	Tokens map[string]string
	Mint   []struct {
		Claims map[string]any
		Token  string
	}
}

// TestPyJWT takes tokens of every algorithm as PyJWT makes them.
func TestPyJWT(t *testing.T) {
	var py pyjwt
	readJSON(t, "testdata/pyjwt.json", &py)
	set, err := json.Marshal(map[string]any{"keys": py.Keys})
	if err != nil {
		t.Fatal(err)
	}
	a := mustNew(t, Config{Secrets: []string{string(set), py.Secret}})
	if len(py.Tokens) < 13 {
		t.Fatalf("%d tokens", len(py.Tokens))
	}
	for alg, token := range py.Tokens {
		want := "role event_logger"
		if alg == "HS384" || alg == "HS512" { // the literal secret is for HS256
			want = "PGRST301 No suitable key or wrong key type | None of the keys was able to decode the JWT"
		}
		if got := bearer(a, token); got != want {
			t.Errorf("%s: %s", alg, got)
		}
	}
}

func TestSecretForms(t *testing.T) {
	jwk := `{"kty":"oct","k":"` + strings.Repeat("YWFh", 11) + `","alg":"HS512"}`
	long := strings.Repeat("a", 33)
	for name, tt := range map[string]struct {
		secret   string
		isBase64 bool
		method   jwt.SigningMethod
		key      string
	}{
		"literal":             {secret, false, jwt.SigningMethodHS256, secret},
		"base64":              {strings.Repeat("YWFh", 11), true, jwt.SigningMethodHS256, long},
		"base64 not decoded":  {strings.Repeat("YWFh", 11), false, jwt.SigningMethodHS256, strings.Repeat("YWFh", 11)},
		"base64url":           {strings.Repeat("-_-_", 11), true, jwt.SigningMethodHS256, strings.Repeat("\xfb\xff\xbf", 11)},
		"oct JWK with alg":    {jwk, false, jwt.SigningMethodHS512, long},
		"oct JWK without alg": {strings.Replace(jwk, `,"alg":"HS512"`, "", 1), false, jwt.SigningMethodHS256, long},
		"not JSON after all":  {"{" + secret, false, jwt.SigningMethodHS256, "{" + secret},
	} {
		a := mustNew(t, Config{Secrets: []string{tt.secret}, SecretsBase64: tt.isBase64})
		if got := bearer(a, sign(t, tt.method, []byte(tt.key), nil, admin())); got != "role admin" {
			t.Errorf("%s: %s", name, got)
		}
	}
}

func TestJWKsPassedOver(t *testing.T) {
	k := rsaKey(t)
	good := jose.JSONWebKey{Key: &k.PublicKey, KeyID: "good"}
	small, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		t.Fatal(err)
	}
	text := func(j jose.JSONWebKey) string {
		b, err := json.Marshal(j)
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	for name, bad := range map[string]string{
		"encryption":         text(jose.JSONWebKey{Key: &k.PublicKey, KeyID: "bad", Use: "enc"}),
		"algorithm":          text(jose.JSONWebKey{Key: &k.PublicKey, KeyID: "bad", Algorithm: "RSA-OAEP"}),
		"algorithm of kind":  text(jose.JSONWebKey{Key: &k.PublicKey, KeyID: "bad", Algorithm: "ES256"}),
		"HS256 by an RSA":    text(jose.JSONWebKey{Key: &k.PublicKey, KeyID: "bad", Algorithm: "HS256"}),
		"small":              text(jose.JSONWebKey{Key: &small.PublicKey, KeyID: "bad"}),
		"secret in public":   text(jose.JSONWebKey{Key: []byte(secret), KeyID: "bad"}),
		"unknown kind":       `{"kty":"XYZ","kid":"bad"}`,
		"not an object":      `7`,
		"for wrapping":       `{"kty":"oct","kid":"bad","k":"` + strings.Repeat("YWFh", 11) + `","key_ops":["wrapKey"]}`,
		"point not on curve": `{"kty":"EC","crv":"P-256","kid":"bad","x":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAE","y":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAE"}`,
	} {
		keys, err := parseJWKs([]byte(`{"keys":[`+bad+`,`+text(good)+`]}`), false)
		if err != nil || len(keys) != 1 || keys[0].id != "good" {
			t.Errorf("%s: %v, %v", name, keys, err)
		}
		if _, err := parseJWKs([]byte(`{"keys":[`+bad+`]}`), false); err == nil {
			t.Errorf("%s alone: no error", name)
		}
	}
	if _, err := parseJWKs([]byte(`{"keys":[`+strings.Repeat(text(good)+",", 100)+text(good)+`]}`), false); err == nil {
		t.Error("101 keys: no error")
	}
}

// idp is an identity provider whose keys change.
type idp struct {
	*httptest.Server
	mu      sync.Mutex
	keys    []jose.JSONWebKey
	issuer  string // what it calls itself; empty is its URL
	jwks    string // what it calls its key set; empty is its own
	fetched atomic.Int32
}

func newIDP(t *testing.T) *idp {
	p := &idp{}
	p.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p.mu.Lock()
		defer p.mu.Unlock()
		switch r.URL.Path {
		case wellKnown:
			doc := map[string]string{"issuer": p.URL, "jwks_uri": p.URL + "/keys"}
			if p.issuer != "" {
				doc["issuer"] = p.issuer
			}
			if p.jwks != "" {
				doc["jwks_uri"] = p.jwks
			}
			json.NewEncoder(w).Encode(doc)
		case "/keys":
			p.fetched.Add(1)
			w.Write(jwkSet(t, p.keys...))
		default:
			http.NotFound(w, r)
		}
	}))
	t.Cleanup(p.Close)
	return p
}

func (p *idp) set(keys ...jose.JSONWebKey) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.keys = keys
}

func TestDiscovery(t *testing.T) {
	c := newClock()
	p, k1, k2 := newIDP(t), rsaKey(t), rsaKey(t)
	p.set(jose.JSONWebKey{Key: &k1.PublicKey, KeyID: "1"})
	var mu sync.Mutex
	now := func() time.Time { mu.Lock(); defer mu.Unlock(); return c.t }
	pass := func(d time.Duration) { mu.Lock(); defer mu.Unlock(); c.t = c.t.Add(d) }
	a := mustNew(t, Config{Issuers: []Issuer{{URL: p.URL}}, Now: now})
	token := func(k *rsa.PrivateKey, kid string) string {
		return sign(t, jwt.SigningMethodRS256, k, map[string]any{"kid": kid}, map[string]any{"iss": p.URL, "role": "auditor", "sub": kid})
	}
	want := func(step, token, prefix string, fetched int32) {
		t.Helper()
		if got := bearer(a, token); !strings.HasPrefix(got, prefix) || p.fetched.Load() != fetched {
			t.Errorf("%s: %s, %d times fetched; want %s, %d", step, got, p.fetched.Load(), prefix, fetched)
		}
	}
	const no = "PGRST301 No suitable key"
	if p.fetched.Load() != 0 {
		t.Error("asked before a token came")
	}
	want("first token", token(k1, "1"), "role auditor", 1)
	want("again", token(k1, "1"), "role auditor", 1)
	p.set(jose.JSONWebKey{Key: &k2.PublicKey, KeyID: "2"})
	want("unknown key, too soon to ask", token(k2, "2"), no, 1)
	pass(remoteGap)
	want("unknown key", token(k2, "2"), "role auditor", 2)
	want("removed key, though its token was remembered", token(k1, "1"), no, 2)
	for i := range 20 {
		want("invented keys do not make us ask", token(k1, fmt.Sprint("x", i)), no, 2)
	}
	// A key that is taken back ends within the age of the set and one recheck.
	p.set(jose.JSONWebKey{Key: &k1.PublicKey, KeyID: "1"})
	pass(remoteAge)
	bearer(a, token(k2, "2"))
	if !within(5*time.Second, func() bool { return p.fetched.Load() == 3 && bearer(a, token(k2, "2")) != "role auditor" }) {
		t.Error("a key that was taken back stays in use")
	}
	// While the issuer is away its keys stay in use.
	p.Close()
	pass(remoteAge)
	for range 3 {
		want("issuer away", token(k1, "1"), "role auditor", 3)
	}
}

// within reports whether ok comes to hold: what it waits for happens in the background.
func within(d time.Duration, ok func() bool) bool {
	for end := time.Now().Add(d); time.Now().Before(end); time.Sleep(time.Millisecond) {
		if ok() {
			return true
		}
	}
	return false
}

// TestInnerAddresses checks that what an answer leads to must be public, where
// what is configured may be an inner address.
func TestInnerAddresses(t *testing.T) {
	k := rsaKey(t)
	var hits atomic.Int32
	inner := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		hits.Add(1)
		w.Write(jwkSet(t, jose.JSONWebKey{Key: &k.PublicKey}))
	}))
	defer inner.Close()
	redirect := func(to string) string {
		s := httptest.NewServer(http.RedirectHandler(to, http.StatusFound))
		t.Cleanup(s.Close)
		return s.URL
	}
	_, port, _ := strings.Cut(strings.TrimPrefix(inner.URL, "http://"), ":")
	f := newFetcher(nil)
	for name, to := range map[string]string{
		"loopback":            inner.URL,
		"by name":             "http://localhost:" + port,
		"IPv6":                "http://[::1]:" + port,
		"IPv4 in IPv6":        "http://[::ffff:127.0.0.1]:" + port,
		"zero":                "http://0.0.0.0:" + port,
		"metadata service":    "http://169.254.169.254/latest/meta-data",
		"a file":              "file:///etc/passwd",
		"redirect again":      redirect(inner.URL),
		"private":             "http://10.0.0.1/",
		"carrier-grade NAT":   "http://100.64.0.1/",
		"IPv4 through NAT64":  "http://[64:ff9b::7f00:1]/",
		"unique local":        "http://[fd00::1]/",
		"documentation (2.1)": "http://192.0.2.1/",
	} {
		from := redirect(to)
		if err := f.allow(from); err != nil {
			t.Fatal(err)
		}
		if keys, err := f.jwks(from)(t.Context()); err == nil {
			t.Errorf("%s: %v", name, keys)
		}
	}
	p := newIDP(t)
	p.jwks = inner.URL + "/keys"
	if err := f.allow(p.URL); err != nil {
		t.Fatal(err)
	}
	if _, err := f.discover(p.URL)(t.Context()); err == nil {
		t.Error("jwks_uri: no error")
	}
	if n := hits.Load(); n != 0 {
		t.Errorf("the inner address was asked %d times", n)
	}
	if err := f.allow(inner.URL); err != nil {
		t.Fatal(err)
	}
	if _, err := f.discover(p.URL)(t.Context()); err != nil || hits.Load() != 1 {
		t.Errorf("configured, yet: %v, %d hits", err, hits.Load())
	}
	p.issuer = "https://other.example"
	if _, err := f.discover(p.URL)(t.Context()); err == nil {
		t.Error("description of another issuer: no error")
	}
}

func TestBoundsOnDocuments(t *testing.T) {
	big := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Write([]byte(`{"keys":[],"x":"`))
		for range 40 {
			w.Write(make([]byte, 64<<10))
		}
	}))
	defer big.Close()
	f := newFetcher(nil)
	if err := f.allow(big.URL); err != nil {
		t.Fatal(err)
	}
	if _, err := f.get(t.Context(), big.URL); err == nil || !strings.Contains(err.Error(), "more than") {
		t.Errorf("got %v", err)
	}
}

func TestKeyFile(t *testing.T) {
	c := newClock()
	name := filepath.Join(t.TempDir(), "keys.json")
	k1, k2 := rsaKey(t), rsaKey(t)
	write := func(b []byte) {
		if err := os.WriteFile(name, b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(jwkSet(t, jose.JSONWebKey{Key: &k1.PublicKey, KeyID: "1"}))
	a := mustNew(t, Config{KeyFiles: []string{name}, Now: c.now})
	token := func(k *rsa.PrivateKey, kid string) string {
		return sign(t, jwt.SigningMethodRS256, k, map[string]any{"kid": kid}, admin())
	}
	if got := bearer(a, token(k1, "1")); got != "role admin" {
		t.Fatal(got)
	}
	write(jwkSet(t, jose.JSONWebKey{Key: &k2.PublicKey, KeyID: "2"}))
	c.t = c.t.Add(fileAge)
	if got := bearer(a, token(k2, "2")); got != "role admin" {
		t.Error("new key:", got)
	}
	if got := bearer(a, token(k1, "1")); !strings.HasPrefix(got, "PGRST301 No suitable key") {
		t.Error("old key:", got)
	}
	write([]byte("{"))
	c.t = c.t.Add(fileAge)
	if got := bearer(a, token(k2, "unknown")); !strings.HasPrefix(got, "PGRST301 No suitable key") {
		t.Error("unknown key:", got)
	}
	if got := bearer(a, token(k2, "2")); got != "role admin" {
		t.Error("broken file:", got)
	}
}

func TestPublic(t *testing.T) {
	for s, want := range map[string]bool{
		"8.8.8.8": true, "2606:4700::1111": true, "127.0.0.1": false, "::1": false, "10.1.2.3": false, "172.16.0.1": false,
		"192.168.1.1": false, "169.254.169.254": false, "fe80::1": false, "fd00::1": false, "::ffff:10.0.0.1": false,
		"0.0.0.0": false, "::": false, "224.0.0.1": false, "255.255.255.255": false, "2002:a00:1::": false, "100.100.100.200": false,
	} {
		if got := public(netip.MustParseAddr(s)); got != want {
			t.Errorf("public(%s) = %v", s, got)
		}
	}
}
