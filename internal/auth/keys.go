package auth

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/go-jose/go-jose/v4"
	"github.com/golang-jwt/jwt/v5"
)

// methods has the algorithms that a token may have.
var methods = map[string]jwt.SigningMethod{
	"HS256": jwt.SigningMethodHS256, "HS384": jwt.SigningMethodHS384, "HS512": jwt.SigningMethodHS512,
	"RS256": jwt.SigningMethodRS256, "RS384": jwt.SigningMethodRS384, "RS512": jwt.SigningMethodRS512,
	"PS256": jwt.SigningMethodPS256, "PS384": jwt.SigningMethodPS384, "PS512": jwt.SigningMethodPS512,
	"ES256": jwt.SigningMethodES256, "ES384": jwt.SigningMethodES384, "ES512": jwt.SigningMethodES512,
	"EdDSA": jwt.SigningMethodEdDSA,
}

// Bounds on keys.
const (
	minSecret = 32   // bytes of a shared secret: the strength of HS256
	minRSA    = 2048 // bits
	maxRSA    = 8192 // bits: more only makes verifying slow
	maxKeys   = 100  // keys of one set
)

// key verifies signatures of the algorithms of its own kind.
type key struct {
	id     string
	algs   []string
	public any // as jwt.SigningMethod takes it
}

// fits reports whether k may verify a token with this header. A kid that both
// name must be the same.
func (k *key) fits(t *token) bool {
	return slices.Contains(k.algs, t.alg) && (t.kid == "" || k.id == "" || k.id == t.kid)
}

// verifies reports whether the signature is k's. k must fit.
func (k *key) verifies(t *token) bool {
	return methods[t.alg].Verify(t.signed, t.signature, k.public) == nil
}

// secretKeys reads a secret as PostgREST reads jwt-secret: a JWK, a JWK set, or
// a literal for HS256.
func secretKeys(secret string, isBase64 bool) ([]key, error) {
	raw := []byte(secret)
	if isBase64 {
		var err error
		s := strings.TrimRight(strings.NewReplacer("-", "+", "_", "/", ".", "=").Replace(strings.TrimSpace(secret)), "=")
		if raw, err = base64.RawStdEncoding.DecodeString(s); err != nil {
			return nil, errors.New("the JWT secret is not base64, though it is configured to be")
		}
	}
	if trimmed := bytes.TrimSpace(raw); bytes.HasPrefix(trimmed, []byte("{")) && json.Valid(trimmed) {
		return parseJWKs(trimmed, true)
	}
	if len(raw) < minSecret {
		return nil, fmt.Errorf("the JWT secret must be at least %d characters long, this one has %d", minSecret, len(raw))
	}
	return []key{{algs: []string{"HS256"}, public: raw}}, nil
}

// parseJWKs reads a JWK or a JWK set (RFC 7517). Keys of other kinds and uses are
// passed over, but some key must remain. Shared secrets are taken only where
// secrets says that the text is secret.
func parseJWKs(text []byte, secrets bool) ([]key, error) {
	var set struct {
		Keys []json.RawMessage `json:"keys"`
		Type string            `json:"kty"`
	}
	if err := json.Unmarshal(text, &set); err != nil {
		return nil, errors.New("the JWK set is not valid JSON")
	}
	if set.Type != "" {
		set.Keys = []json.RawMessage{text}
	}
	if len(set.Keys) > maxKeys {
		return nil, fmt.Errorf("the JWK set has %d keys, more than %d", len(set.Keys), maxKeys)
	}
	var keys []key
	var why error
	for _, raw := range set.Keys {
		k, err := parseJWK(raw, secrets)
		if err != nil {
			why = err
			continue
		}
		keys = append(keys, k)
	}
	if len(keys) == 0 {
		return nil, errors.Join(errors.New("the JWK set has no key that could verify a token"), why)
	}
	return keys, nil
}

// parseJWK reads one key.
func parseJWK(raw []byte, secrets bool) (key, error) {
	var j jose.JSONWebKey
	if err := j.UnmarshalJSON(raw); err != nil {
		return key{}, errors.New("a key cannot be read")
	}
	var ops struct {
		Ops []string `json:"key_ops"`
	}
	// The text was JSON a moment ago; key_ops of another type counts as none.
	_ = json.Unmarshal(raw, &ops)
	if j.Use != "" && j.Use != "sig" || ops.Ops != nil && !slices.Contains(ops.Ops, "verify") && !slices.Contains(ops.Ops, "sign") {
		return key{}, errors.New("a key is not for signatures")
	}
	if j.Algorithm != "" && methods[j.Algorithm] == nil {
		return key{}, fmt.Errorf("a key is for the algorithm %q", j.Algorithm)
	}
	k, err := kindOf(&j, secrets)
	if err != nil {
		return key{}, err
	}
	if j.Algorithm != "" {
		k.algs = slices.DeleteFunc(k.algs, func(a string) bool { return a != j.Algorithm })
	} else if _, ok := k.public.([]byte); ok {
		k.algs = []string{"HS256"}
	}
	if len(k.algs) == 0 {
		return key{}, fmt.Errorf("a key is not of the kind that its algorithm %q needs", j.Algorithm)
	}
	return k, nil
}

// kindOf returns the public half of j with every algorithm of its kind.
func kindOf(j *jose.JSONWebKey, secrets bool) (key, error) {
	if b, ok := j.Key.([]byte); ok {
		if !secrets {
			return key{}, errors.New("a key is a shared secret in a public place")
		}
		if len(b) < minSecret {
			return key{}, fmt.Errorf("a shared secret is shorter than %d bytes", minSecret)
		}
		return key{id: j.KeyID, algs: []string{"HS256", "HS384", "HS512"}, public: b}, nil
	}
	switch p := j.Public().Key.(type) {
	case *rsa.PublicKey:
		if n := p.N.BitLen(); n < minRSA || n > maxRSA {
			return key{}, fmt.Errorf("an RSA key has %d bits; from %d to %d are taken", n, minRSA, maxRSA)
		}
		return key{id: j.KeyID, algs: []string{"RS256", "RS384", "RS512", "PS256", "PS384", "PS512"}, public: p}, nil
	case *ecdsa.PublicKey:
		alg, ok := map[elliptic.Curve]string{elliptic.P256(): "ES256", elliptic.P384(): "ES384", elliptic.P521(): "ES512"}[p.Curve]
		if !ok {
			return key{}, errors.New("a key is on an unknown curve")
		}
		return key{id: j.KeyID, algs: []string{alg}, public: p}, nil
	case ed25519.PublicKey:
		return key{id: j.KeyID, algs: []string{"EdDSA"}, public: p}, nil
	}
	return key{}, errors.New("a key is of an unknown kind")
}
