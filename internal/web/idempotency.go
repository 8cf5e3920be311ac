package web

import "net/http"

// MaxIdempotencyKey is the longest Idempotency-Key, in bytes.
const MaxIdempotencyKey = 255

// IdempotencyKey returns the Idempotency-Key of a request, empty where it has
// none. ok is false where it has several, or one that is empty or too long.
func IdempotencyKey(h http.Header) (key string, ok bool) {
	v := h["Idempotency-Key"]
	switch {
	case len(v) == 0:
		return "", true
	case len(v) > 1 || v[0] == "" || len(v[0]) > MaxIdempotencyKey:
		return "", false
	}
	return v[0], true
}
