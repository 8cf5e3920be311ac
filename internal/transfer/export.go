package transfer

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"vigil/internal/jsonb"
	"vigil/internal/query"
)

// Writer writes rows to a file. Close finishes the file and must be called once;
// it does not close what is underneath.
type Writer interface {
	// Row takes one row, a valid JSON object without line ends. All rows have
	// the same members in the same order.
	Row(object []byte) error
	Close() error
}

// WriterOptions are choices of writing.
type WriterOptions struct {
	// Columns are the names of the members of each row, in their order.
	Columns []string
	// Types are the types of Columns, for Parquet; what is not said is text.
	Types []query.Type
	// Spreadsheet puts ' before cells of CSV that a spreadsheet would take for a
	// formula: those that begin with =, +, -, @, a tab or a carriage return.
	Spreadsheet bool
	// Table is the name of the table in SQL and in Parquet.
	Table string
}

// NewWriter returns the writer of a format: NDJSON, CSV, SQL or Parquet.
func NewWriter(w io.Writer, f Format, o WriterOptions) (Writer, error) {
	if f == Parquet {
		return newParquetWriter(w, o)
	}
	b := bufio.NewWriterSize(w, 128<<10)
	switch f {
	case NDJSON:
		return &lineWriter{b}, nil
	case CSV:
		return newCSVWriter(b, o), nil
	case SQL:
		return newSQLWriter(b, o)
	}
	return nil, fmt.Errorf("write rows: there is no format %q: use ndjson, csv, sql or parquet", f)
}

// lineWriter writes NDJSON: the rows as they are.
type lineWriter struct{ w *bufio.Writer }

func (l *lineWriter) Row(object []byte) error {
	_, _ = l.w.Write(object) // bufio keeps the error
	return l.w.WriteByte('\n')
}

func (l *lineWriter) Close() error { return l.w.Flush() }

// csvWriter writes CSV (RFC 4180) as PostgreSQL does: null is empty, an empty
// string is "", documents and lists are JSON.
type csvWriter struct {
	w   *bufio.Writer
	o   WriterOptions
	buf []byte
}

func newCSVWriter(w *bufio.Writer, o WriterOptions) *csvWriter {
	c := &csvWriter{w: w, o: o}
	for i, name := range o.Columns {
		if i > 0 {
			c.buf = append(c.buf, ',')
		}
		c.buf = appendCell(c.buf, []byte(name), o.Spreadsheet)
	}
	c.buf = append(c.buf, '\n')
	_, _ = w.Write(c.buf)
	return c
}

func (c *csvWriter) Row(object []byte) error {
	c.buf = c.buf[:0]
	n := 0
	for name, cell := range jsonb.Members(object) {
		if n++; n > 1 {
			c.buf = append(c.buf, ',')
		}
		document := name == "event" || name == "_sender" // whose strings keep their quotes
		switch kind := jsonb.Kind(cell); {
		case document:
		case kind == 'n':
			continue
		case kind == '"':
			cell = jsonb.AppendText(nil, cell)
		}
		c.buf = appendCell(c.buf, cell, c.o.Spreadsheet)
	}
	if n != len(c.o.Columns) {
		return fmt.Errorf("write csv: a row has %d cells, and there are %d columns", n, len(c.o.Columns))
	}
	c.buf = append(c.buf, '\n')
	_, err := c.w.Write(c.buf)
	return err
}

func (c *csvWriter) Close() error { return c.w.Flush() }

// appendCell appends a cell, in quotes where it must be.
func appendCell(b, cell []byte, spreadsheet bool) []byte {
	formula := spreadsheet && len(cell) > 0 && strings.IndexByte("=+-@\t\r", cell[0]) >= 0
	if len(cell) > 0 && !bytes.ContainsAny(cell, "\",\r\n") && cell[0] != ' ' {
		if formula {
			b = append(b, '\'')
		}
		return append(b, cell...)
	}
	b = append(b, '"')
	if formula {
		b = append(b, '\'')
	}
	for _, c := range cell {
		if c == '"' {
			b = append(b, '"')
		}
		b = append(b, c)
	}
	return append(b, '"')
}

