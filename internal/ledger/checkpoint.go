package ledger

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
)

// Checkpoint is what a log signs: that it has Size leaves, with this root
// (C2SP tlog-checkpoint).
type Checkpoint struct {
	Origin string
	Size   int64
	Root   Hash
	// Signers are the verifier keys that signed it, of those that were asked for.
	Signers []string
}

// maxCheckpoint is longer than a checkpoint with a hundred signatures.
const maxCheckpoint = 1 << 16

// text returns the signed part.
func (c Checkpoint) text() string {
	return c.Origin + "\n" + strconv.FormatInt(c.Size, 10) + "\n" + c.Root.String() + "\n"
}

// SignCheckpoint returns a checkpoint as a signed note with a line for each signer.
func SignCheckpoint(c Checkpoint, signers ...*Signer) ([]byte, error) {
	if len(signers) == 0 {
		return nil, errors.New("sign checkpoint: no key")
	}
	if c.Origin == "" || strings.ContainsAny(c.Origin, "\n\r") || c.Size < 0 {
		return nil, errors.New("sign checkpoint: the origin is empty or has several lines, or the size is negative")
	}
	list := make([]note.Signer, len(signers))
	for i, s := range signers {
		list[i] = s.signer
	}
	b, err := note.Sign(&note.Note{Text: c.text()}, list...)
	if err != nil {
		return nil, fmt.Errorf("sign checkpoint: %w", err)
	}
	return b, nil
}

// OpenCheckpoint reads a checkpoint that at least one of the verifier keys has
// signed. A wrong signature by any of them is an error; signatures by unknown
// keys are passed over, as C2SP wants it.
func OpenCheckpoint(b []byte, verifiers ...string) (Checkpoint, error) {
	if len(b) > maxCheckpoint {
		return Checkpoint{}, errors.New("open checkpoint: too long")
	}
	list := make([]note.Verifier, len(verifiers))
	for i, v := range verifiers {
		var err error
		if list[i], err = note.NewVerifier(strings.TrimSpace(v)); err != nil {
			return Checkpoint{}, fmt.Errorf("open checkpoint: read verifier key: %w", err)
		}
	}
	n, err := note.Open(b, note.VerifierList(list...))
	if unverified, ok := errors.AsType[*note.UnverifiedNoteError](err); ok && unverified.Note != nil {
		return Checkpoint{}, errors.New("open checkpoint: no signature by a known key")
	}
	if err != nil {
		return Checkpoint{}, fmt.Errorf("open checkpoint: %w", err)
	}
	c, err := parseText(n.Text)
	if err != nil {
		return Checkpoint{}, err
	}
	for _, s := range n.Sigs {
		for i, v := range list {
			if v.Name() == s.Name && v.KeyHash() == s.Hash {
				c.Signers = append(c.Signers, strings.TrimSpace(verifiers[i]))
			}
		}
	}
	return c, nil
}

// ReadCheckpoint reads a checkpoint without looking at its signatures, which
// proves nothing.
func ReadCheckpoint(b []byte) (Checkpoint, error) {
	if len(b) > maxCheckpoint {
		return Checkpoint{}, errors.New("read checkpoint: too long")
	}
	at := bytes.LastIndex(b, []byte("\n\n"))
	if at < 0 {
		return Checkpoint{}, errors.New("read checkpoint: not a signed note")
	}
	_, err := note.Open(b, note.VerifierList())
	if _, ok := errors.AsType[*note.UnverifiedNoteError](err); err != nil && !ok {
		return Checkpoint{}, fmt.Errorf("read checkpoint: %w", err)
	}
	return parseText(string(b[:at+1]))
}

// parseText reads the signed part. Extension lines are let through.
func parseText(text string) (Checkpoint, error) {
	var c Checkpoint
	lines := strings.Split(text, "\n")
	if len(lines) < 4 || lines[len(lines)-1] != "" {
		return c, errors.New("read checkpoint: want an origin, a size and a root, each in a line")
	}
	for _, line := range lines[:len(lines)-1] {
		if line == "" {
			return c, errors.New("read checkpoint: empty line")
		}
	}
	size, err := strconv.ParseInt(lines[1], 10, 64)
	if err != nil || size < 0 || strconv.FormatInt(size, 10) != lines[1] {
		return c, errors.New("read checkpoint: bad size")
	}
	root, err := ParseHash(lines[2])
	if err != nil {
		return c, fmt.Errorf("read checkpoint: %w", err)
	}
	return Checkpoint{Origin: lines[0], Size: size, Root: root}, nil
}

// SetCheckpoint makes b the log's latest checkpoint. One that cannot be read,
// is of another origin, or is larger than the published log is refused.
func (l *Log) SetCheckpoint(b []byte) error {
	c, err := ReadCheckpoint(b)
	if err != nil {
		return fmt.Errorf("set checkpoint: %w", err)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if c.Size > l.published {
		return fmt.Errorf("set checkpoint of size %d: %w", c.Size, ErrRange)
	}
	if c.Origin != l.origin {
		return fmt.Errorf("set checkpoint: it is of %q, but this log is %q", c.Origin, l.origin)
	}
	l.checkpoint, l.signed = bytes.Clone(b), c
	close(l.changed)
	l.changed = make(chan struct{})
	return nil
}

// Checkpoint returns the latest checkpoint, nil before the first. The caller
// does not change it.
func (l *Log) Checkpoint() []byte {
	b, _, _ := l.latest()
	return b
}

// Signed returns what the latest checkpoint says; false before the first.
func (l *Log) Signed() (Checkpoint, bool) {
	b, c, _ := l.latest()
	return c, b != nil
}

func (l *Log) latest() ([]byte, Checkpoint, <-chan struct{}) {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return l.checkpoint, l.signed, l.changed
}

// WaitCheckpoint returns when the latest checkpoint covers size leaves, or when
// ctx ends, with its cause.
func (l *Log) WaitCheckpoint(ctx context.Context, size int64) error {
	for {
		b, c, changed := l.latest()
		if b != nil && c.Size >= size {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}
