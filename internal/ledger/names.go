package ledger

import (
	"errors"
	"fmt"
	"strings"

	"golang.org/x/mod/sumdb/note"
)

// KeyName returns the name of a verifier key: that of the log it is for. The
// error says that it is no verifier key.
func KeyName(verifier string) (string, error) {
	v, err := note.NewVerifier(strings.TrimSpace(verifier))
	if err != nil {
		return "", fmt.Errorf("read verifier key: %w", err)
	}
	return v.Name(), nil
}

// ClaimedSigners returns the names of who claims to have signed a checkpoint,
// which proves nothing. What is no signed note has none.
func ClaimedSigners(checkpoint []byte) []string {
	_, err := note.Open(checkpoint, note.VerifierList())
	e, ok := errors.AsType[*note.UnverifiedNoteError](err)
	if !ok || e.Note == nil {
		return nil
	}
	var names []string
	for _, s := range e.Note.UnverifiedSigs {
		names = append(names, s.Name)
	}
	return names
}
