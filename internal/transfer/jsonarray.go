package transfer

import (
	"errors"
	"fmt"
	"io"
)

// values reads a JSON array of records, or records one after the other. A
// record that is wrong inside does not end the file as long as its brackets
// and quotes can be told apart; a comma too many or too few is nothing.
func (s *source) values(yield func(Record, error) bool) {
	c, err := s.blank()
	array := err == nil && c == '['
	if array {
		_, _ = s.byte() // it was peeked, so it is there
	}
	var buf []byte
	for {
		c, err := s.blank()
		switch {
		case errors.Is(err, io.EOF) && !array:
			return
		case err != nil:
			yield(Record{}, fmt.Errorf("read line %d: the array does not end: %w", s.at.line, unexpected(err)))
			return
		case c == ',':
			_, _ = s.byte()
			continue
		case array && c == ']':
			_, _ = s.byte()
			if err := s.nothing(); err != nil {
				yield(Record{}, fmt.Errorf("read line %d: %w", s.at.line, err))
			}
			return
		}
		at := s.at
		buf, err = s.value(buf[:0])
		var r Record
		switch {
		case err == nil:
			r, err = s.record(buf, at)
		case errors.Is(err, errTooLong):
			err = s.bad(at, buf, err)
		default:
			yield(Record{}, fmt.Errorf("read line %d: the record does not end: %w", at.line, unexpected(err)))
			return
		}
		if !yield(r, err) {
			return
		}
	}
}

// nothing succeeds where only white space is left.
func (s *source) nothing() error {
	switch _, err := s.blank(); {
	case err == nil:
		return errors.New("there is more after the end of the array")
	case errors.Is(err, io.EOF):
		return nil
	default:
		return err
	}
}

// unexpected turns the end of a file into its unexpected end.
func unexpected(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

// blank passes over white space and returns the byte that follows, not taken.
func (s *source) blank() (byte, error) {
	for {
		c, err := s.peek()
		if err != nil || c != ' ' && c != '\t' && c != '\n' && c != '\r' {
			return c, err
		}
		if _, err := s.byte(); err != nil {
			return 0, err
		}
	}
}

// value appends the JSON value that begins here to buf: to the bracket or quote
// that closes it, or to what cannot belong to a number or word.
func (s *source) value(buf []byte) ([]byte, error) {
	depth, quoted, escaped := 0, false, false
	var size int
	for {
		c, err := s.peek()
		if err != nil {
			if errors.Is(err, io.EOF) && depth == 0 && !quoted && size > 0 {
				return buf, nil
			}
			return buf, err
		}
		separator := c == ',' || c == ']' || c == ' ' || c == '\t' || c == '\n' || c == '\r'
		if size > 0 && depth == 0 && !quoted && separator {
			break
		}
		if _, err := s.byte(); err != nil {
			return buf, err
		}
		if size++; size <= s.o.MaxRecord {
			buf = append(buf, c)
		}
		switch {
		case escaped:
			escaped = false
		case quoted && c == '\\':
			escaped = true
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '{' || c == '[':
			depth++
		case c == '}' || c == ']':
			depth--
		}
		if depth <= 0 && !quoted && (c == '}' || c == ']' || c == '"') {
			break
		}
	}
	if size > s.o.MaxRecord {
		return buf, errTooLong
	}
	return buf, nil
}
