package postgres

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"vigil/internal/store"
)

// copyRows is from how many rows of a table on COPY takes less time than INSERT:
// it has no statement to plan, and fills pages with many rows at once, but takes
// a trip to the server of its own.
const copyRows = 64

// copyPart is how much of a COPY is handed to the connection at a time, so that
// the server works on it while the next is made.
const copyPart = 64 << 10

// copyAll inserts rows by one COPY.
func (in *inserter) copyAll(ctx context.Context, conn *pgconn.PgConn, rows *rowSource) error {
	sql := "copy " + in.name.Sanitize() + " (" + strings.Join(in.columns, ", ") + ") from stdin binary"
	r := &copyReader{in: in, rows: rows, buf: append(make([]byte, 0, copyPart+8<<10), copyHeader...)}
	defer r.end()
	_, err := conn.CopyFrom(ctx, r, sql)
	if r.failed != nil { // the server's words for it would be that COPY was broken off
		return r.failed
	}
	return err
}

// rowSource yields the rows of one table of a group that has its places, each when
// it is made.
type rowSource struct {
	s     *Store
	group []*request
	table int
	facts bool // its row of facts
	at, i int  // next: request and item of it
	row   store.Row
	args  []any
}

// next returns the next row, nil after the last. It is good until the next call.
func (c *rowSource) next() ([]any, error) {
	for ; c.at < len(c.group); c.at, c.i = c.at+1, 0 {
		r := c.group[c.at]
		for ; c.i < len(r.p.Items); c.i++ {
			if r.p.Items[c.i].Table.Number != c.table {
				continue
			}
			row, err := r.rows.at(c.i)
			if err != nil {
				return nil, err
			}
			r.p.Row(c.i, &c.row)
			if c.facts {
				c.args = appendFacts(c.args[:0], &c.row.Stored, row, c.s.mapping)
			} else {
				c.args = appendEvent(c.args[:0], &c.row.Stored, r.p.Items[c.i].Salt[:], row)
			}
			c.i++
			return c.args, nil
		}
	}
	return nil, nil
}

// copyGroup copies the rows of a group into the tables where they are enough for it
// to pay, and gives the others to tables, to be inserted.
func (s *Store) copyGroup(ctx context.Context, conn *pgconn.PgConn, group []*request, tables []*table) error {
	counts, copied := make([]int, len(tables)), make([]bool, len(tables))
	for _, r := range group {
		for i := range r.p.Items {
			counts[r.p.Items[i].Table.Number]++
		}
	}
	for n, t := range tables {
		if copied[n] = counts[n] >= copyRows; !copied[n] {
			continue
		}
		if err := t.events.copyAll(ctx, conn, &rowSource{s: s, group: group, table: n}); err != nil {
			return err
		}
		if err := t.facts.copyAll(ctx, conn, &rowSource{s: s, group: group, table: n, facts: true}); err != nil {
			return err
		}
	}
	return s.enlist(group, tables, copied)
}

// copyHeader begins a COPY in PostgreSQL's binary format: a signature, no flags
// and no extension (documentation of COPY, section Binary Format).
const copyHeader = "PGCOPY\n\xff\r\n\x00" + "\x00\x00\x00\x00" + "\x00\x00\x00\x00"

// copyReader gives rows in the binary format, making them as they are read.
type copyReader struct {
	mu    sync.Mutex // of reading, which pgx goes on with when a lost connection has ended its CopyFrom
	in    *inserter
	rows  *rowSource
	buf   []byte // made and not read yet: from at on
	at    int
	done  bool
	ended bool

	failed error // why there is no next row
}

// end lets the reader touch its rows no more.
func (r *copyReader) end() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.ended = true
}

// Read implements [io.Reader].
func (r *copyReader) Read(p []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.ended {
		return 0, io.ErrClosedPipe
	}
	if r.at == len(r.buf) {
		if r.done {
			return 0, io.EOF
		}
		r.buf, r.at = r.buf[:0], 0
	}
	if r.at == 0 {
		if err := r.fill(); err != nil {
			return 0, err
		}
	}
	n := copy(p, r.buf[r.at:])
	r.at += n
	return n, nil
}

// fill makes further rows, and the end behind the last.
func (r *copyReader) fill() error {
	for !r.done && len(r.buf) < copyPart {
		cells, err := r.rows.next()
		if err != nil {
			r.failed = err
			return err
		}
		if cells == nil {
			r.done = true
			r.buf = append(r.buf, 0xff, 0xff)
			break
		}
		r.buf = binary.BigEndian.AppendUint16(r.buf, uint16(len(cells)))
		for i, v := range cells {
			if r.buf, err = appendCell(r.buf, v, i == r.in.json); err != nil {
				r.failed = err
				return err
			}
		}
	}
	return nil
}

// The OIDs of the elements of arrays.
const (
	int8OID = 20
	textOID = 25
)

// micros2000 is when PostgreSQL's times begin, in microseconds since 1970.
const micros2000 = 946_684_800_000_000

// appendCell appends a value with its length as the type of its column sends it:
// int8 for int64, int4 for int, timestamptz for times, bytea for bytes unless
// they are jsonb. What is nil is null.
func appendCell(b []byte, v any, jsonb bool) ([]byte, error) {
	at := len(b)
	b = append(b, 0, 0, 0, 0)
	null := false
	switch v := v.(type) {
	case nil:
		null = true
	case int64:
		b = binary.BigEndian.AppendUint64(b, uint64(v))
	case int:
		b = binary.BigEndian.AppendUint32(b, uint32(int32(v)))
	case bool:
		b = append(b, byte(btoi(v)))
	case string:
		b = append(b, v...)
	case [16]byte:
		b = append(b, v[:]...)
	case time.Time:
		b = binary.BigEndian.AppendUint64(b, uint64(v.UnixMicro()-micros2000))
	case []byte:
		if null = v == nil; jsonb {
			b = append(b, 1) // version of the format
		}
		b = append(b, v...)
	case []int64:
		b = appendArray(b, int8OID, len(v))
		for _, n := range v {
			b = binary.BigEndian.AppendUint64(append(b, 0, 0, 0, 8), uint64(n))
		}
	case []string:
		b = appendArray(b, textOID, len(v))
		for _, s := range v {
			b = append(binary.BigEndian.AppendUint32(b, uint32(len(s))), s...)
		}
	default:
		return nil, fmt.Errorf("copy a value of type %T", v)
	}
	size := len(b) - at - 4
	if null {
		b, size = b[:at+4], -1
	}
	binary.BigEndian.PutUint32(b[at:], uint32(int32(size)))
	return b, nil
}

// appendArray appends what stands before the elements of an array without nulls
// that has one dimension, from 1 on, or none.
func appendArray(b []byte, oid uint32, n int) []byte {
	dimensions := uint32(min(n, 1))
	b = binary.BigEndian.AppendUint32(b, dimensions)
	b = binary.BigEndian.AppendUint32(b, 0)
	b = binary.BigEndian.AppendUint32(b, oid)
	if n > 0 {
		b = binary.BigEndian.AppendUint32(b, uint32(n))
		b = binary.BigEndian.AppendUint32(b, 1)
	}
	return b
}
