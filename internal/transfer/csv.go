package transfer

import (
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"slices"

	"vigil/internal/jsonb"
)

// csv reads a file with a header.
func (s *source) csv(yield func(Record, error) bool) {
	bounded := &bounded{r: s.r, most: int64(s.o.MaxRecord)}
	in := csv.NewReader(bounded)
	in.ReuseRecord = true
	bounded.done = in.InputOffset
	header, err := in.Read()
	switch {
	case errors.Is(err, io.EOF):
		return
	case err != nil:
		yield(Record{}, fmt.Errorf("read the header: %w", err))
		return
	}
	header = slices.Clone(header)
	for i, name := range header {
		if slices.Contains(header[:i], name) {
			yield(Record{}, fmt.Errorf("read the header: the column %q is there twice", name))
			return
		}
	}
	event, id := slices.Index(header, "event"), slices.Index(header, "id")
	start := s.at.offset
	for {
		at := position{offset: start + in.InputOffset()}
		cells, err := in.Read()
		if errors.Is(err, io.EOF) {
			return
		}
		if len(cells) > 0 {
			line, _ := in.FieldPos(0)
			at.line = int64(line)
		}
		s.at.offset = start + in.InputOffset()
		if e, ok := errors.AsType[*csv.ParseError](err); ok {
			at.line = int64(e.StartLine)
			if !yield(Record{}, s.bad(at, joined(cells), e.Err)) {
				return
			}
			continue
		} else if err != nil {
			yield(Record{}, fmt.Errorf("read after line %d: %w", at.line, err))
			return
		}
		if !yield(s.cells(header, cells, event, id, at)) {
			return
		}
	}
}

// cells makes the record of one line.
func (s *source) cells(header, cells []string, event, id int, at position) (Record, error) {
	r := Record{Line: at.line, Offset: at.offset, Size: s.at.offset - at.offset}
	if event < 0 {
		for i, c := range cells {
			r.Doc = append(r.Doc, ',')
			r.Doc = append(jsonb.AppendString(r.Doc, header[i]), ':')
			r.Doc = jsonb.AppendString(r.Doc, c)
		}
		r.Doc[0] = '{'
		r.Doc = append(r.Doc, '}')
	} else {
		r.Doc = []byte(cells[event])
		if cells[event] == "" {
			return r, s.bad(at, joined(cells), errNoEvent)
		}
	}
	if err := jsonb.Check(r.Doc, s.o.Limits); err != nil {
		return r, s.bad(at, joined(cells), err)
	}
	if event >= 0 && id >= 0 {
		var err error
		if r.ID, r.HasID, err = parseID([]byte(cells[id])); err != nil {
			return r, s.bad(at, joined(cells), err)
		}
	}
	return r, nil
}

// joined shows the cells of a bad line.
func joined(cells []string) []byte {
	var b []byte
	for i, c := range cells {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, c...)
	}
	return b
}

// bounded ends a file in which one record goes on for more bytes than a record
// may have, such as behind a quote that is never closed.
type bounded struct {
	r    io.Reader
	most int64
	read int64
	done func() int64 // up to where records are complete
}

func (b *bounded) Read(p []byte) (int, error) {
	if b.read-b.done() > b.most {
		return 0, errTooLong
	}
	n, err := b.r.Read(p[:min(len(p), 64<<10)])
	b.read += int64(n)
	return n, err
}
