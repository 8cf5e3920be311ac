package journal

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// Sync is fdatasync(2): it leaves out the times, which nobody needs, and with
// them a write to the file system's own journal.
func (f *osFile) Sync() error {
	for {
		err := unix.Fdatasync(int(f.Fd()))
		if errors.Is(err, unix.EINTR) {
			continue // a signal came before anything was tried
		}
		return os.NewSyscallError("fdatasync", err)
	}
}

// Allocate reserves blocks, so that a full disk shows itself here and not when
// the pages are written back.
func (f *osFile) Allocate(off, n int64) error {
	for {
		err := unix.Fallocate(int(f.Fd()), 0, off, n)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if noSpace(err) {
			return os.NewSyscallError("fallocate", err)
		}
		return nil // other errors: this file system cannot; the zeros will tell
	}
}
