package transfer

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"vigil/internal/jsonb"
)

// dump reads plain SQL: it goes from statement to statement and takes COPY and
// INSERT into the table. The table may be in the schema api, in public or in none.
func (s *source) dump(yield func(Record, error) bool) {
	d := &dumpReader{source: s, yield: yield}
	for {
		err := d.statement()
		switch {
		case errors.Is(err, io.EOF), errors.Is(err, errStopped):
			return
		case err != nil:
			yield(Record{}, fmt.Errorf("read line %d: %w", s.at.line, unexpected(err)))
			return
		}
	}
}

// errStopped says that nobody wants more records.
var errStopped = errors.New("stopped")

type dumpReader struct {
	*source
	yield func(Record, error) bool
	buf   []byte
}

// statement reads one statement, or a command of psql's.
func (d *dumpReader) statement() error {
	t, err := d.token()
	switch {
	case err != nil:
		return err
	case t.kind == meta:
		_, err := d.line(nil)
		if errors.Is(err, errTooLong) {
			return nil
		}
		return err
	case t.is(";"):
		return nil
	case t.word("COPY"):
		return d.copy()
	case t.word("INSERT"):
		return d.insert()
	}
	return d.rest(t)
}

// rest passes over the rest of a statement, of which t was the last token.
func (d *dumpReader) rest(t token) error {
	for !t.is(";") {
		var err error
		if t, err = d.token(); err != nil {
			return err
		}
	}
	return nil
}

// target reads a table's name and columns; the token after them comes back.
// Without a list the columns are those of logserver.
func (d *dumpReader) target() (ours bool, columns []string, t token, err error) {
	var name []string
	for {
		if t, err = d.token(); err != nil {
			return false, nil, t, err
		}
		name = append(name, t.identifier())
		if t, err = d.token(); err != nil || !t.is(".") {
			break
		}
	}
	last := len(name) - 1
	ours = name[last] == d.o.Table && (last == 0 || last == 1 && (name[0] == "api" || name[0] == "public"))
	if err != nil || !t.is("(") {
		return ours, []string{"id", "event"}, t, err
	}
	for !t.is(")") {
		if t, err = d.token(); err != nil {
			return ours, nil, t, err
		}
		if t.kind == word || t.kind == quotedName {
			columns = append(columns, t.identifier())
		}
	}
	t, err = d.token()
	return ours, columns, t, err
}

// copy reads COPY table (columns) FROM stdin; and its lines.
func (d *dumpReader) copy() error {
	ours, columns, t, err := d.target()
	if err != nil {
		return err
	}
	if !t.word("FROM") {
		return d.rest(t)
	}
	if t, err = d.token(); err != nil {
		return err
	}
	if !t.word("STDIN") {
		return d.rest(t)
	}
	if t, err = d.token(); err != nil {
		return err
	}
	if !t.is(";") {
		if ours {
			return errors.New("COPY has options: only its text format without options is read (dump with pg_dump's defaults)")
		}
		if err := d.rest(t); err != nil {
			return err
		}
	}
	if _, err := d.line(nil); err != nil { // what is left of the statement's line
		return err
	}
	event, id := slices.Index(columns, "event"), slices.Index(columns, "id")
	if ours && event < 0 {
		return fmt.Errorf("COPY of %s has no column event", d.o.Table)
	}
	return d.copyLines(ours, len(columns), event, id)
}

func (d *dumpReader) copyLines(ours bool, columns, event, id int) error {
	for {
		at := d.at
		var err error
		d.buf, err = d.line(d.buf[:0])
		switch {
		case errors.Is(err, errTooLong):
			if ours && !d.yield(Record{}, d.bad(at, d.buf, err)) {
				return errStopped
			}
			continue
		case err != nil:
			return fmt.Errorf("the lines of COPY do not end: %w", unexpected(err))
		case string(d.buf) == `\.`:
			return nil
		case !ours:
			continue
		}
		if !d.yield(d.copyRow(d.buf, columns, event, id, at)) {
			return errStopped
		}
	}
}

// copyRow makes the record of one line of COPY's text format.
func (d *dumpReader) copyRow(line []byte, columns, event, id int, at position) (Record, error) {
	r := Record{Line: at.line, Offset: at.offset, Size: d.at.offset - at.offset}
	fields := bytes.Split(line, []byte("\t"))
	if len(fields) != columns {
		return r, d.bad(at, line, fmt.Errorf("the line has %d columns, and %d were named", len(fields), columns))
	}
	if string(fields[event]) == `\N` {
		return r, d.bad(at, line, errNoEvent)
	}
	r.Doc = unescapeCopy(make([]byte, 0, len(fields[event])), fields[event])
	if id >= 0 && string(fields[id]) != `\N` {
		var err error
		if r.ID, r.HasID, err = parseID(fields[id]); err != nil {
			return r, d.bad(at, line, err)
		}
	}
	if err := jsonb.Check(r.Doc, d.o.Limits); err != nil {
		return r, d.bad(at, line, err)
	}
	return r, nil
}

