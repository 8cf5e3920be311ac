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
)

// copyRows is from how many rows of a table on COPY takes less time than INSERT:
// it has no statement to plan, and fills pages with many rows at once, but takes
// a trip to the server of its own.
const copyRows = 64

// copyPart is how much of a COPY is handed to the connection at a time, so that
// the server works on it while the next is made.
const copyPart = 64 << 10

// copyAll inserts all args, which are those of whole rows, by one COPY.
func (in *inserter) copyAll(ctx context.Context, conn *pgconn.PgConn, args []any) error {
	if len(args) == 0 {
		return nil
	}
	sql := "copy " + in.name.Sanitize() + " (" + strings.Join(in.columns, ", ") + ") from stdin binary"
	r := &copyReader{in: in, args: args, buf: append(make([]byte, 0, copyPart+8<<10), copyHeader...)}
	defer r.end()
	_, err := conn.CopyFrom(ctx, r, sql)
	return err
}

// copyHeader begins a COPY in PostgreSQL's binary format: a signature, no flags
// and no extension (documentation of COPY, section Binary Format).
const copyHeader = "PGCOPY\n\xff\r\n\x00" + "\x00\x00\x00\x00" + "\x00\x00\x00\x00"

// copyReader gives rows in the binary format, making them as they are read.
type copyReader struct {
	mu    sync.Mutex // of reading, which pgx goes on with when a lost connection has ended its CopyFrom
	in    *inserter
	args  []any
	buf   []byte // made and not read yet: from at on
	at    int
	done  bool
	ended bool
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
func (r *copyReader) fill() (err error) {
	each := len(r.in.columns)
	for len(r.args) > 0 && len(r.buf) < copyPart {
		r.buf = binary.BigEndian.AppendUint16(r.buf, uint16(each))
		for i, v := range r.args[:each] {
			if r.buf, err = appendCell(r.buf, v, i == r.in.json); err != nil {
				return err
			}
		}
		r.args = r.args[each:]
	}
	if len(r.args) == 0 && !r.done {
		r.done = true
		r.buf = append(r.buf, 0xff, 0xff)
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
