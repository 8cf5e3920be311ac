package aidbox_test

import (
	"testing"

	"vigil/internal/format/aidbox"
)

func TestIsLine(t *testing.T) {
	for doc, want := range map[string]bool{
		`{"ev":"w/req","ts":"2024-01-31T13:35:43.123Z","ctx":"c"}`:  true,
		`{"ev":"w/req","ctx":"c"}`:                                  true,
		`{"op":"search","ts":"2024-01-31T13:35:43.123Z","ctx":"c"}`: true,
		`{"op":"search","ts":"2024-01-31T13:35:43.123Z"}`:           false,
		`{"ev":1,"ts":"2024-01-31T13:35:43.123Z"}`:                  false,
		`{"ev":"w/req"}`: false,
		`{"asctime":"2024-01-31 13:35:43,123","message":"ev"}`: false,
		`["ev","ts"]`: false, `null`: false, ``: false,
	} {
		if got := aidbox.IsLine([]byte(doc)); got != want {
			t.Errorf("%s: %v", doc, got)
		}
	}
}
