package journal

import (
	"errors"
	"fmt"
	"syscall"
)

var (
	// ErrClosed is returned by every call after [Journal.Close].
	ErrClosed = errors.New("journal is closed")
	// ErrTooLarge is returned for a frame of more than [MaxFrame] bytes.
	ErrTooLarge = fmt.Errorf("frame is larger than %d bytes", MaxFrame)

	errNotReplayed = errors.New("journal must be replayed before it is used")
	errReplayed    = errors.New("journal has been replayed already")
)

// A CorruptError says where a journal is damaged. What stands there had been
// stable, so going on would lose acknowledged frames.
type CorruptError struct {
	File   string // name in the journal's directory
	Offset int64  // of the first byte of the frame or header that does not verify
	Reason string
}

func (e *CorruptError) Error() string {
	return fmt.Sprintf("journal file %s is damaged at byte %d: %s; restore it from a copy, or move the journal aside to go on without the frames from there on",
		e.File, e.Offset, e.Reason)
}

func isCorrupt(err error) bool {
	_, ok := errors.AsType[*CorruptError](err)
	return ok
}

// fullError is a write that found no space. The journal goes on.
type fullError struct{ err error }

func (e *fullError) Error() string { return "no space for the journal: " + e.err.Error() }
func (e *fullError) Unwrap() error { return e.err }

// IsFull reports whether err says that there was no space for a frame. Nothing
// of that frame counts, and the journal works again as soon as there is space.
func IsFull(err error) bool {
	var full *fullError
	return errors.As(err, &full)
}

func noSpace(err error) bool {
	return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT)
}
