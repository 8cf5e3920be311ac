package transfer

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
)

// position is a place in a file.
type position struct{ line, offset int64 }

// source reads a file byte by byte and knows where it is.
type source struct {
	r  *bufio.Reader
	at position
	o  Options
}

func newSource(r io.Reader, o Options) *source {
	s := &source{r: bufio.NewReaderSize(r, 128<<10), at: position{line: 1}, o: o}
	if c, _ := s.peek(); c == bom[0] { // a pipe may have no more than one byte yet
		if head, _ := s.r.Peek(len(bom)); string(head) == bom {
			s.skip(len(bom))
		}
	}
	return s
}

// skip passes over n bytes that were peeked and hold no line end.
func (s *source) skip(n int) {
	n, _ = s.r.Discard(n)
	s.at.offset += int64(n)
}

// byte returns the next byte.
func (s *source) byte() (byte, error) {
	c, err := s.r.ReadByte()
	if err != nil {
		return 0, err
	}
	s.at.offset++
	if c == '\n' {
		s.at.line++
	}
	return c, nil
}

// peek returns the next byte without taking it.
func (s *source) peek() (byte, error) {
	b, err := s.r.Peek(1)
	if len(b) == 0 {
		return 0, err
	}
	return b[0], nil
}

// errTooLong is the error of a record that is longer than a record may be.
var errTooLong = errors.New("the record is too long")

// line appends the rest of the line to buf, without its end. What is over the
// bound is passed over and answered with errTooLong; io.EOF comes alone.
func (s *source) line(buf []byte) ([]byte, error) {
	long := false
	for {
		part, err := s.r.ReadSlice('\n')
		s.at.offset += int64(len(part))
		switch {
		case len(buf)+len(part) > s.o.MaxRecord:
			long = true
			buf = append(buf, part[:min(len(part), max(0, maxShown-len(buf)))]...)
		case !long:
			buf = append(buf, part...)
		}
		if errors.Is(err, bufio.ErrBufferFull) {
			continue
		}
		if err != nil && (!errors.Is(err, io.EOF) || len(buf) == 0 && len(part) == 0) {
			return buf, err
		}
		if err == nil {
			s.at.line++
		}
		if long {
			return buf, errTooLong
		}
		return bytes.TrimSuffix(bytes.TrimSuffix(buf, []byte("\n")), []byte("\r")), nil
	}
}

// bad is the error of the record that began at at.
func (s *source) bad(at position, text []byte, err error) error {
	if errors.Is(err, errTooLong) {
		err = fmt.Errorf("%w: more than %d bytes", errTooLong, s.o.MaxRecord)
	}
	return &BadRecord{Line: at.line, Offset: at.offset, Text: bytes.Clone(text[:min(len(text), maxShown)]), Err: err}
}

// lines reads NDJSON.
func (s *source) lines(yield func(Record, error) bool) {
	var buf []byte
	for {
		at := s.at
		var err error
		buf, err = s.line(buf[:0])
		switch {
		case errors.Is(err, io.EOF):
			return
		case errors.Is(err, errTooLong):
			if !yield(Record{}, s.bad(at, buf, err)) {
				return
			}
			continue
		case err != nil:
			yield(Record{}, fmt.Errorf("read line %d: %w", at.line, err))
			return
		}
		if len(bytes.TrimSpace(buf)) == 0 {
			continue
		}
		if !yield(s.record(buf, at)) {
			return
		}
	}
}
