package journal

import (
	"crypto/rand"
	"errors"
	"fmt"
)

// Append writes a frame and makes it stable. With an error that is not
// [IsFull] it is unknown whether the frame will be replayed, and every later
// call fails with the same error.
func (j *Journal) Append(frame []byte) (Position, error) {
	p, err := j.Write(frame)
	if err != nil {
		return p, err
	}
	return p, j.Sync()
}

// Write writes a frame with one pwrite(2): it survives the end of the process,
// but not yet that of the machine. The frame belongs to the caller again when
// it returns. The errors are those of [Journal.Append].
func (j *Journal) Write(frame []byte) (Position, error) {
	if len(frame) > MaxFrame {
		return Position{}, fmt.Errorf("write journal: %w", ErrTooLarge)
	}
	n := paddedSize(len(frame))
	j.mu.Lock()
	if j.usable() == nil && j.cur.end+n <= j.cur.filled && !j.wantsNewFile(n) {
		defer j.mu.Unlock()
		return j.put(frame)
	}
	j.mu.Unlock()

	j.syncing.Lock()
	defer j.syncing.Unlock()
	j.mu.Lock()
	defer j.mu.Unlock()
	if err := j.room(n); err != nil {
		return Position{}, err
	}
	return j.put(frame)
}

// room makes room for n bytes. The caller holds both locks.
func (j *Journal) room(n int64) error {
	if j.err == nil && j.cur == nil && j.replayed {
		if err := j.recover(); err != nil { // the replay had found no space
			return err
		}
	}
	if err := j.usable(); err != nil {
		return err
	}
	if j.wantsNewFile(n) {
		if err := j.rotate(); err != nil {
			return j.fail(err)
		}
	}
	if err := j.fill(j.cur, j.cur.end+n); err != nil {
		return j.fail(err)
	}
	return nil
}

// Sync makes stable what was written before the call. A sync that has failed is
// not tried again.
func (j *Journal) Sync() error {
	j.mu.Lock()
	if err := j.usable(); err != nil {
		j.mu.Unlock()
		return err
	}
	gen, end := j.cur.head.gen, j.cur.end
	j.mu.Unlock()

	j.syncing.Lock()
	defer j.syncing.Unlock()
	j.mu.Lock()
	if err := j.usable(); err != nil {
		j.mu.Unlock()
		return err
	}
	cur := j.cur
	if cur.head.gen != gen || cur.synced >= end { // somebody else's sync did it
		j.mu.Unlock()
		return nil
	}
	end = cur.end
	j.mu.Unlock()

	err := cur.f.Sync() // without mu: others go on writing
	j.mu.Lock()
	defer j.mu.Unlock()
	if err != nil {
		return j.fail(fmt.Errorf("sync journal: %w", err))
	}
	cur.synced = end
	return nil
}

// syncCurrent is Sync for a caller that holds both locks.
func (j *Journal) syncCurrent() error {
	if j.cur.synced == j.cur.end {
		return nil
	}
	if err := j.cur.f.Sync(); err != nil {
		return fmt.Errorf("sync journal: %w", err)
	}
	j.cur.synced = j.cur.end
	return nil
}

// put writes a frame for which there is room. The caller holds mu.
func (j *Journal) put(payload []byte) (Position, error) {
	pos := Position{j.cur.head.gen, j.cur.end}
	if err := j.write(j.cur, pos, payload); err != nil {
		return Position{}, j.fail(err)
	}
	return pos, nil
}

func (j *Journal) write(a *active, pos Position, payload []byte) error {
	f := frame{length: len(payload), gen: a.head.gen, off: a.end, pos: pos, synced: a.synced, prev: a.sum}
	j.buf = f.append(j.buf[:0], payload, a.head.sum)
	_, err := a.f.WriteAt(j.buf, a.end)
	if cap(j.buf) > 2*fillStep {
		j.buf = nil // one large frame must not hold its memory for ever
	}
	if err != nil {
		// What was written of it does not verify, and the next frame goes there.
		return spaceOr(fmt.Errorf("write journal: %w", err))
	}
	a.end += f.size()
	a.sum, a.last = f.sum, pos
	a.frames++
	return nil
}

func (j *Journal) wantsNewFile(n int64) bool {
	return j.cur.end > blockSize && j.cur.end+n > j.fileSize
}

