package gateway

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// document writes v as JSON that PostgreSQL's jsonb takes too: no \u0000.
func document(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return nil, err
	}
	return withoutNUL(bytes.TrimSuffix(b.Bytes(), []byte("\n"))), nil
}

// withoutNUL changes, in place, every \u0000 in a JSON text to \ufffd.
func withoutNUL(doc []byte) []byte {
	nul := []byte(`\u0000`)
	for at := 0; ; {
		i := bytes.Index(doc[at:], nul)
		if i < 0 {
			return doc
		}
		at += i
		slashes := 0
		for at > slashes && doc[at-1-slashes] == '\\' {
			slashes++
		}
		if slashes%2 == 0 { // else the first backslash is an escaped one's
			copy(doc[at:], `\ufffd`)
		}
		at += len(nul)
	}
}

// maxAudit is how deep X-Audit may be nested.
const maxAudit = 32

var (
	errNoObject = errors.New("it is no JSON object")
	errTooDeep  = fmt.Errorf("it is nested more than %d deep", maxAudit)
)

// readAudit reads the object that a caller sent, and makes of it what every
// store takes: halves of surrogate pairs are replaced, and numbers beyond all
// measure become strings.
func readAudit(b []byte) (map[string]json.RawMessage, error) {
	var members map[string]any
	d := json.NewDecoder(bytes.NewReader(b))
	d.UseNumber()
	if err := d.Decode(&members); err != nil || members == nil || d.More() {
		return nil, errNoObject
	}
	out := make(map[string]json.RawMessage, len(members))
	for name, v := range members {
		if isSecret(strings.ToLower(name)) {
			v = redacted
		}
		clean, err := tame(v, 0)
		if err != nil {
			return nil, err
		}
		if out[name], err = json.Marshal(clean); err != nil {
			return nil, errNoObject
		}
	}
	return out, nil
}

func tame(v any, depth int) (any, error) {
	if depth > maxAudit {
		return nil, errTooDeep
	}
	var err error
	switch v := v.(type) {
	case json.Number:
		if _, err := strconv.ParseFloat(string(v), 64); err != nil || len(v) > 100 {
			return string(v), nil
		}
	case []any:
		for i := range v {
			if v[i], err = tame(v[i], depth+1); err != nil {
				return nil, err
			}
		}
	case map[string]any:
		for name := range v {
			if isSecret(strings.ToLower(name)) {
				v[name] = redacted
			}
			if v[name], err = tame(v[name], depth+1); err != nil {
				return nil, err
			}
		}
	}
	return v, nil
}
