package auth

import (
	"context"
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"vigil"
)

// Client is somebody who comes with a name and a secret (RFC 7617).
type Client struct {
	ID   string
	Hash string // of the secret, from [HashSecret]
	Role string
}

// How secrets are hashed.
const (
	hashName       = "pbkdf2-sha256"
	hashIterations = 600_000
	maxIterations  = 10_000_000
	deriveWait     = 2 * time.Second
)

// client is a Client, read.
type client struct {
	principal  *Principal
	iterations int
	salt, hash []byte
}

// HashSecret returns what is kept of a client's secret: PBKDF2 with SHA-256 and a
// salt of its own, as pbkdf2-sha256$iterations$salt$hash.
func HashSecret(secret string) (string, error) {
	salt := make([]byte, 16)
	rand.Read(salt) // never fails
	hash, err := pbkdf2.Key(sha256.New, secret, salt, hashIterations, sha256.Size)
	if err != nil {
		return "", fmt.Errorf("hash secret: %w", err)
	}
	enc := base64.RawStdEncoding.EncodeToString
	return strings.Join([]string{hashName, strconv.Itoa(hashIterations), enc(salt), enc(hash)}, "$"), nil
}

// readClients checks the configured clients.
func readClients(list []Client, g *Grants) (map[string]*client, error) {
	clients := make(map[string]*client)
	for _, c := range list {
		read, err := readHash(c.Hash)
		if err != nil {
			return nil, fmt.Errorf("client %q: %w", c.ID, err)
		}
		if c.ID == "" || strings.Contains(c.ID, ":") || clients[c.ID] != nil {
			return nil, fmt.Errorf("client %q: want a name of its own, without colon", c.ID)
		}
		if !g.Known(c.Role) {
			return nil, fmt.Errorf("client %q: there is no role %q", c.ID, c.Role)
		}
		read.principal = &Principal{Client: c.ID, Role: c.Role, Roles: []string{c.Role}, Authenticated: true}
		clients[c.ID] = read
	}
	return clients, nil
}

// readHash reads what [HashSecret] wrote.
func readHash(s string) (*client, error) {
	bad := errors.New("the hash of the secret cannot be read; want pbkdf2-sha256$iterations$salt$hash")
	parts := strings.Split(s, "$")
	if len(parts) != 4 || parts[0] != hashName {
		return nil, bad
	}
	var c client
	var err [3]error
	c.iterations, err[0] = strconv.Atoi(parts[1])
	c.salt, err[1] = base64.RawStdEncoding.DecodeString(parts[2])
	c.hash, err[2] = base64.RawStdEncoding.DecodeString(parts[3])
	if errors.Join(err[:]...) != nil || c.iterations < 1000 || c.iterations > maxIterations || len(c.salt) < 8 || len(c.hash) != sha256.Size {
		return nil, bad
	}
	return &c, nil
}

// password returns who sent Basic credentials. An unknown name costs as much as
// a wrong secret; only one derivation runs at a time, and who waits too long for
// theirs is told to come again.
func (a *Authenticator) password(ctx context.Context, s string) (*Principal, error) {
	refused := func() error {
		e := refuse(codeToken, "Client name or secret is wrong")
		e.Err = errBasic
		return e
	}
	if len(s) > 4096 {
		return nil, refused()
	}
	raw, err := base64.StdEncoding.DecodeString(s)
	id, secret, ok := strings.Cut(string(raw), ":")
	if err != nil || !ok {
		return nil, refused()
	}
	sum := digest(s)
	if c, ok := a.passwords.get(&sum); ok {
		return c.principal, nil
	}
	wait := time.NewTimer(deriveWait)
	defer wait.Stop()
	select {
	case a.derive <- struct{}{}:
		defer func() { <-a.derive }()
	case <-wait.C:
		return nil, &vigil.Error{Kind: vigil.TooMany, Message: "Too many secrets are being checked", RetryAfter: time.Second}
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	c, known := a.basic[id]
	if !known {
		c = &client{iterations: hashIterations, salt: make([]byte, 16), hash: make([]byte, sha256.Size)}
	}
	got, err := pbkdf2.Key(sha256.New, secret, c.salt, c.iterations, sha256.Size)
	if err != nil {
		return nil, fmt.Errorf("hash secret: %w", err)
	}
	if subtle.ConstantTimeCompare(got, c.hash) != 1 || !known {
		return nil, refused()
	}
	// The clients do not change while the server runs, so neither does this.
	a.passwords.put(&sum, cached{principal: c.principal})
	return c.principal, nil
}