// fill writes zeros ahead until a has at least end bytes.
func (j *Journal) fill(a *active, end int64) error {
	if end <= a.filled {
		return nil
	}
	steps := (end - a.filled + j.step - 1) / j.step
	ahead := min(a.filled+steps*j.step, max(j.fileSize, end))
	err := j.allocate(a.f, a.filled, ahead)
	if noSpace(err) && ahead > end {
		ahead = end
		err = j.allocate(a.f, a.filled, ahead)
	}
	if err != nil {
		return spaceOr(err)
	}
	a.filled = ahead
	return nil
}

func (j *Journal) allocate(f file, from, to int64) error {
	err := f.Allocate(from, to-from)
	if err == nil && !j.reserve {
		err = zeroFill(f, from, to)
	}
	if err != nil {
		// Give back what was got. If that fails too, the file is merely longer.
		return errors.Join(err, f.Truncate(from))
	}
	return nil
}

// rotate goes on in a new file. The caller holds both locks. When it fails for
// want of space nothing has changed.
func (j *Journal) rotate() error {
	if err := j.syncCurrent(); err != nil {
		return err
	}
	prev := link{j.cur.head.gen, j.cur.end, j.cur.sum}
	next, err := j.newFile(prev, 0, nil)
	if err != nil {
		return err
	}
	old := j.cur.f
	j.cur = next
	j.kept = append(j.kept, next.stored)
	if err := old.Close(); err != nil {
		return fmt.Errorf("close journal file: %w", err)
	}
	return nil
}

// newFile makes the next generation, out of an old file if there is one. body
// writes the first frames, of size bytes in all; they and the header are stable
// before the file gets its name.
func (j *Journal) newFile(prev link, size int64, body func(*active) error) (*active, error) {
	h := header{store: j.store, gen: j.nextGen, prev: prev, durable: blockSize + size}
	if _, err := rand.Read(h.nonce[:]); err != nil {
		return nil, fmt.Errorf("make journal file: %w", err)
	}
	name, f, filled, err := j.blank()
	if err != nil {
		return nil, spaceOr(fmt.Errorf("make journal file: %w", err))
	}
	a := &active{f: f, filled: filled, stored: &stored{name: fileName(h.gen, extJournal)}}
	if err := j.prepare(a, h, body); err != nil {
		f.Close()
		j.discard(name)
		return nil, err
	}
	if err := j.dir.Rename(name, a.name); err != nil {
		f.Close()
		j.discard(name)
		return nil, spaceOr(fmt.Errorf("name journal file: %w", err))
	}
	// From here on the file is part of the journal, whatever happens.
	j.nextGen++
	if n := len(j.free); n > 0 && j.free[n-1] == name {
		j.free = j.free[:n-1]
	}
	if err := j.dir.Sync(); err != nil {
		f.Close()
		return nil, fmt.Errorf("sync journal directory: %w", err)
	}
	return a, nil
}

// blank opens the last of the free files, or makes a new one.
func (j *Journal) blank() (name string, f file, filled int64, err error) {
	if n := len(j.free); n > 0 {
		name = j.free[n-1]
		if f, err = j.dir.Open(name, true); err != nil {
			return "", nil, 0, err
		}
		if filled, err = f.Size(); err != nil {
			f.Close()
			return "", nil, 0, err
		}
		return name, f, filled &^ (blockSize - 1), nil
	}
	name = fileName(j.nextGen, extTemp)
	f, err = j.dir.Create(name)
	return name, f, 0, err
}

// prepare writes the header and the first frames and syncs them.
func (j *Journal) prepare(a *active, h header, body func(*active) error) error {
	if err := j.fill(a, h.durable); err != nil {
		return err
	}
	if _, err := a.f.WriteAt(h.encode(), 0); err != nil {
		return spaceOr(fmt.Errorf("write journal file header: %w", err))
	}
	a.head, a.end, a.sum, a.synced = h, blockSize, h.sum, blockSize
	if body != nil {
		if err := body(a); err != nil {
			return err
		}
		if a.end != h.durable {
			return errChanged(a.stored)
		}
	}
	if err := a.f.Sync(); err != nil {
		return fmt.Errorf("sync journal file: %w", err)
	}
	a.synced = a.end
	return nil
}

// discard removes a file that was to be a new one; an old file stays. A leftover
// is removed by the next replay, so nothing depends on it.
func (j *Journal) discard(name string) {
	if _, ext, _ := parseName(name); ext == extTemp {
		if err := j.dir.Remove(name); err != nil {
			j.log.Warn("journal file is left over", "file", name, "err", err)
		}
	}
}

// spaceOr marks err as one that goes away with more space, where it is one.
func spaceOr(err error) error {
	if noSpace(err) {
		return &fullError{err}
	}
	return err
}