// unescapeCopy appends a field of COPY's text format to dst as the text it
// stands for (PostgreSQL 15, COPY, "Text Format").
func unescapeCopy(dst, field []byte) []byte {
	for i := 0; i < len(field); i++ {
		c := field[i]
		if c != '\\' || i+1 == len(field) {
			dst = append(dst, c)
			continue
		}
		i++
		switch c = field[i]; {
		case strings.IndexByte("bfnrtv", c) >= 0:
			dst = append(dst, "\b\f\n\r\t\v"[strings.IndexByte("bfnrtv", c)])
		case isOctal(c):
			n, length := number(field[i:], 3, 8)
			dst = append(dst, byte(n))
			i += length - 1
		case c == 'x':
			n, length := number(field[i+1:], 2, 16)
			if length == 0 {
				dst = append(dst, c)
				continue
			}
			dst = append(dst, byte(n))
			i += length
		default:
			dst = append(dst, c)
		}
	}
	return dst
}

func isOctal(c byte) bool { return c >= '0' && c <= '7' }

// number reads at most most digits of the base at the beginning of b.
func number(b []byte, most, base int) (n, length int) {
	for length < min(most, len(b)) {
		d := strings.IndexByte("0123456789abcdef", b[length]|0x20)
		if b[length] < '0' || d < 0 || d >= base {
			break
		}
		n, length = n*base+d, length+1
	}
	return n, length
}

// insert reads INSERT INTO table (columns) VALUES (…), (…);
func (d *dumpReader) insert() error {
	t, err := d.token()
	if err != nil || !t.word("INTO") {
		return d.after(t, err)
	}
	ours, columns, t, err := d.target()
	if err != nil || !ours {
		return d.after(t, err)
	}
	for !t.word("VALUES") { // OVERRIDING SYSTEM VALUE may stand before
		if t.is(";") {
			return nil
		}
		if t, err = d.token(); err != nil {
			return err
		}
	}
	event, id := slices.Index(columns, "event"), slices.Index(columns, "id")
	if event < 0 {
		return fmt.Errorf("INSERT into %s has no column event", d.o.Table)
	}
	for {
		if t, err = d.token(); err != nil || !t.is("(") {
			return d.after(t, err) // such as ON CONFLICT DO NOTHING
		}
		at := d.at
		values, err := d.tuple()
		r := Record{Line: at.line, Offset: at.offset, Size: d.at.offset - at.offset}
		switch {
		case errors.Is(err, errTooLong):
			err = d.bad(at, nil, err)
		case err != nil:
			return err
		default:
			err = d.insertRow(&r, values, len(columns), event, id, at)
		}
		if !d.yield(r, err) {
			return errStopped
		}
		if t, err = d.token(); err != nil || !t.is(",") {
			return d.after(t, err)
		}
	}
}

// after passes over the rest of a statement unless there was an error.
func (d *dumpReader) after(t token, err error) error {
	if err != nil {
		return err
	}
	return d.rest(t)
}

// literal is a value of an INSERT.
type literal struct {
	text   []byte
	null   bool // NULL or DEFAULT
	simple bool // one literal, perhaps with a cast, and no other expression
}

// tuple reads the values up to the closing parenthesis.
func (d *dumpReader) tuple() ([]literal, error) {
	var values []literal
	var v literal
	count, size, depth := 0, 0, 0
	for {
		t, err := d.token()
		if err != nil {
			return nil, err
		}
		if size += len(t.text); size > d.o.MaxRecord {
			v.text, values = nil, nil // goes on to the end of the tuple, keeping nothing
		}
		switch {
		case t.is("("), t.is("["):
			depth++
			v.simple = false
		case depth > 0 && (t.is(")") || t.is("]")):
			depth--
		case depth > 0:
		case t.is(","), t.is(")"):
			values = append(values, v)
			if t.is(")") {
				if size > d.o.MaxRecord {
					return nil, errTooLong
				}
				return values, nil
			}
			v, count = literal{}, 0
		case count == 0:
			v = literal{text: t.text, simple: t.kind == word || t.kind == text, null: t.word("NULL") || t.word("DEFAULT")}
			count++
		case count == 1 && t.is("::"), count >= 2 && t.kind == word && v.simple: // a cast and its type
			count++
		default:
			v.simple = false
			count++
		}
	}
}

func (d *dumpReader) insertRow(r *Record, values []literal, columns, event, id int, at position) error {
	var shown []byte
	for i, v := range values {
		if i > 0 {
			shown = append(shown, ',')
		}
		shown = append(shown, v.text...)
	}
	switch {
	case len(values) != columns:
		return d.bad(at, shown, fmt.Errorf("the row has %d values, and %d columns were named", len(values), columns))
	case values[event].null:
		return d.bad(at, shown, errNoEvent)
	case !values[event].simple || id >= 0 && !values[id].simple:
		return d.bad(at, shown, errors.New("a value is an expression: only literals are read"))
	}
	r.Doc = values[event].text
	if id >= 0 && !values[id].null {
		var err error
		if r.ID, r.HasID, err = parseID(values[id].text); err != nil {
			return d.bad(at, shown, err)
		}
	}
	if err := jsonb.Check(r.Doc, d.o.Limits); err != nil {
		return d.bad(at, shown, err)
	}
	return nil
}
