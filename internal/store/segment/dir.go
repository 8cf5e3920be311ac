package segment

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"vigil/internal/durable"
	"vigil/internal/store/segfile"
)

// layout knows where things lie in the directory of a store.
type layout string

func (l layout) manifest() string { return filepath.Join(string(l), "manifest") }
func (l layout) lock() string     { return filepath.Join(string(l), "lock") }
func (l layout) journal() string  { return filepath.Join(string(l), "journal") }
func (l layout) segments() string { return filepath.Join(string(l), "segments") }
func (l layout) log() string      { return filepath.Join(string(l), "log") }

// segment returns the path of a file that the manifest names. What is left of
// removed events belongs to the log.
func (l layout) segment(name string) string {
	if strings.HasSuffix(name, leavesSuffix) || strings.HasSuffix(name, leavesSuffix+segfile.TempSuffix) {
		return filepath.Join(l.log(), name)
	}
	return filepath.Join(l.segments(), name)
}

// SocketPath returns where the server that has the store in dir listens.
func SocketPath(dir string) string { return filepath.Join(dir, "socket") }

// make makes the directories of a store that are not there.
func (l layout) make() error {
	for _, dir := range []string{string(l), l.journal(), l.segments(), l.log()} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return err
		}
	}
	return durable.SyncDir(string(l))
}

// clear removes what a first start left that ended before the store was ready.
func (l layout) clear() error {
	for _, dir := range []string{l.journal(), l.segments(), l.log()} {
		if err := os.RemoveAll(dir); err != nil {
			return err
		}
	}
	return nil
}

// lockDir takes the directory for this process, until [unlockDir].
func lockDir(l layout) (*os.File, error) {
	f, err := os.OpenFile(l.lock(), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		f.Close()
		if errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, fmt.Errorf("%w: %s", ErrLocked, l)
		}
		return nil, fmt.Errorf("lock %s: %w", l.lock(), err)
	}
	return f, nil
}

// unlockDir gives the directory back. Closing the file would not do: a child that
// is between fork and exec has it open too, and with it the lock.
func unlockDir(f *os.File) error {
	return errors.Join(syscall.Flock(int(f.Fd()), syscall.LOCK_UN), f.Close())
}

// leftovers returns the files of segments and of removed events that the manifest
// does not name.
func (l layout) leftovers(m *manifest) ([]string, error) {
	named := m.files()
	var out []string
	for _, dir := range []string{l.segments(), l.log()} {
		entries, err := os.ReadDir(dir)
		if err != nil {
			return nil, err
		}
		for _, e := range entries {
			if !named[e.Name()] && l.segment(e.Name()) == filepath.Join(dir, e.Name()) {
				out = append(out, e.Name())
			}
		}
	}
	return out, nil
}

// hasJournal reports whether there is a file with frames.
func (l layout) hasJournal() (bool, error) {
	entries, err := os.ReadDir(l.journal())
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	for _, e := range entries {
		if strings.HasSuffix(e.Name(), ".journal") {
			return true, nil
		}
	}
	return false, err
}

// used reports whether the directory holds anything of a store.
func (l layout) used() bool {
	for _, dir := range []string{l.journal(), l.segments(), l.log()} {
		if entries, err := os.ReadDir(dir); err == nil && len(entries) > 0 {
			return true
		}
	}
	return false
}

// noSpace reports whether err says that the disk is full.
func noSpace(err error) bool {
	return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT)
}

// syncParents makes the names of a directory and of those above it stable: who
// made them need not have. Directories that may not be opened are not ours.
func syncParents(dir string) error {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return err
	}
	for dir != filepath.Dir(dir) {
		dir = filepath.Dir(dir)
		err := durable.SyncDir(dir)
		if errors.Is(err, fs.ErrPermission) || errors.Is(err, syscall.EINVAL) || errors.Is(err, syscall.EROFS) {
			return nil
		}
		if err != nil {
			return err
		}
	}
	return nil
}
