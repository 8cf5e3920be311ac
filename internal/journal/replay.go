package journal

import (
	"fmt"
	"slices"
)

// Replay gives every frame that counts to yield, oldest first, and then makes
// stable what may not be yet: when it returns nil, all of them are. It is called
// once, before anything is written. Frames before the position given to
// [Journal.Release] may come again, since files are released whole. The frame
// belongs to the journal; an error of yield ends the replay.
//
// With an error that is [IsFull] all frames have been given and may be shown,
// but the last of them must not be promised or signed yet. The journal then
// makes them stable in the first Append that finds space.
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
	for _, s := range j.kept {
		if err := j.give(s, yield); err != nil {
			return j.fail(fmt.Errorf("replay journal: %w", err))
		}
	}
	return j.recover()
}

// give replays one file.
func (j *Journal) give(s *stored, yield func(p Position, frame []byte) error) error {
	end := s.end
	err := j.walk(s, end, func(f *frame, payload []byte) error { return yield(f.pos, payload) })
	if err == nil && s.end != end {
		return errChanged(s)
	}
	return err
}

func errChanged(s *stored) error {
	return &CorruptError{s.name, s.end, "a frame is damaged that could be read a moment ago"}
}

// recover begins writing after a replay. The caller holds both locks. When it
// fails for want of space it may be called again.
func (j *Journal) recover() error {
	for len(j.temps) > 0 {
		if err := j.dir.Remove(j.temps[0]); err != nil {
			return j.fail(fmt.Errorf("remove journal leftover: %w", err))
		}
		j.temps = j.temps[1:]
	}
	if err := j.rewrite(); err != nil {
		return j.fail(fmt.Errorf("recover journal: %w", err))
	}
	for len(j.void) > 0 {
		if err := j.recycle(j.void[0]); err != nil {
			return j.fail(fmt.Errorf("recover journal: %w", err))
		}
		j.void = j.void[1:]
	}
	if err := j.wipeAndRemove(j.surplus()); err != nil {
		return j.fail(fmt.Errorf("recover journal: %w", err))
	}
	return nil
}

// rewrite begins a new generation with the frames that may be in the page cache
// only: a process that was killed, or whose sync failed, leaves such behind.
func (j *Journal) rewrite() error {
	if len(j.kept) == 0 {
		return j.begin(link{}, 0, nil)
	}
	last := j.kept[len(j.kept)-1]
	from, end := last.synced, last.end
	if end-blockSize <= j.fileSize/4 {
		from = blockSize // so little is kept in one file, not in one for each restart
	}
	stays, all := *last, *last
	if err := j.walk(&stays, from, nil); err != nil {
		return err
	}
	if stays.end != from {
		return errChanged(&stays)
	}
	prev := link{last.head.gen, stays.end, stays.sum}
	if from == blockSize {
		prev = last.head.prev
	}
	err := j.begin(prev, end-from, func(a *active) error {
		return j.walk(&all, end, func(f *frame, payload []byte) error {
			if f.off < from {
				return nil
			}
			return j.write(a, f.pos, payload)
		})
	})
	if err != nil {
		return err
	}
	*last = stays
	if from == blockSize {
		j.kept = slices.DeleteFunc(j.kept, func(s *stored) bool { return s == last })
		j.void = append(j.void, last.name)
	}
	j.log.Info("journal is replayed", "frames", all.frames, "rewritten_bytes", end-from)
	return nil
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
