package journal

import (
	"fmt"
	"slices"
)

// Salvage gives yield every frame in dir whose checksums are right, file by file
// and from the first byte to the last, whatever is damaged between them. It
// changes nothing, and nobody may be writing there. The frame is reused.
//
// Unlike a replay it promises nothing: a frame that a replay copied comes twice,
// with the same Position, one that was released may come again, and one that no
// longer follows the frame before it comes too. Files whose header is damaged
// are passed over, since nothing vouches for their frames. The error is yield's,
// or that of a disk that cannot be read.
func Salvage(dir string, o Options, yield func(p Position, frame []byte) error) error {
	j := newJournal(o)
	if j.dir == nil {
		j.dir = osFolder(dir)
	}
	names, err := j.dir.List()
	if err != nil {
		return fmt.Errorf("salvage journal: %w", err)
	}
	slices.Sort(names) // generations have as many digits
	for _, name := range names {
		gen, ext, ok := parseName(name)
		if !ok || ext != extJournal {
			continue
		}
		s, err := j.readHeader(gen)
		if isCorrupt(err) {
			continue
		}
		if err == nil {
			err = j.salvage(s, yield)
		}
		if err != nil {
			return fmt.Errorf("salvage journal: %w", err)
		}
	}
	return nil
}

// salvage gives the frames of one file.
func (j *Journal) salvage(s *stored, yield func(p Position, frame []byte) error) error {
	r, err := j.reader(s)
	if err != nil {
		return err
	}
	defer r.f.Close()
	for off := int64(blockSize); off < r.size; {
		fr, payload, err := r.frame(&s.head, off)
		if err != nil {
			return fmt.Errorf("read journal file %s: %w", s.name, err)
		}
		if payload == nil {
			off += blockSize
			continue
		}
		if err := yield(fr.pos, payload); err != nil {
			return err
		}
		off += fr.size()
	}
	return nil
}
