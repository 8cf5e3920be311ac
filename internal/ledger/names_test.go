package ledger

import (
	"slices"
	"testing"
)

func TestNames(t *testing.T) {
	a, b := newSigner(t, "log.example/a"), newSigner(t, "log.example/b")
	signed, err := SignCheckpoint(Checkpoint{Origin: "log.example/a", Size: 1}, a, b)
	if err != nil {
		t.Fatal(err)
	}
	if got := ClaimedSigners(signed); !slices.Equal(got, []string{"log.example/a", "log.example/b"}) {
		t.Errorf("signed by %q", got)
	}
	if got := ClaimedSigners([]byte("log.example/a\n1\n")); got != nil {
		t.Errorf("what is not signed is signed by %q", got)
	}
	if name, err := KeyName(" " + a.Verifier() + "\n"); err != nil || name != "log.example/a" {
		t.Errorf("%q, %v", name, err)
	}
	for _, key := range []string{"", "foo", "foo+00000000+AAAA"} {
		if name, err := KeyName(key); err == nil {
			t.Errorf("%q is a key of %q", key, name)
		}
	}
}
