package store

import (
	"encoding/json"
	"fmt"
	"strings"

	"vigil"
	"vigil/internal/jsonb"
)

// AppendSender appends the JSON text of s that leaves commit to and stores
// keep; nothing for nil. Equal senders have equal texts, also after
// [ParseSender]: bytes that are not UTF-8, and NUL, become U+FFFD.
func AppendSender(dst []byte, s *vigil.Sender) []byte {
	if s == nil {
		return dst
	}
	dst = append(dst, '{')
	for _, f := range [...]struct{ name, value string }{
		{`"sub":`, s.Subject},
		{`"iss":`, s.Issuer},
		{`"client":`, s.Client},
		{`"kid":`, s.KeyID},
		{`"role":`, s.Role},
		{`"listener":`, s.Listener},
		{`"peer":`, s.Peer},
	} {
		if f.value != "" {
			dst = append(dst, f.name...)
			dst = append(appendText(dst, f.value), ',')
		}
	}
	dst = append(dst, `"authenticated":`...)
	if s.Authenticated {
		return append(dst, "true}"...)
	}
	return append(dst, "false}"...)
}

// appendText appends s as a JSON string that jsonb can hold.
func appendText(dst []byte, s string) []byte {
	s = strings.ToValidUTF8(s, "\uFFFD")
	if strings.IndexByte(s, 0) >= 0 {
		s = strings.ReplaceAll(s, "\x00", "\uFFFD")
	}
	return jsonb.AppendString(dst, s)
}

// ParseSender reads what [AppendSender] wrote; an empty text is nil.
func ParseSender(text []byte) (*vigil.Sender, error) {
	if len(text) == 0 {
		return nil, nil
	}
	s := new(vigil.Sender)
	if err := json.Unmarshal(text, s); err != nil {
		return nil, fmt.Errorf("read sender: %w", err)
	}
	return s, nil
}
