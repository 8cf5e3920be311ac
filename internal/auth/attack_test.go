package auth

import (
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/go-jose/go-jose/v4"
	"github.com/golang-jwt/jwt/v5"
)

// TestAttacks has each way to get in without the key. None of them is let in,
// none is anonymous, and none makes the server ask an address for a key.
func TestAttacks(t *testing.T) {
	var hits atomic.Int32
	evil := rsaKey(t)
	theirs := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		hits.Add(1)
		w.Write(jwkSet(t, jose.JSONWebKey{Key: &evil.PublicKey, KeyID: "evil"}))
	}))
	defer theirs.Close()

	ours := rsaKey(t)
	set := jwkSet(t, jose.JSONWebKey{Key: &ours.PublicKey, KeyID: "ours", Use: "sig"})
	a := mustNew(t, Config{Secrets: []string{secret, string(set)}, AnonRole: "web_anon"})
	if got := bearer(a, sign(t, jwt.SigningMethodRS256, ours, map[string]any{"kid": "ours"}, admin())); got != "role admin" {
		t.Fatalf("the real key: %s", got)
	}

	der, err := x509.MarshalPKIXPublicKey(&ours.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	pemKey := pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
	enc := base64.RawURLEncoding.EncodeToString
	claims := `{"role":"admin"}`
	good := raw(t, `{"alg":"HS256"}`, claims, secret)
	parts := strings.Split(good, ".")
	unsigned := func(alg string) string { return enc([]byte(`{"alg":"`+alg+`"}`)) + "." + enc([]byte(claims)) + "." }

	const (
		key  = "PGRST301 No suitable key or wrong key type | None of the keys was able to decode the JWT"
		alg  = "PGRST301 Wrong or unsupported encoding algorithm | "
		none = alg + "JWT is unsecured but expected 'alg' was not 'none'"
		dec  = "PGRST301 JWT couldn't be decoded | "
		b64  = "PGRST301 JWT cryptographic operation failed"
		typ  = "PGRST301 Unsupported token type"
	)
	for name, tt := range map[string]struct{ token, want string }{
		"none":                          {unsigned("none"), none},
		"None":                          {unsigned("None"), none},
		"nOnE with a signature":         {unsigned("nOnE") + parts[2], none},
		"empty signature":               {parts[0] + "." + parts[1] + ".", key},
		"no algorithm":                  {raw(t, `{"typ":"JWT"}`, claims, secret), alg + "The header names no algorithm"},
		"algorithm of another type":     {raw(t, `{"alg":["HS256"]}`, claims, secret), alg + "The header names no algorithm"},
		"algorithm in lower case":       {raw(t, `{"alg":"hs256"}`, claims, secret), alg + "The algorithm is not known"},
		"unknown algorithm":             {raw(t, `{"alg":"FOO"}`, claims, secret), alg + "The algorithm is not known"},
		"HS256 with the public key PEM": {sign(t, jwt.SigningMethodHS256, pemKey, map[string]any{"kid": "ours"}, admin()), key},
		"HS256 with the public key DER": {sign(t, jwt.SigningMethodHS256, der, nil, admin()), key},
		"HS256 with the JWK's text":     {sign(t, jwt.SigningMethodHS256, set, nil, admin()), key},
		"HS256 with the modulus":        {sign(t, jwt.SigningMethodHS256, ours.N.Bytes(), nil, admin()), key},
		"RS256 header, HMAC signature":  {raw(t, `{"alg":"RS256"}`, claims, secret), key},
		"HS512 with the right secret":   {sign(t, jwt.SigningMethodHS512, []byte(secret), nil, admin()), key},
		"HS256 with an empty secret":    {sign(t, jwt.SigningMethodHS256, []byte{}, nil, admin()), key},
		"another secret":                {raw(t, `{"alg":"HS256"}`, claims, other), key},
		"another RSA key":               {sign(t, jwt.SigningMethodRS256, evil, map[string]any{"kid": "ours"}, admin()), key},
		"kid as a path":                 {sign(t, jwt.SigningMethodHS256, []byte{}, map[string]any{"kid": "../../../../dev/null"}, admin()), key},
		"kid as SQL":                    {sign(t, jwt.SigningMethodHS256, []byte("x"), map[string]any{"kid": "x' union select 'x"}, admin()), key},
		"kid of another type":           {raw(t, `{"alg":"HS256","kid":{"a":1}}`, claims, secret), dec + "The header's kid is not a short string"},
		"huge kid":                      {raw(t, `{"alg":"HS256","kid":"`+strings.Repeat("k", 2000)+`"}`, claims, secret), dec + "The header's kid is not a short string"},
		"jku":                           {sign(t, jwt.SigningMethodRS256, evil, map[string]any{"jku": theirs.URL, "kid": "evil"}, admin()), key},
		"x5u":                           {sign(t, jwt.SigningMethodRS256, evil, map[string]any{"x5u": theirs.URL, "kid": "evil"}, admin()), key},
		"jwk in the header":             {sign(t, jwt.SigningMethodRS256, evil, map[string]any{"jwk": jose.JSONWebKey{Key: &evil.PublicKey}}, admin()), key},
		"kid as a URL":                  {sign(t, jwt.SigningMethodRS256, evil, map[string]any{"kid": theirs.URL}, admin()), key},
		"iss as a URL":                  {sign(t, jwt.SigningMethodRS256, evil, nil, map[string]any{"iss": theirs.URL, "role": "admin"}), key},
		"crit":                          {raw(t, `{"alg":"HS256","crit":["exp"],"exp":1}`, claims, secret), dec + "The header has critical extensions"},
		"empty crit":                    {raw(t, `{"alg":"HS256","crit":[]}`, claims, secret), dec + "The header has critical extensions"},
		"unencoded payload":             {raw(t, `{"alg":"HS256","b64":false}`, claims, secret), dec + "The header has critical extensions"},
		"duplicate algorithm":           {raw(t, `{"alg":"HS256","alg":"none"}`, claims, secret), dec + "The header is not a JSON object with distinct keys"},
		"duplicate role":                {raw(t, `{"alg":"HS256"}`, `{"role":"web_anon","role":"admin"}`, secret), "PGRST303 Parsing claims failed"},
		"duplicate by escape":           {raw(t, `{"alg":"HS256"}`, `{"role":"web_anon","\u0072ole":"admin"}`, secret), "PGRST303 Parsing claims failed"},
		"role in another case":          {raw(t, `{"alg":"HS256"}`, `{"Role":"nope","role":"nope"}`, secret), `22023 role "nope" does not exist`},
		"swapped payload":               {parts[0] + "." + enc([]byte(`{"role":"auditor"}`)) + "." + parts[2], key},
		"header not JSON":               {raw(t, `alg`, claims, secret), dec + "The header is not a JSON object with distinct keys"},
		"header a list":                 {raw(t, `["HS256"]`, claims, secret), dec + "The header is not a JSON object with distinct keys"},
		"padding":                       {parts[0] + "==." + parts[1] + "." + parts[2], b64},
		"bits behind the signature":     {good[:len(good)-1] + nextChar(good[len(good)-1]), b64},
		"line break in the signature":   {good[:len(good)-4] + "\n" + good[len(good)-4:], b64},
		"two parts":                     {parts[0] + "." + parts[1], "PGRST301 Expected 3 parts in JWT; got 2"},
		"one part":                      {"notajwt", "PGRST301 Expected 3 parts in JWT; got 1"},
		"an encrypted token":            {"a.b.c.d.e", "PGRST301 Expected 3 parts in JWT; got 5"},
		"JWE header":                    {raw(t, `{"alg":"HS256","enc":"A128GCM"}`, claims, secret), typ},
		"a logout token":                {raw(t, `{"alg":"HS256","typ":"logout+jwt"}`, claims, secret), typ},
		"huge":                          {raw(t, `{"alg":"HS256"}`, `{"role":"admin","x":"`+strings.Repeat("x", 16<<10)+`"}`, secret), dec + "The token is longer than 16384 bytes"},
		"a million dots":                {strings.Repeat(".", 1_000_000), dec + "The token is longer than 16384 bytes"},
	} {
		t.Run(name, func(t *testing.T) {
			if got := bearer(a, tt.token); got != tt.want {
				t.Errorf("got  %s\nwant %s", got, tt.want)
			}
		})
	}
	if n := hits.Load(); n != 0 {
		t.Errorf("%d requests to addresses that tokens named", n)
	}
}

