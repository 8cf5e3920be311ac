// Package transfer moves events in bulk between files and stores: readers and
// writers of NDJSON, JSON arrays, CSV and logserver's SQL dumps, and an import
// that may be broken off and repeated without adding anything twice.
//
// An import may also be repeated over a file that has grown: see [Import] for
// how it knows what is there.
//
// Everything streams: memory holds one record, or one chunk of records, however
// large the file is, and 24 bytes for each row that an earlier import gave a new
// id. What the events mean is not looked at.
package transfer

import (
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"iter"
	"path"
	"slices"
	"strconv"
	"strings"

	"vigil/internal/jsonb"
)

// Format is how a file holds records.
type Format string

// The formats. A record is an event, or a row: an object with the member event
// and beside it at most id and members that begin with an underscore.
const (
	NDJSON Format = "ndjson" // one record a line
	JSON   Format = "json"   // an array of records, or one after the other
	// CSV has a header. With a column event, its cells are the JSON texts of the
	// events; else each line becomes an event, an object with a member for each
	// column, in their order, and every value a string.
	CSV Format = "csv"
	// SQL is plain text from pg_dump: COPY … FROM stdin and INSERT into the
	// events table of logserver. Other statements are passed over.
	SQL Format = "sql"
	// Parquet is Apache Parquet, which is written only.
	Parquet Format = "parquet"
)

// Record is one event of a file.
type Record struct {
	ID     int64 // where HasID
	HasID  bool
	Doc    []byte // one valid JSON text; the receiver owns it
	Line   int64  // where the record begins, from 1
	Offset int64  // in bytes, from 0
	Size   int64  // bytes of the file that the record takes
}

// BadRecord is the error of one record. It does not end the file.
type BadRecord struct {
	Line, Offset int64
	Text         []byte // the record as it stands in the file, the beginning if it is long
	Err          error
}

// Error implements error. It holds nothing of the record.
func (b *BadRecord) Error() string {
	return "line " + strconv.FormatInt(b.Line, 10) + ": " + b.Err.Error()
}

// Unwrap returns the reason.
func (b *BadRecord) Unwrap() error { return b.Err }

// Options are bounds and choices of reading. The zero value has the defaults.
type Options struct {
	Table     string       // the table to take from an SQL dump; empty is events
	MaxRecord int          // bytes of one record; 0 is 16 MiB
	Limits    jsonb.Limits // of one document
}

const (
	defaultMaxRecord = 16 << 20
	maxShown         = 64 << 10 // bytes of a bad record that are kept
)

// Read streams the records of a file, once. An error of type *[BadRecord] is of one
// record, after which the next follows; any other ends the sequence.
func Read(r io.Reader, f Format, o Options) iter.Seq2[Record, error] {
	if o.MaxRecord == 0 {
		o.MaxRecord = defaultMaxRecord
	}
	if o.Table == "" {
		o.Table = "events"
	}
	read := map[Format]func(*source, func(Record, error) bool){
		NDJSON: (*source).lines, JSON: (*source).values, CSV: (*source).csv, SQL: (*source).dump,
	}[f]
	return func(yield func(Record, error) bool) {
		if read == nil {
			yield(Record{}, fmt.Errorf("read records: there is no format %q: use ndjson, json, csv or sql", f))
			return
		}
		read(newSource(r, o), yield)
	}
}

// Detect tells the format from a file's name and its first bytes; it is empty
// where they do not tell. CSV is taken for that only where the header has a
// column event: anything may look like a table.
func Detect(name string, head []byte) Format {
	switch strings.ToLower(path.Ext(name)) {
	case ".ndjson", ".jsonl":
		return NDJSON
	case ".sql":
		return SQL
	}
	head = bytes.TrimLeft(bytes.TrimPrefix(head, []byte(bom)), " \t\r\n")
	switch {
	case len(head) == 0:
		return NDJSON
	case head[0] == '[':
		return JSON
	case head[0] == '{':
		line, _, _ := bytes.Cut(head, []byte("\n"))
		if jsonb.Check(line, jsonb.Limits{}) != nil && bytes.IndexByte(head, '\n') >= 0 {
			return JSON // an object over several lines
		}
		return NDJSON
	case bytes.HasPrefix(head, []byte("--")), bytes.HasPrefix(head, []byte("/*")), head[0] == '\\':
		return SQL
	}
	word, _, _ := bytes.Cut(head, []byte(" "))
	switch strings.ToUpper(string(word)) {
	case "SET", "COPY", "INSERT", "CREATE", "BEGIN", "BEGIN;", "SELECT", "ALTER":
		return SQL
	}
	if header, err := csv.NewReader(bytes.NewReader(head)).Read(); err == nil && slices.Contains(header, "event") {
		return CSV
	}
	return ""
}

// Unreadable returns what to do about a file that begins like one that has to
// be unpacked before it can be read, nil for any other.
func Unreadable(head []byte) error {
	switch {
	case bytes.HasPrefix(head, []byte("\x1f\x8b")):
		return errors.New("the file is compressed: unpack it first, as with gunzip --keep FILE, or import what gunzip --stdout FILE prints as -")
	case bytes.HasPrefix(head, []byte("PGDMP")):
		return errors.New("the file is a dump in pg_dump's custom form: make a plain one, with pg_restore --file=plain.sql FILE, or with pg_dump --format=plain")
	}
	return nil
}

const bom = "\xef\xbb\xbf"

// record makes the record of one JSON text: an event or a row.
func (s *source) record(text []byte, at position) (Record, error) {
	r := Record{Line: at.line, Offset: at.offset, Size: s.at.offset - at.offset}
	if err := jsonb.Check(text, s.o.Limits); err != nil {
		return r, s.bad(at, text, err)
	}
	event, id, row := rowOf(text)
	if !row {
		r.Doc = bytes.Clone(bytes.TrimSpace(text))
		return r, nil
	}
	var err error
	if r.ID, r.HasID, err = parseID(id); err != nil {
		return r, s.bad(at, text, err)
	}
	if jsonb.Kind(event) == 'n' {
		return r, s.bad(at, text, errNoEvent)
	}
	r.Doc = bytes.Clone(event)
	return r, nil
}

// errNoEvent is the error of a row whose event is absent or null.
var errNoEvent = errors.New("the record has no event")

// rowOf takes a row apart; any other JSON text is none.
func rowOf(text []byte) (event, id []byte, ok bool) {
	if jsonb.Kind(text) != '{' {
		return nil, nil, false
	}
	for k, v := range jsonb.Members(text) {
		switch {
		case k == "event":
			event = v
		case k == "id":
			id = v
		case !strings.HasPrefix(k, "_"):
			return nil, nil, false
		}
	}
	return event, id, event != nil
}

// parseID reads an id; none and null are no id.
func parseID(text []byte) (id int64, has bool, err error) {
	s := strings.TrimSpace(string(text))
	if s == "" || s == "null" {
		return 0, false, nil
	}
	id, err = strconv.ParseInt(s, 10, 64)
	if err != nil || id < 1 {
		return 0, false, errors.New("the id is no whole number above zero")
	}
	return id, true, nil
}
