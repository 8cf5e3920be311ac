package auth

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"strconv"
	"strings"
	"unicode/utf8"

	"vigil"
)

// maxToken is the longest token that is looked at, in bytes.
const maxToken = 16 << 10

// maxDepth is the deepest nesting of a header or of claims.
const maxDepth = 32

// token is a JWT in compact form (RFC 7515, section 7.1), read but not believed.
type token struct {
	alg, kid  string
	signed    string // header and payload, as they are signed
	signature []byte
	claims    map[string]any
	claimsErr error // why there are no claims; told once the signature is right
}

// strict takes base64url without padding and without stray bits.
var strict = base64.RawURLEncoding.Strict()

// decodePart decodes one part of a token. The line breaks that encoding/base64
// passes over are refused: one token has one spelling.
func decodePart(s string) ([]byte, error) {
	if strings.ContainsAny(s, "\r\n") {
		return nil, badCrypto()
	}
	b, err := strict.DecodeString(s)
	if err != nil {
		return nil, badCrypto()
	}
	return b, nil
}

// parseToken reads a token. Its errors are refusals.
func parseToken(s string) (*token, error) {
	if s == "" {
		return nil, refuse(codeToken, "Empty JWT is sent in Authorization header")
	}
	if len(s) > maxToken {
		return nil, undecodable("The token is longer than " + strconv.Itoa(maxToken) + " bytes")
	}
	if n := strings.Count(s, ".") + 1; n != 3 {
		return nil, refuse(codeToken, "Expected 3 parts in JWT; got "+strconv.Itoa(n))
	}
	first, last := strings.IndexByte(s, '.'), strings.LastIndexByte(s, '.')
	t := &token{signed: s[:last]}
	header, err := decodePart(s[:first])
	if err != nil {
		return nil, err
	}
	if err := t.readHeader(header); err != nil {
		return nil, err
	}
	payload, err := decodePart(s[first+1 : last])
	if err != nil {
		return nil, err
	}
	if t.signature, err = decodePart(s[last+1:]); err != nil {
		return nil, err
	}
	t.claims, t.claimsErr = decodeObject(payload)
	return t, nil
}

// badCrypto is what PostgREST says where a part is not base64.
func badCrypto() *vigil.Error { return refuse(codeToken, "JWT cryptographic operation failed") }

// readHeader takes the two parameters that count and refuses what would change
// the meaning of the rest. Others, jku and x5u above all, are not read.
func (t *token) readHeader(b []byte) error {
	h, err := decodeObject(b)
	if err != nil {
		return undecodable("The header is not a JSON object with distinct keys")
	}
	if _, ok := h["crit"]; ok { // RFC 7515, section 4.1.11: no extension is understood here
		return undecodable("The header has critical extensions")
	}
	if _, ok := h["b64"]; ok { // RFC 7797 wants it to be critical
		return undecodable("The header has critical extensions")
	}
	if _, ok := h["enc"]; ok {
		return refuse(codeToken, "Unsupported token type")
	}
	if typ, ok := h["typ"]; ok {
		switch s, _ := typ.(string); strings.ToLower(strings.TrimPrefix(s, "application/")) {
		case "jwt", "at+jwt":
		default: // a token made for another purpose (RFC 8725, section 3.11)
			return refuse(codeToken, "Unsupported token type")
		}
	}
	var ok bool
	if t.alg, ok = h["alg"].(string); !ok {
		return badAlgorithm("The header names no algorithm")
	}
	if strings.EqualFold(t.alg, "none") {
		return badAlgorithm("JWT is unsecured but expected 'alg' was not 'none'")
	}
	if methods[t.alg] == nil {
		return badAlgorithm("The algorithm is not known")
	}
	if kid, given := h["kid"]; given {
		if t.kid, ok = kid.(string); !ok || len(t.kid) > 1024 {
			return undecodable("The header's kid is not a short string")
		}
	}
	return nil
}

// errObject is text that is not one JSON object with distinct keys.
var errObject = errors.New("not a JSON object with distinct keys")

// decodeObject reads one JSON object. Keys must be distinct at every level:
// which of two counts is where parsers, and so checks, differ.
func decodeObject(b []byte) (map[string]any, error) {
	if !utf8.Valid(b) {
		return nil, errObject
	}
	d := json.NewDecoder(bytes.NewReader(b))
	d.UseNumber()
	v, err := decodeValue(d, 0)
	if err != nil {
		return nil, err
	}
	if _, err := d.Token(); err != io.EOF {
		return nil, errObject
	}
	m, ok := v.(map[string]any)
	if !ok {
		return nil, errObject
	}
	return m, nil
}

// decodeValue reads the next value.
func decodeValue(d *json.Decoder, depth int) (any, error) {
	t, err := d.Token()
	if err != nil || depth > maxDepth {
		return nil, errObject
	}
	switch t {
	case json.Delim('{'):
		m := make(map[string]any)
		for d.More() {
			k, err := d.Token()
			if err != nil {
				return nil, errObject
			}
			key, ok := k.(string)
			if _, twice := m[key]; twice || !ok {
				return nil, errObject
			}
			if m[key], err = decodeValue(d, depth+1); err != nil {
				return nil, err
			}
		}
		_, err = d.Token()
		return m, err
	case json.Delim('['):
		a := []any{}
		for d.More() {
			v, err := decodeValue(d, depth+1)
			if err != nil {
				return nil, err
			}
			a = append(a, v)
		}
		_, err = d.Token()
		return a, err
	}
	return t, nil
}
