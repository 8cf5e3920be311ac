package rolling

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"vigil"
	"vigil/internal/durable"
	"vigil/internal/sink"
)

// File is a rolling file. It is safe for concurrent use.
type File struct {
	o     Options
	names names

	mu     sync.Mutex
	f      *os.File // nil: none is open
	closed bool
	period time.Time // begin of f's period, wall clock
	next   time.Time // begin of the period after it; zero for Infinite
	seq    int       // f's number
	size   int64     // of f; in a shared file as last seen
	lines  int       // in f, where they are counted
	torn   []byte    // what f ends with that is no whole line
	looked time.Time // when f was last seen under its name
	dirty  bool      // f has bytes that are not synced
	fresh  bool      // f's directory does not know it safely
	timer  *time.Timer
	err    error // of a sync behind the callers
	text   []byte
	coded  []byte
}

var (
	_ vigil.Writer = (*File)(nil)
	_ sink.Syncer  = (*File)(nil)
)

var errClosed = errors.New("the file is closed")

// Open makes the directory where it is missing and opens the file that a line
// of now belongs to. What cannot be written fails here.
func Open(o Options) (*File, error) {
	if err := o.complete(); err != nil {
		return nil, fmt.Errorf("open log file: %w", err)
	}
	f := &File{o: o, names: newNames(o.Path, o.Interval)}
	if err := os.MkdirAll(f.names.dir, 0o750); err != nil {
		return nil, fmt.Errorf("open log file: %w", err)
	}
	if err := f.roll(f.wall(), 0); err != nil {
		return nil, fmt.Errorf("open log file: %w", err)
	}
	return f, nil
}

// Name returns the path of the active file; empty while none is open.
func (f *File) Name() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.f == nil {
		return ""
	}
	return f.f.Name()
}

// Write implements [vigil.Writer]. Where it fails in the middle of a batch the
// error is a [sink.Partial].
func (f *File) Write(_ context.Context, events []*vigil.Event) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed {
		return errClosed
	}
	if err := f.err; err != nil {
		f.err = nil
		return err
	}
	var err error
	if f.o.Buffered {
		err = f.writeBatch(events)
	} else {
		err = f.writeEach(events)
	}
	f.flushLater()
	return err
}

// writeEach writes every line by itself.
func (f *File) writeEach(events []*vigil.Event) error {
	wall := f.wall()
	for i, e := range events {
		f.text = f.o.Line(f.text[:0], e)
		if err := f.writeLines(wall, f.text); err != nil {
			err = fmt.Errorf("write log file: %w", err)
			if i > 0 {
				return &sink.Partial{Done: i, Err: err}
			}
			return err
		}
	}
	return nil
}

// writeLines writes the lines of one event, all of them or, where they are in
// one file that is ours alone, none.
func (f *File) writeLines(wall time.Time, lines []byte) error {
	in, start, counted := f.f, f.size, f.lines
	for len(lines) > 0 {
		end := bytes.IndexByte(lines, '\n') + 1
		if end == 0 {
			end = len(lines)
		}
		if err := f.put(wall, lines[:end], 1); err != nil {
			if f.f != nil && f.f == in && !f.o.Shared && f.size > start {
				err = errors.Join(err, f.f.Truncate(start))
				f.size, f.lines = start, counted
			}
			return err
		}
		lines = lines[end:]
	}
	return nil
}

// writeBatch writes as many lines at once as belong into one file.
func (f *File) writeBatch(events []*vigil.Event) error {
	wall := f.wall()
	f.text = f.text[:0]
	taken, n, lines := 0, 0, 0
	flush := func() error {
		if lines == 0 {
			return nil
		}
		err := f.put(wall, f.text, lines)
		f.text, lines = f.text[:0], 0
		if err == nil {
			taken = n
			return nil
		}
		err = fmt.Errorf("write log file: %w", err)
		if taken > 0 {
			return &sink.Partial{Done: taken, Err: err}
		}
		return err
	}
	for i, e := range events {
		before := len(f.text)
		f.text = f.o.Line(f.text, e)
		lines += bytes.Count(f.text[before:], []byte{'\n'})
		n = i + 1
		full := f.o.SizeLimit > 0 && f.size+int64(len(f.text)) >= f.o.SizeLimit || f.o.MaxLines > 0 && f.lines+lines >= f.o.MaxLines
		if full || len(f.text) >= 1<<20 {
			if err := flush(); err != nil {
				return err
			}
		}
	}
	return flush()
}

