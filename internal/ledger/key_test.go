package ledger

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/mod/sumdb/note"
)

func newSigner(t testing.TB, name string) *Signer {
	t.Helper()
	skey, err := GenerateKey(name)
	if err != nil {
		t.Fatal(err)
	}
	s, err := NewSigner(skey)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestKeyFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "signing.key")
	if _, err := LoadOrCreateKey(path, ""); err == nil {
		t.Fatal("made a key without a name")
	}
	a, err := LoadOrCreateKey(path, "log.example/a")
	if err != nil {
		t.Fatal(err)
	}
	if st, err := os.Stat(path); err != nil || st.Mode().Perm() != 0o600 {
		t.Errorf("mode is %v, %v", st.Mode(), err)
	}
	b, err := LoadOrCreateKey(path, "log.example/a")
	if err != nil || a.Verifier() != b.Verifier() {
		t.Fatalf("another key at the second time: %v", err)
	}
	if _, err := LoadOrCreateKey(path, ""); err != nil {
		t.Error("any name:", err)
	}
	if _, err := LoadOrCreateKey(path, "log.example/b"); err == nil || !strings.Contains(err.Error(), "log.example/a") {
		t.Errorf("a key of another name: %v", err)
	}
	if _, err := LoadOrCreateKey(path, "log.example/a/e2"); err != nil {
		t.Error("the next epoch:", err)
	}
	for _, mode := range []os.FileMode{0o640, 0o604, 0o620} {
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		if _, err := LoadKey(path); err == nil || !strings.Contains(err.Error(), "chmod 600") {
			t.Errorf("mode %o: %v", mode, err)
		}
	}
	entries, err := os.ReadDir(filepath.Dir(path))
	if err != nil || len(entries) != 1 {
		t.Errorf("files beside the key: %v, %v", entries, err)
	}
}

func TestKeyRefuses(t *testing.T) {
	skey, err := GenerateKey("log.example/a")
	if err != nil {
		t.Fatal(err)
	}
	for _, bad := range []string{"", "PRIVATE+KEY+", skey[:len(skey)-4], strings.Replace(skey, "example", "other", 1), skey + "A"} {
		_, err := NewSigner(bad)
		if err == nil {
			t.Errorf("%d bytes are taken", len(bad))
		} else if strings.Contains(err.Error(), skey[len(skey)-20:]) {
			t.Error("the error quotes the key")
		}
	}
	for _, name := range []string{"", "a b", "a+b", "a\nb"} {
		if _, err := GenerateKey(name); err == nil {
			t.Errorf("made a key of name %q", name)
		}
	}
}

// TestVerifierKey has x/mod check what we sign, for enough keys that their
// base64 has plus signs.
func TestVerifierKey(t *testing.T) {
	for range 50 {
		s := newSigner(t, "log.example/a")
		v, err := note.NewVerifier(s.Verifier())
		if err != nil {
			t.Fatal(err)
		}
		b, err := s.Sign("log.example/a", 1, Hash{1})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := note.Open(b, note.VerifierList(v)); err != nil {
			t.Fatal(err)
		}
	}
}
