package auth

import (
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/golang-jwt/jwt/v5"
)

func BenchmarkCached(b *testing.B) {
	token, err := Mint(secret, "event_logger", time.Time{}, nil)
	if err != nil {
		b.Fatal(err)
	}
	a := mustNew(b, Config{Secrets: []string{secret}})
	r := request("Bearer " + token)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := a.Authenticate(r); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkHS256(b *testing.B) {
	a := mustNew(b, Config{Secrets: []string{secret}})
	token := raw(b, `{"alg":"HS256","typ":"JWT"}`, `{"role":"event_logger","sub":"app","iat":1700000000,"exp":4000000000,"aud":"x"}`, secret)
	b.ReportAllocs()
	for b.Loop() {
		if _, _, err := a.verify(b.Context(), token, 1_800_000_000); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkRS256(b *testing.B) {
	k := rsaKey(b)
	a := mustNew(b, Config{Secrets: []string{string(jwkSet(b, jose.JSONWebKey{Key: &k.PublicKey, KeyID: "1"}))}})
	token := sign(b, jwt.SigningMethodRS256, k, map[string]any{"kid": "1"}, admin())
	for b.Loop() {
		if _, _, err := a.verify(b.Context(), token, 1_800_000_000); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkRefused is a flood of forged tokens.
func BenchmarkRefused(b *testing.B) {
	a := mustNew(b, Config{Secrets: []string{secret}})
	for i := 0; b.Loop(); i++ {
		token := raw(b, `{"alg":"HS256"}`, `{"n":`+strconv.Itoa(i)+`}`, other)
		if got := bearer(a, token); !strings.HasPrefix(got, "PGRST301") {
			b.Fatal(got)
		}
	}
}
