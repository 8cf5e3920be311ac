package journal

import "fmt"

// Replay gives every frame that counts to yield, oldest first, and then makes
// stable what may not be yet: when it returns nil, all of them are. It is called
// once, before anything is written. Frames before the position given to
// [Journal.Release] may come again, since files are released whole. The frame
// belongs to the journal; an error of yield ends the replay.
func (j *Journal) Replay(yield func(p Position, frame []byte) error) error {
	j.syncing.Lock()
	defer j.syncing.Unlock()
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.err != nil {
		return j.err
	}
	if j.replayed {
		return errReplayed
	}
	j.replayed = true
	if err := j.replay(yield); err != nil {
		j.err = fmt.Errorf("replay journal: %w", err)
		return j.err
	}
	return nil
}

func (j *Journal) replay(yield func(p Position, frame []byte) error) error {
	for _, s := range j.kept {
		end := s.end
		err := j.walk(s, end, func(f *frame, payload []byte) error { return yield(f.pos, payload) })
		if err != nil {
			return err
		}
		if s.end != end {
			return &CorruptError{s.name, s.end, "a frame is damaged that could be read a moment ago"}
		}
	}
	for _, name := range j.temps {
		if err := j.dir.Remove(name); err != nil {
			return err
		}
	}
	j.temps = nil
	if err := j.recover(); err != nil {
		return err
	}
	for _, name := range j.void {
		if err := j.recycle(name); err != nil {
			return err
		}
	}
	j.void = nil
	return j.wipeAndRemove(j.surplus())
}

// recover begins a new generation with the frames that may be in the page cache
// only: a process that was killed, or whose sync failed, leaves such behind.
func (j *Journal) recover() error {
	if len(j.kept) == 0 {
		return j.begin(link{}, 0, nil)
	}
	last := j.kept[len(j.kept)-1]
	from, end := last.synced, last.end
	if end-blockSize <= j.fileSize/4 {
		from = blockSize // so little is kept in one file, not in one for each restart
	}
	all := *last
	if err := j.walk(last, from, nil); err != nil {
		return err
	}
	if last.end != from {
		return &CorruptError{last.name, last.end, "a frame is damaged that could be read a moment ago"}
	}
	prev := link{last.head.gen, last.end, last.sum}
	if from == blockSize {
		prev = last.head.prev
		j.kept = j.kept[:len(j.kept)-1]
		j.void = append(j.void, last.name)
	}
	j.log.Info("journal is replayed", "frames", all.frames, "rewritten_bytes", end-from)
	return j.begin(prev, end-from, func(a *active) error {
		return j.walk(&all, end, func(f *frame, payload []byte) error {
			if f.off < from {
				return nil
			}
			return j.write(a, f.pos, payload)
		})
	})
}

// begin makes the first file that is written after opening.
func (j *Journal) begin(prev link, size int64, body func(*active) error) error {
	a, err := j.newFile(prev, size, body)
	if err != nil {
		return err
	}
	j.cur = a
	j.kept = append(j.kept, a.stored)
	return nil
}
