package journal

import "fmt"

// Release says that frames before the position are not needed any more. Files
// that hold only such frames are kept for their blocks or removed; the file that
// is being written stays until another one is begun.
func (j *Journal) Release(to Position) error {
	j.mu.Lock()
	err := j.usable()
	var surplus []string
	if err == nil {
		if j.released.Before(to) {
			j.released = to
		}
		before := len(j.free)
		if err = j.releaseFiles(); len(j.free) > before {
			surplus = j.surplus()
		}
	}
	j.mu.Unlock()
	if err != nil {
		return err
	}
	if err := j.wipeAndRemove(surplus); err != nil {
		j.mu.Lock()
		defer j.mu.Unlock()
		return j.fail(fmt.Errorf("release journal files: %w", spaceOr(err)))
	}
	return nil
}

// releaseFiles recycles the files at the front that are released. One after the
// other: what a crash leaves is always the newer part.
func (j *Journal) releaseFiles() error {
	for len(j.kept) > 1 {
		s := j.kept[0]
		if s.frames > 0 && !s.last.Before(j.released) {
			return nil
		}
		if err := j.recycle(s.name); err != nil {
			return j.fail(fmt.Errorf("release journal file: %w", spaceOr(err)))
		}
		j.kept = j.kept[1:]
	}
	return nil
}

// recycle turns a file that is not needed into a free one.
func (j *Journal) recycle(name string) error {
	gen, _, _ := parseName(name)
	free := fileName(gen, extFree)
	if err := j.dir.Rename(name, free); err != nil {
		return err
	}
	if err := j.dir.Sync(); err != nil {
		return err
	}
	j.free = append(j.free, free)
	return nil
}

// surplus takes from the free files those that are too many or too large.
func (j *Journal) surplus() (names []string) {
	kept := j.free[:0]
	for _, name := range j.free {
		if len(kept) == maxFree || !j.reusable(name) {
			names = append(names, name)
			continue
		}
		kept = append(kept, name)
	}
	j.free = kept
	return names
}

func (j *Journal) reusable(name string) bool {
	f, err := j.dir.Open(name, false)
	if err != nil {
		return false
	}
	defer f.Close()
	size, err := f.Size()
	return err == nil && size <= j.fileSize
}

// wipeAndRemove overwrites files before it removes them, so that nothing
// erased later is left in blocks that nobody can find any more.
func (j *Journal) wipeAndRemove(names []string) error {
	for _, name := range names {
		if !j.reserve {
			if err := j.wipe(name, 0); err != nil {
				return err
			}
		}
		if err := j.dir.Remove(name); err != nil {
			return err
		}
	}
	if len(names) == 0 {
		return nil
	}
	return j.dir.Sync()
}

// wipe writes zeros over a file from the offset to its end.
func (j *Journal) wipe(name string, from int64) error {
	f, err := j.dir.Open(name, true)
	if err != nil {
		return err
	}
	defer f.Close()
	size, err := f.Size()
	if err != nil || size <= from {
		return err
	}
	if err := zeroFill(f, from, size); err != nil {
		return err
	}
	return f.Sync()
}

// Rotate begins a new file, so that every frame written so far can be released
// whatever is written later: without it the file being written stays. With an
// error that is [IsFull] nothing has changed.
func (j *Journal) Rotate() error {
	j.syncing.Lock()
	defer j.syncing.Unlock()
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.err == nil && j.cur == nil && j.replayed {
		return j.recover() // the replay had found no space: this begins a new file
	}
	if err := j.usable(); err != nil {
		return err
	}
	if j.cur.frames == 0 {
		return nil
	}
	if err := j.rotate(); err != nil {
		return j.fail(err)
	}
	return nil
}

// Purge overwrites every frame that is not kept any more, wherever its bytes
// still are: in free files, and behind the last frame of the others, which were
// recycled too. When everything written so far is released, the file being
// written is changed for another and overwritten as well; so for an erasure
// Rotate, seal what came before, Release(its end), Purge. Writers wait while it runs. Copies that the disk
// itself or a copying file system keeps are out of reach.
func (j *Journal) Purge() error {
	j.syncing.Lock()
	defer j.syncing.Unlock()
	j.mu.Lock()
	defer j.mu.Unlock()
	if err := j.usable(); err != nil {
		return err
	}
	if j.cur.frames > 0 && j.cur.last.Before(j.released) {
		if err := j.rotate(); err != nil {
			return j.fail(err)
		}
	}
	if err := j.releaseFiles(); err != nil {
		return err
	}
	for _, name := range j.free {
		if err := j.wipe(name, 0); err != nil {
			return j.fail(fmt.Errorf("purge journal file %s: %w", name, spaceOr(err)))
		}
	}
	for _, s := range j.kept[:len(j.kept)-1] {
		if err := j.wipe(s.name, s.end); err != nil {
			return j.fail(fmt.Errorf("purge journal file %s: %w", s.name, spaceOr(err)))
		}
	}
	if err := zeroFill(j.cur.f, j.cur.end, j.cur.filled); err != nil {
		return j.fail(fmt.Errorf("purge journal: %w", spaceOr(err)))
	}
	if err := j.cur.f.Sync(); err != nil {
		return j.fail(fmt.Errorf("sync journal: %w", err))
	}
	j.cur.synced = j.cur.end
	if err := j.wipeAndRemove(j.surplus()); err != nil {
		return j.fail(fmt.Errorf("purge journal: %w", spaceOr(err)))
	}
	return nil
}
