package journal

import (
	"errors"
	"fmt"
	"io"
	"slices"
)

// scan finds the files that count, verifies all of their frames, and sets where
// each of them ends.
func (j *Journal) scan() error {
	names, err := j.dir.List()
	if err != nil {
		return err
	}
	gens := map[uint64]bool{}
	j.nextGen = 1
	for _, name := range names {
		gen, ext, ok := parseName(name)
		if !ok {
			continue
		}
		j.nextGen = max(j.nextGen, gen+1)
		switch ext {
		case extJournal:
			gens[gen] = true
		case extFree:
			j.free = append(j.free, name)
		case extTemp:
			j.temps = append(j.temps, name)
		}
	}
	slices.Sort(j.free)
	return j.scanFiles(gens)
}

// scanFiles goes from the newest file back along the links, then verifies the
// frames from the oldest on.
func (j *Journal) scanFiles(gens map[uint64]bool) error {
	var newest uint64
	for gen := range gens {
		newest = max(newest, gen)
	}
	for gen := newest; gen != 0 && gens[gen]; {
		s, err := j.readHeader(gen)
		if err != nil {
			return err
		}
		j.kept = append(j.kept, s)
		delete(gens, gen)
		gen = s.head.prev.gen
	}
	slices.Reverse(j.kept)
	for gen := range gens {
		if gen < j.kept[0].head.gen && gen <= j.kept[0].head.prev.gen {
			return &CorruptError{fileName(j.kept[0].head.prev.gen, extJournal), 0, "the file is missing"}
		}
		j.void = append(j.void, fileName(gen, extJournal))
	}
	for i, s := range j.kept {
		if i+1 < len(j.kept) {
			if err := j.verify(s, j.kept[i+1].head.prev); err != nil {
				return err
			}
		} else if err := j.findEnd(s); err != nil {
			return err
		}
	}
	return nil
}

func (j *Journal) readHeader(gen uint64) (*stored, error) {
	name := fileName(gen, extJournal)
	f, err := j.dir.Open(name, false)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	b := make([]byte, fileHead)
	n, err := f.ReadAt(b, 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("read journal file %s: %w", name, err)
	}
	h, wrong := decodeHeader(b[:n])
	switch {
	case wrong != "":
	case h.gen != gen:
		wrong = "the file has the name of another one"
	case h.prev.gen >= gen:
		wrong = "the file says that it follows a later one"
	case h.store != j.store:
		wrong = "the file belongs to another store"
	}
	if wrong != "" {
		return nil, &CorruptError{name, 0, wrong}
	}
	return &stored{name: name, head: h}, nil
}

// verify walks a file whose end the next one names.
func (j *Journal) verify(s *stored, end link) error {
	if err := j.walk(s, end.end, nil); err != nil {
		return err
	}
	if s.end != end.end {
		return &CorruptError{s.name, s.end, "a frame is damaged that was stable when the next file was begun"}
	}
	if s.sum != end.sum {
		return &CorruptError{s.name, s.end, "the next file follows another frame than the last one here"}
	}
	return nil
}

// findEnd walks the newest file, and where its frames end looks for proof that
// they once went on.
func (j *Journal) findEnd(s *stored) error {
	if err := j.walk(s, -1, nil); err != nil {
		return err
	}
	if s.end < s.head.durable {
		return &CorruptError{s.name, s.end, "a frame is damaged that was stable when the file was begun"}
	}
	r, err := j.reader(s)
	if err != nil {
		return err
	}
	defer r.f.Close()
	b := make([]byte, len(zeros))
	for off := s.end; off < r.size; off += int64(len(b)) {
		n, err := r.f.ReadAt(b, off)
		if err != nil && !errors.Is(err, io.EOF) {
			return fmt.Errorf("read journal file %s: %w", s.name, err)
		}
		for at := 0; at < n; at += blockSize {
			fr, ok := decodeFrame(b[at:n], &s.head, off+int64(at))
			if ok && fr.synced > s.end {
				return &CorruptError{s.name, s.end, fmt.Sprintf("a frame is damaged that was stable when the one at byte %d was written", fr.off)}
			}
			if ok && fr.off == s.end && fr.prev != s.sum {
				return &CorruptError{s.name, s.end, "a frame follows another one than that before it"}
			}
		}
	}
	return nil
}

// walk reads the frames of s in order until one does not verify or the offset
// limit is reached (-1: none), and sets what s knows about its end. yield may be
// nil; the payload is reused.
func (j *Journal) walk(s *stored, limit int64, yield func(f *frame, payload []byte) error) error {
	r, err := j.reader(s)
	if err != nil {
		return err
	}
	defer r.f.Close()
	if limit >= 0 {
		r.size = min(r.size, limit)
	}
	s.end, s.sum, s.last, s.synced, s.frames = blockSize, s.head.sum, Position{}, max(s.head.durable, blockSize), 0
	for s.end < r.size {
		fr, payload, err := r.read(&s.head, s.end, s.sum)
		if err != nil {
			return fmt.Errorf("read journal file %s: %w", s.name, err)
		}
		if payload == nil {
			return nil
		}
		if yield != nil {
			if err := yield(&fr, payload); err != nil {
				return err
			}
		}
		s.end += fr.size()
		s.sum, s.last = fr.sum, fr.pos
		s.synced = max(s.synced, fr.synced)
		s.frames++
	}
	return nil
}

// frameReader reads frames one after the other through a buffer.
type frameReader struct {
	f    file
	size int64
	buf  []byte
	at   int64 // offset of buf in the file
}

// reader returns a reader of the frames of s, whose file the caller closes.
func (j *Journal) reader(s *stored) (*frameReader, error) {
	f, err := j.dir.Open(s.name, false)
	if err != nil {
		return nil, err
	}
	size, err := f.Size()
	if err != nil {
		f.Close()
		return nil, err
	}
	return &frameReader{f: f, size: size}, nil
}

// read returns the frame at off, whose payload is valid until the next read. A
// nil payload is a frame that does not verify or does not follow prev.
func (r *frameReader) read(h *header, off int64, prev uint64) (frame, []byte, error) {
	fr, payload, err := r.frame(h, off)
	if err != nil || payload == nil || fr.prev != prev {
		return frame{}, nil, err
	}
	return fr, payload, nil
}

// frame is read for a frame that may follow any other.
func (r *frameReader) frame(h *header, off int64) (frame, []byte, error) {
	b, err := r.bytes(off, min(blockSize, r.size-off))
	if err != nil {
		return frame{}, nil, err
	}
	fr, ok := decodeFrame(b, h, off)
	if !ok || fr.size() > r.size-off {
		return frame{}, nil, nil
	}
	b, err = r.bytes(off, int64(frameHead+fr.length))
	if err != nil {
		return frame{}, nil, err
	}
	payload := b[frameHead:]
	if !fr.matches(payload) {
		return frame{}, nil, nil
	}
	return fr, payload, nil
}

// bytes returns n bytes of the file at off, which lie within its size.
func (r *frameReader) bytes(off, n int64) ([]byte, error) {
	if off >= r.at && off+n <= r.at+int64(len(r.buf)) {
		return r.buf[off-r.at:][:n], nil
	}
	want := min(max(n, int64(len(zeros))), r.size-off)
	if int64(cap(r.buf)) < want {
		r.buf = make([]byte, want)
	}
	r.buf, r.at = r.buf[:want], off
	got, err := r.f.ReadAt(r.buf, off)
	if err != nil && !(errors.Is(err, io.EOF) && int64(got) >= n) {
		r.buf = nil
		return nil, err
	}
	r.buf = r.buf[:got]
	return r.buf[:n], nil
}
