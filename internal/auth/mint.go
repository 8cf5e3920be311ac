package auth

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf16"

	"github.com/golang-jwt/jwt/v5"
)

// Mint returns a token for a role, signed with the literal secret by HS256: byte
// for byte what PyJWT makes of {"role": role}, which is what logserver's
// generate_JWT.py prints. A zero expires is a token without end; extra claims
// follow in the order of their names.
func Mint(secret, role string, expires time.Time, extra map[string]any) (string, error) {
	if len(secret) < minSecret {
		return "", fmt.Errorf("the JWT secret must be at least %d characters long, this one has %d", minSecret, len(secret))
	}
	name, err := pythonJSON(role)
	if err != nil {
		return "", fmt.Errorf("mint token: %w", err)
	}
	payload := append([]byte(`{"role":`), name...)
	if !expires.IsZero() {
		payload = strconv.AppendInt(append(payload, `,"exp":`...), expires.Unix(), 10)
	}
	for _, k := range slices.Sorted(maps.Keys(extra)) {
		if k == "role" || k == "exp" && !expires.IsZero() {
			return "", fmt.Errorf("mint token: the claim %q is given twice", k)
		}
		key, err := pythonJSON(k)
		if err != nil {
			return "", fmt.Errorf("mint token: %w", err)
		}
		value, err := pythonJSON(extra[k])
		if err != nil {
			return "", fmt.Errorf("mint token: claim %q: %w", k, err)
		}
		payload = append(append(append(append(payload, ','), key...), ':'), value...)
	}
	enc := base64.RawURLEncoding.EncodeToString
	signed := enc([]byte(`{"alg":"HS256","typ":"JWT"}`)) + "." + enc(append(payload, '}'))
	signature, err := jwt.SigningMethodHS256.Sign(signed, []byte(secret))
	if err != nil {
		return "", fmt.Errorf("mint token: %w", err)
	}
	return signed + "." + enc(signature), nil
}

// pythonJSON writes v as Python's json.dumps does with separators (",", ":"): in ASCII.
func pythonJSON(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return nil, err
	}
	text := strings.TrimSuffix(b.String(), "\n")
	out := make([]byte, 0, len(text))
	for _, r := range text {
		switch {
		case r < 0x7f:
			out = append(out, byte(r))
		case r > 0xffff:
			hi, lo := utf16.EncodeRune(r)
			out = fmt.Appendf(out, `\u%04x\u%04x`, hi, lo)
		default:
			out = fmt.Appendf(out, `\u%04x`, r)
		}
	}
	return out, nil
}
