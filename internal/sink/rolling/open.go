package rolling

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

// openTries is how many numbers are tried where other processes have the files.
const openTries = 3

// tailSize bounds what is looked at of a line that was not finished.
const tailSize = 1 << 20

// roll opens the file of the period of wall. With a seq above 0 the file has at
// least this number, else the highest that is there.
func (f *File) roll(wall time.Time, seq int) error {
	period := f.o.Interval.begin(wall)
	if f.o.MaxLines == 0 {
		latest, err := f.names.latest(period)
		if err != nil {
			return err
		}
		seq = max(seq, latest)
	}
	var err error
	for try := 0; try < openTries; try++ {
		if err = f.open(f.names.name(period, seq)); err == nil {
			break
		}
		if !errors.Is(err, errLocked) || f.o.MaxLines > 0 {
			return err
		}
		seq++
	}
	if err != nil {
		return err
	}
	f.period, f.seq, f.looked = period, seq, wall
	f.next = f.o.Interval.next(period)
	f.retain(wall)
	return nil
}

var errLocked = errors.New("another process writes to it; set shared in both, or give another path")

// open opens one file for appending and sees how it ends.
func (f *File) open(name string) error {
	path := filepath.Join(f.names.dir, name)
	_, statErr := os.Stat(path)
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_APPEND, 0o640)
	if err != nil {
		return err
	}
	if !f.o.Shared {
		if err := lock(file, 0); err != nil {
			return errors.Join(fmt.Errorf("%s: %w", path, err), file.Close())
		}
	}
	f.fresh = statErr != nil
	if err := f.inspect(file); err != nil {
		return errors.Join(err, file.Close())
	}
	f.f = file
	return nil
}

// inspect finds the file's size, its lines where they are counted, and the line
// that it ends in the middle of.
func (f *File) inspect(file *os.File) error {
	info, err := file.Stat()
	if err != nil {
		return err
	}
	f.size, f.lines, f.torn, f.dirty = 0, 0, nil, false
	if !info.Mode().IsRegular() {
		return nil
	}
	f.size = info.Size()
	if f.o.MaxLines > 0 {
		if f.lines, err = countLines(io.NewSectionReader(file, 0, f.size)); err != nil {
			return err
		}
	}
	if f.size == 0 || f.o.Shared {
		return nil
	}
	f.torn, err = tail(file, f.size, f.o.Encoding.newline())
	if len(f.torn) == int(f.size) && string(f.torn) == f.o.Encoding.mark() {
		f.torn = nil
	}
	return err
}

// tail returns what follows the last newline; of a longer one than tailSize
// only its end.
func tail(r io.ReaderAt, size int64, newline string) ([]byte, error) {
	start := max(size-tailSize, 0)
	start -= start % int64(len(newline))
	b := make([]byte, size-start)
	if _, err := r.ReadAt(b, start); err != nil {
		return nil, err
	}
	for end := len(b) - len(b)%len(newline); end > 0; end -= len(newline) {
		if string(b[end-len(newline):end]) == newline {
			return bytes.Clone(b[end:]), nil
		}
	}
	return bytes.Clone(b), nil
}

func countLines(r io.Reader) (int, error) {
	buf, n := make([]byte, 64<<10), 0
	for {
		k, err := r.Read(buf)
		n += bytes.Count(buf[:k], []byte{'\n'})
		if errors.Is(err, io.EOF) {
			return n, nil
		}
		if err != nil {
			return 0, err
		}
	}
}

// retain removes the files that are beyond the limits. It is no reason not to
// write that one cannot be removed.
func (f *File) retain(wall time.Time) {
	gone, err := f.names.expired(filepath.Base(f.f.Name()), f.o, wall)
	for _, name := range gone {
		err = errors.Join(err, os.Remove(filepath.Join(f.names.dir, name)))
		f.o.Logger.Info("removed a log file that is beyond the limit of kept files", "file", name)
	}
	if err != nil {
		f.o.Logger.Error("old log files cannot be removed", "err", err)
	}
}

// lock takes the file for this process, waiting for at most the given time.
func lock(file *os.File, wait time.Duration) error {
	pause := 20 * time.Microsecond
	for deadline := time.Now().Add(wait); ; {
		err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		switch {
		case err == nil:
			return nil
		case errors.Is(err, syscall.EINTR):
			continue
		case errors.Is(err, syscall.ENOTSUP), errors.Is(err, syscall.ENOLCK), errors.Is(err, syscall.ENOSYS):
			return nil // a file system without locks: nobody could have it
		case !errors.Is(err, syscall.EWOULDBLOCK):
			return fmt.Errorf("lock: %w", err)
		case wait == 0 || time.Now().After(deadline):
			return errLocked
		}
		time.Sleep(pause)
		pause = min(2*pause, time.Millisecond)
	}
}

func unlock(file *os.File) error { return syscall.Flock(int(file.Fd()), syscall.LOCK_UN) }

// tailLast looks at the end of a shared file: empty where that is the end of a
// line or the byte order mark, else something that has no line's end.
func tailLast(r io.ReaderAt, size int64, e Encoding) ([]byte, error) {
	newline, mark := e.newline(), e.mark()
	var end [4]byte
	n := min(size, int64(len(end)))
	if _, err := r.ReadAt(end[:n], size-n); err != nil {
		return nil, err
	}
	b := end[:n]
	switch {
	case size%int64(len(newline)) != 0:
		return b[n-1:], nil
	case bytes.HasSuffix(b, []byte(newline)), size == int64(len(mark)) && string(b) == mark:
		return nil, nil
	}
	return b[n-int64(len(newline)):], nil
}
