package main

import (
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"vigil/internal/config"
	"vigil/internal/durable"
)

// secretFile is what stateDir has the secret in that was made for the store.
const secretFile = "jwt-secret"

// configuredKeys reports whether the configuration says itself how tokens are verified.
func configuredKeys(cfg *config.Config) bool {
	a := cfg.Auth
	return len(a.Secrets) > 0 && a.Secrets[0] != "" || a.Keys != "" || len(a.JWKS) > 0 || len(a.Issuers) > 0
}

// signingSecret returns the secret to sign tokens with, and where it is from.
func signingSecret(cfg *config.Config) (secret, from string, err error) {
	if len(cfg.Auth.Secrets) > 0 && cfg.Auth.Secrets[0] != "" {
		secret, from = cfg.Auth.Secrets[0], "the configuration (jwt.secret)"
		if cfg.Auth.SecretBase64 {
			b, err := decodeSecret(secret)
			if err != nil {
				return "", "", err
			}
			secret = b
		}
		return secret, from, nil
	}
	if configuredKeys(cfg) {
		return "", "", errors.New("no token can be made here: tokens are verified with public keys; ask the issuer for one")
	}
	dir := stateDir(cfg)
	if dir == "" {
		return "", "", errors.New("a store in memory has no lasting secret: set PGRST_JWT_SECRET (32 characters or more) for the server and for this command")
	}
	from = filepath.Join(dir, secretFile)
	b, err := os.ReadFile(from)
	if errors.Is(err, fs.ErrNotExist) {
		return "", "", fmt.Errorf("there is no secret in %s: start vigil serve, which makes one, or say where the server has its own: --store, of a database --state-dir, too, or PGRST_JWT_SECRET", from)
	}
	if err != nil {
		return "", "", err
	}
	return strings.TrimSpace(string(b)), from, nil
}

// decodeSecret undoes base64, with or without padding, in either alphabet.
func decodeSecret(s string) (string, error) {
	s = strings.TrimRight(strings.NewReplacer("-", "+", "_", "/", ".", "=").Replace(strings.TrimSpace(s)), "=")
	b, err := base64.RawStdEncoding.DecodeString(s)
	if err != nil {
		return "", fmt.Errorf("jwt.secret is not base64, as jwt.secret-base64 says: %w", err)
	}
	return string(b), nil
}

// ensureSecret makes sure that tokens can be verified: where the configuration
// has no key, it makes a secret beside the store, once, and adds it to cfg. It
// returns where the secret lies.
func ensureSecret(cfg *config.Config) (from string, err error) {
	if configuredKeys(cfg) {
		return "in the configuration", nil
	}
	dir := stateDir(cfg)
	if dir == "" {
		cfg.Auth.Secrets = []string{rand.Text() + rand.Text()}
		return "made for this run only", nil
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", fmt.Errorf("make the directory of the secret: %w", err)
	}
	if err := makeSecret(dir); err != nil {
		return "", fmt.Errorf("make the secret: %w", err)
	}
	if err := keptSecret(filepath.Join(dir, secretFile)); err != nil {
		return "", err
	}
	secret, from, err := signingSecret(cfg)
	if err != nil {
		return "", err
	}
	cfg.Auth.Secrets = []string{secret}
	return absolute(from), nil
}

// makeSecret makes the file with a new secret, unless it is there.
func makeSecret(dir string) error {
	path := filepath.Join(dir, secretFile)
	if _, err := os.Stat(path); err == nil {
		return nil
	}
	err := durable.CreateFile(path, []byte(rand.Text()+rand.Text()+"\n"))
	if errors.Is(err, fs.ErrExist) {
		return nil
	}
	return err
}

// keptSecret fails where every user of the machine can read or replace the
// secret: whoever has it is an administrator.
func keptSecret(path string) error {
	st, err := os.Stat(path)
	if err != nil {
		return err
	}
	if st.Mode().Perm()&0o007 != 0 {
		return fmt.Errorf("others may read or write %s (mode %#o), and whoever has it can make tokens of any role: run chmod 600 on it, or remove it, so that a new one is made", path, st.Mode().Perm())
	}
	return nil
}
