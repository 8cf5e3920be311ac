package web

import (
	"net/http"
	"strings"
	"testing"
)

func TestIdempotencyKey(t *testing.T) {
	longest := strings.Repeat("k", 255)
	for name, tt := range map[string]struct {
		given []string
		key   string
		ok    bool
	}{
		"none":     {nil, "", true},
		"one":      {[]string{"a b"}, "a b", true},
		"longest":  {[]string{longest}, longest, true},
		"too long": {[]string{longest + "k"}, "", false},
		"empty":    {[]string{""}, "", false},
		"two":      {[]string{"a", "a"}, "", false},
	} {
		if key, ok := IdempotencyKey(http.Header{"Idempotency-Key": tt.given}); key != tt.key || ok != tt.ok {
			t.Errorf("%s: %q, %t", name, key, ok)
		}
	}
}
