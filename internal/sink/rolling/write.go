package rolling

import (
	"bytes"
	"errors"
	"syscall"
	"time"
)

// lockWait is how long a shared file may be locked by others, as in Serilog.
const lockWait = 10 * time.Second

// writeAlone writes text at the end of a file that no other process writes to.
func (f *File) writeAlone(text []byte) error {
	if f.size == 0 {
		if err := f.begin(); err != nil {
			return err
		}
	}
	if len(f.torn) > 0 {
		if err := f.mend(text); err != nil {
			return err
		}
	}
	return f.append(text)
}

// begin writes the byte order mark.
func (f *File) begin() error {
	if mark := f.o.Encoding.mark(); mark != "" {
		return f.append([]byte(mark))
	}
	return nil
}

// mend deals with the line that a killed process did not finish: it is cut off
// where text has it whole, else it is ended.
func (f *File) mend(text []byte) error {
	newline := f.o.Encoding.newline()
	whole := bytes.HasPrefix(text, f.torn) || bytes.Contains(text, append([]byte(newline), f.torn...))
	odd := len(f.torn) % len(newline)
	if whole || odd > 0 {
		cut := odd
		if whole {
			cut = len(f.torn)
		}
		if err := f.f.Truncate(f.size - int64(cut)); err != nil {
			return err
		}
		f.size -= int64(cut)
	}
	if !whole {
		if err := f.append([]byte(newline)); err != nil {
			return err
		}
	}
	f.torn = nil
	return nil
}

// append writes b as a whole, or leaves the file as it was.
func (f *File) append(b []byte) error {
	n, err := f.f.Write(b)
	if err == nil {
		f.size += int64(n)
		return nil
	}
	if n > 0 {
		if cutErr := f.f.Truncate(f.size); cutErr != nil {
			// How the file ends is seen again when it is opened the next time.
			err = errors.Join(err, cutErr, f.f.Close())
			f.f = nil
		}
	}
	return err
}

// writeShared writes text while no other process does.
func (f *File) writeShared(wall time.Time, text []byte) error {
	for {
		full, err := f.tryShared(text)
		if err != nil || !full {
			return err
		}
		if err := f.rollSize(wall); err != nil {
			return err
		}
	}
}

// tryShared writes text unless the file is full.
func (f *File) tryShared(text []byte) (full bool, err error) {
	file := f.f
	if err := lock(file, lockWait); err != nil {
		return false, err
	}
	defer func() {
		if f.f == file { // else it is closed, and with that unlocked
			err = errors.Join(err, unlock(file))
		}
	}()
	var info syscall.Stat_t // not file.Stat, which allocates
	if err := syscall.Fstat(int(file.Fd()), &info); err != nil {
		return false, err
	}
	f.size = info.Size
	if f.o.SizeLimit > 0 && f.size >= f.o.SizeLimit {
		return true, nil
	}
	if f.size == 0 {
		if err := f.begin(); err != nil {
			return false, err
		}
	} else if f.torn, err = tailLast(file, f.size, f.o.Encoding); err != nil {
		return false, err
	}
	if len(f.torn) > 0 {
		if err := f.mend(nil); err != nil {
			return false, err
		}
	}
	return false, f.append(text)
}
