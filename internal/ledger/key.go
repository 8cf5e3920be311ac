package ledger

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"golang.org/x/mod/sumdb/note"

	"vigil/internal/durable"
)

// Signer signs checkpoints with an Ed25519 note key (C2SP signed-note).
type Signer struct {
	signer   note.Signer
	verifier string
}

// NewSigner reads the text of a signer key: PRIVATE+KEY+<name>+<hash>+<base64>.
func NewSigner(skey string) (*Signer, error) {
	skey = strings.TrimSpace(skey)
	s, err := note.NewSigner(skey)
	if err != nil {
		// The cause speaks of a verifier where it means a signer.
		return nil, errors.New("read signing key: want one line PRIVATE+KEY+<name>+<hash>+<base64> with an Ed25519 key")
	}
	// note.NewSigner has checked the shape: PRIVATE, KEY, name, hash, and the
	// algorithm with the seed, whose base64 may have plus signs too.
	seed, err := base64.StdEncoding.DecodeString(strings.SplitN(skey, "+", 5)[4])
	if err != nil || len(seed) != 1+ed25519.SeedSize {
		return nil, errors.New("read signing key: not an Ed25519 key")
	}
	public := ed25519.NewKeyFromSeed(seed[1:]).Public().(ed25519.PublicKey)
	verifier, err := note.NewEd25519VerifierKey(s.Name(), public)
	if err != nil {
		return nil, fmt.Errorf("read signing key: %w", err)
	}
	return &Signer{signer: s, verifier: verifier}, nil
}

// GenerateKey makes a key. name should be the origin of the log; it has no
// white space and no plus sign.
func GenerateKey(name string) (skey string, err error) {
	skey, _, err = note.GenerateKey(rand.Reader, name)
	if err != nil {
		return "", fmt.Errorf("generate signing key: %w", err)
	}
	if _, err := NewSigner(skey); err != nil {
		return "", fmt.Errorf("generate signing key: %q cannot be a key's name: it must not be empty or have spaces or a plus sign", name)
	}
	return skey, nil
}

// LoadOrCreateKey reads the key in a file, or makes one there, mode 0600. A
// file that others may read, or that holds a key of another name, is refused;
// an empty name takes any key, and makes none. The key of a log serves its later
// epochs, whose origins are the log's with /e2 and so on behind it.
func LoadOrCreateKey(path, name string) (*Signer, error) {
	s, err := LoadKey(path)
	if errors.Is(err, fs.ErrNotExist) && name != "" {
		if err := createKey(path, name); err != nil && !errors.Is(err, fs.ErrExist) {
			return nil, err
		}
		s, err = LoadKey(path)
	}
	if err != nil {
		return nil, err
	}
	if name != "" && s.Name() != name && !strings.HasPrefix(name, s.Name()+"/e") {
		return nil, fmt.Errorf("load signing key %s: it is the key of %q, not of %q; name the right file, or one that is not there yet, for a new key, with --signing-key", path, s.Name(), name)
	}
	return s, nil
}

// LoadKey reads the key in a file that nobody but its owner may read.
func LoadKey(path string) (*Signer, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("load signing key: %w", err)
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		return nil, fmt.Errorf("load signing key: %w", err)
	}
	if !st.Mode().IsRegular() || st.Size() > 4096 {
		return nil, fmt.Errorf("load signing key: %s is no key file", path)
	}
	if st.Mode().Perm()&0o077 != 0 {
		return nil, fmt.Errorf("load signing key: others may read or write %s (mode %#o): run chmod 600 on it, and consider a new key", path, st.Mode().Perm())
	}
	b := make([]byte, st.Size())
	if _, err := f.ReadAt(b, 0); err != nil {
		return nil, fmt.Errorf("load signing key: %w", err)
	}
	s, err := NewSigner(string(b))
	if err != nil {
		return nil, fmt.Errorf("load signing key %s: %w", path, err)
	}
	return s, nil
}

// createKey makes a key file. One that has come to be meanwhile is left alone.
func createKey(path, name string) error {
	skey, err := GenerateKey(name)
	if err != nil {
		return err
	}
	if err := durable.CreateFile(path, []byte(skey+"\n")); err != nil {
		return fmt.Errorf("create signing key: %w", err)
	}
	return nil
}

// Name returns the key's name.
func (s *Signer) Name() string { return s.signer.Name() }

// Verifier returns the verifier key, which may be told to anybody.
func (s *Signer) Verifier() string { return s.verifier }

// Sign returns a checkpoint with this key's signature.
func (s *Signer) Sign(origin string, size int64, root Hash) ([]byte, error) {
	return SignCheckpoint(Checkpoint{Origin: origin, Size: size, Root: root}, s)
}
