package jsonb_test

import (
	"encoding/json"
	"testing"
	"unicode"

	"vigil/internal/jsonb"
)

// TestHidden compares with Unicode's own properties.
func TestHidden(t *testing.T) {
	for r := range unicode.MaxRune + 1 {
		want := unicode.In(r, unicode.Cc, unicode.Zl, unicode.Zp, unicode.Bidi_Control) || r == '\ufeff'
		if got := jsonb.Hidden(r); got != want {
			t.Errorf("%U: hidden is %t", r, got)
		}
		if !want {
			continue
		}
		var back string
		text := jsonb.AppendEscape([]byte{'"'}, r)
		if err := json.Unmarshal(append(text, '"'), &back); err != nil || back != string(r) {
			t.Errorf("%U became %s (%v)", r, text, err)
		}
	}
}