func admin() map[string]any { return map[string]any{"role": "admin"} }

// nextChar is the base64 character after c: in the last place it differs only in
// bits that a lenient decoder drops.
func nextChar(c byte) string {
	const chars = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	return chars[strings.IndexByte(chars, c)+1:][:1]
}

func jwkSet(t testing.TB, keys ...jose.JSONWebKey) []byte {
	t.Helper()
	b, err := json.Marshal(jose.JSONWebKeySet{Keys: keys})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestIssuersDoNotMix checks that a key of one issuer says nothing for another,
// nor the shared secret for either.
func TestIssuersDoNotMix(t *testing.T) {
	one, two := rsaKey(t), rsaKey(t)
	serve := func(k *rsa.PrivateKey) string {
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Write(jwkSet(t, jose.JSONWebKey{Key: &k.PublicKey, KeyID: "same"}))
		}))
		t.Cleanup(s.Close)
		return s.URL
	}
	a := mustNew(t, Config{Secrets: []string{secret}, Issuers: []Issuer{
		{URL: "https://one.example", Keys: serve(one), Audience: []string{"vigil"}},
		{URL: "https://two.example", Keys: serve(two), RoleClaim: ".realm_access.roles"},
	}})
	const key = "PGRST301 No suitable key or wrong key type | None of the keys was able to decode the JWT"
	for name, tt := range map[string]struct {
		key    any
		claims map[string]any
		want   string
	}{
		"one":               {one, map[string]any{"iss": "https://one.example", "role": "admin", "aud": "vigil"}, "role admin"},
		"one, no audience":  {one, map[string]any{"iss": "https://one.example", "role": "admin"}, "PGRST303 JWT not in audience"},
		"two":               {two, map[string]any{"iss": "https://two.example", "realm_access": map[string]any{"roles": []string{"offline", "auditor"}}}, "role auditor"},
		"two, other claim":  {two, map[string]any{"iss": "https://two.example", "role": "admin"}, "PGRST302 Anonymous access is disabled"},
		"two signs for one": {two, map[string]any{"iss": "https://one.example", "role": "admin", "aud": "vigil"}, key},
		"no issuer":         {one, map[string]any{"role": "admin", "aud": "vigil"}, key},
		"nearly the issuer": {one, map[string]any{"iss": "https://one.example/", "role": "admin", "aud": "vigil"}, key},
		"secret for one":    {[]byte(secret), map[string]any{"iss": "https://one.example", "role": "admin", "aud": "vigil"}, key},
		"secret for nobody": {[]byte(secret), map[string]any{"iss": "https://three.example", "role": "admin"}, "role admin"},
	} {
		t.Run(name, func(t *testing.T) {
			var method jwt.SigningMethod = jwt.SigningMethodRS256
			if _, ok := tt.key.([]byte); ok {
				method = jwt.SigningMethodHS256
			}
			if got := bearer(a, sign(t, method, tt.key, map[string]any{"kid": "same"}, tt.claims)); got != tt.want {
				t.Errorf("got  %s\nwant %s", got, tt.want)
			}
		})
	}
}
