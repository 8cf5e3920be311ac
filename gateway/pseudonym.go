package gateway

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
)

// Pseudonyms stand for values that must not be recorded but must be found again
// by who has the key: HMAC-SHA-256 of the value. Equal values have equal
// pseudonyms; to test a guess takes the key. It is safe for concurrent use.
type Pseudonyms struct {
	key    []byte
	prefix string
}

// minKey is the least length of a key, in bytes.
const minKey = 16

// NewPseudonyms returns the pseudonyms of a key of at least 16 random bytes.
func NewPseudonyms(key []byte) (*Pseudonyms, error) {
	if len(key) < minKey {
		return nil, errors.New("the key of pseudonyms must have at least 16 bytes: take 32 random ones")
	}
	id := sha256.Sum256(append([]byte("vigil pseudonym key\x00"), key...))
	return &Pseudonyms{key: key, prefix: "hmac:" + hex.EncodeToString(id[:4]) + ":"}, nil
}

// Of returns the pseudonym of a value: hmac:, eight digits that tell one key
// from another, a colon, and the code in base64url.
func (p *Pseudonyms) Of(value string) string {
	mac := hmac.New(sha256.New, p.key)
	mac.Write([]byte(value))
	return p.prefix + base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}