// put writes text, which is of n whole lines, to the file that it belongs to.
func (f *File) put(wall time.Time, text []byte, n int) error {
	if err := f.align(wall); err != nil {
		return err
	}
	if !f.o.Encoding.plain() {
		f.coded = f.o.Encoding.appendText(f.coded[:0], text)
		text = f.coded
	}
	var err error
	if f.o.Shared {
		err = f.writeShared(wall, text)
	} else {
		err = f.writeAlone(text)
	}
	if err == nil {
		f.lines += n
		f.dirty = true
	}
	return err
}

// align makes the open file the one that a line of now belongs to.
func (f *File) align(wall time.Time) error {
	if f.f != nil && !f.next.IsZero() && !wall.Before(f.next) {
		f.leave()
	}
	if f.f != nil && (wall.Sub(f.looked) >= time.Second || wall.Before(f.looked)) {
		f.looked = wall
		if !f.there() {
			f.o.Logger.Warn("the log file was moved or removed by somebody else; another one is begun", "file", f.f.Name())
			f.leave()
		}
	}
	if f.f == nil {
		if err := f.roll(wall, 0); err != nil {
			return err
		}
	}
	switch {
	case f.o.MaxLines > 0 && f.lines >= f.o.MaxLines:
		f.leave()
		if err := (generations{f.o.Path}).push(f.o.Generations); err != nil {
			return err
		}
		return f.roll(wall, 0)
	case f.o.SizeLimit > 0 && f.size >= f.o.SizeLimit && !f.o.Shared:
		return f.rollSize(wall)
	}
	return nil
}

// rollSize goes from a full file to the next number.
func (f *File) rollSize(wall time.Time) error {
	seq := f.seq + 1
	f.leave()
	return f.roll(wall, seq)
}

// there reports whether the open file is still the one under its name.
func (f *File) there() bool {
	mine, err := f.f.Stat()
	if err != nil {
		return false
	}
	named, err := os.Stat(f.f.Name())
	return err == nil && os.SameFile(mine, named)
}

// leave syncs and closes the open file. Its errors are given to the next Write:
// what they are about may have to be written again.
func (f *File) leave() {
	if f.f == nil {
		return
	}
	if err := errors.Join(f.sync(), f.f.Close()); err != nil {
		f.err = fmt.Errorf("close log file: %w", err)
	}
	f.f = nil
}

// wall returns the local wall clock, as a time in UTC.
func (f *File) wall() time.Time {
	t := f.o.Now().In(f.o.Location)
	_, offset := t.Zone()
	return t.Add(time.Duration(offset) * time.Second).UTC()
}

// Sync brings what was written to stable storage.
func (f *File) Sync() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.err; err != nil {
		f.err = nil
		return err
	}
	return f.sync()
}

func (f *File) sync() error {
	if f.f == nil || !f.dirty {
		return nil
	}
	if err := f.f.Sync(); err != nil && !errors.Is(err, syscall.EINVAL) { // EINVAL: no file of a disk, such as /dev/null
		return fmt.Errorf("sync log file: %w", err)
	}
	f.dirty = false
	if f.fresh {
		if err := durable.SyncDir(filepath.Dir(f.f.Name())); err != nil {
			return fmt.Errorf("sync log file: %w", err)
		}
		f.fresh = false
	}
	return nil
}

// flushLater arms the timer of FlushInterval.
func (f *File) flushLater() {
	if f.o.FlushInterval == 0 || f.timer != nil || !f.dirty {
		return
	}
	f.timer = time.AfterFunc(f.o.FlushInterval, func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.timer = nil
		if err := f.sync(); err != nil && f.err == nil {
			f.err = err
		}
	})
}

// Close syncs and closes the file.
func (f *File) Close() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed {
		return nil
	}
	f.closed = true
	if f.timer != nil {
		f.timer.Stop()
	}
	f.leave()
	return f.err
}