// sqlWriter writes what psql restores into a database with or without
// logserver's schema: all in one transaction, ids kept, the sequence behind
// the last one.
type sqlWriter struct {
	w     *bufio.Writer
	table string // quoted, with its schema
	last  int64
	buf   []byte
}

// errShape is the error of a row that has no place in logserver's table.
var errShape = errors.New("write sql: a row must have the columns id and event, and no others")

func newSQLWriter(w *bufio.Writer, o WriterOptions) (*sqlWriter, error) {
	if len(o.Columns) != 2 || o.Columns[0] != "id" || o.Columns[1] != "event" {
		return nil, errShape
	}
	s := &sqlWriter{w: w, table: `api."` + strings.ReplaceAll(o.Table, `"`, `""`) + `"`}
	_, _ = fmt.Fprintf(w, sqlHead, s.table, s.literal())
	return s, nil
}

// sqlHead makes what may be missing of a logserver, and leaves what is there.
const sqlHead = `-- Audit events, to be restored with: psql --file THIS DATABASE
\set ON_ERROR_STOP on
SET client_encoding = 'UTF8';
SET standard_conforming_strings = on;
BEGIN;
DO $$ BEGIN CREATE ROLE web_anon NOLOGIN; EXCEPTION WHEN duplicate_object OR insufficient_privilege THEN NULL; END $$;
DO $$ BEGIN CREATE ROLE event_logger NOLOGIN; EXCEPTION WHEN duplicate_object OR insufficient_privilege THEN NULL; END $$;
CREATE SCHEMA IF NOT EXISTS api;
CREATE TABLE IF NOT EXISTS %[1]s (id serial PRIMARY KEY, event jsonb NOT NULL);
DO $$ BEGIN
  GRANT USAGE ON SCHEMA api TO web_anon, event_logger;
  GRANT SELECT ON %[1]s TO web_anon;
  GRANT SELECT, INSERT ON %[1]s TO event_logger;
  EXECUTE 'GRANT USAGE, SELECT ON SEQUENCE ' || pg_get_serial_sequence('%[2]s', 'id') || ' TO event_logger';
EXCEPTION WHEN undefined_object OR insufficient_privilege THEN NULL; END $$;
COPY %[1]s (id, event) FROM stdin;
`

// literal is the table's name as what stands in a text of SQL.
func (s *sqlWriter) literal() string { return strings.ReplaceAll(s.table, "'", "''") }

func (s *sqlWriter) Row(object []byte) error {
	s.buf = s.buf[:0]
	n := 0
	for name, cell := range jsonb.Members(object) {
		switch n++; {
		case n == 1 && name == "id":
			id, err := strconv.ParseInt(string(cell), 10, 64)
			if err != nil {
				return errShape
			}
			s.last = max(s.last, id)
			s.buf = append(append(s.buf, cell...), '\t')
		case n == 2 && name == "event":
			s.buf = escapeCopy(s.buf, cell)
		default:
			return errShape
		}
	}
	if n != 2 {
		return errShape
	}
	s.buf = append(s.buf, '\n')
	_, err := s.w.Write(s.buf)
	return err
}

func (s *sqlWriter) Close() error {
	_, _ = io.WriteString(s.w, "\\.\n")
	if s.last > 0 {
		_, _ = fmt.Fprintf(s.w, "SELECT pg_catalog.setval(pg_catalog.pg_get_serial_sequence('%s', 'id'), greatest(%d, (SELECT max(id) FROM %s)));\n",
			s.literal(), s.last, s.table)
	}
	_, _ = io.WriteString(s.w, "COMMIT;\n")
	return s.w.Flush()
}

// escapeCopy appends text as a field of COPY's text format.
func escapeCopy(b, text []byte) []byte {
	for _, c := range text {
		switch c {
		case '\\':
			b = append(b, '\\', '\\')
		case '\n':
			b = append(b, '\\', 'n')
		case '\r':
			b = append(b, '\\', 'r')
		case '\t':
			b = append(b, '\\', 't')
		default:
			b = append(b, c)
		}
	}
	return b
}
