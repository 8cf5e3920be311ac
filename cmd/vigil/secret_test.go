package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"vigil/internal/config"
)

// TestSecretIsKept reads a secret that the store has from its first start on, as
// long as nobody else can.
func TestSecretIsKept(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	open := func() (string, error) {
		cfg, err := config.Load(map[string]string{"store": "dir:" + dir}, nil, t.TempDir())
		if err != nil {
			t.Fatal(err)
		}
		_, err = ensureSecret(cfg)
		return strings.Join(cfg.Auth.Secrets, ""), err
	}
	first, err := open()
	if err != nil || len(first) < 32 {
		t.Fatalf("the secret is %q, %v", first, err)
	}
	for mode, fine := range map[os.FileMode]bool{0o600: true, 0o640: true, 0o400: true, 0o644: false, 0o602: false} {
		if err := os.Chmod(filepath.Join(dir, secretFile), mode); err != nil {
			t.Fatal(err)
		}
		secret, err := open()
		if fine && (err != nil || secret != first) {
			t.Errorf("mode %#o: %v", mode, err)
		}
		if !fine && (err == nil || !strings.Contains(err.Error(), "chmod 600")) {
			t.Errorf("mode %#o is taken: %v", mode, err)
		}
	}
}
