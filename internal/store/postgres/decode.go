package postgres

import (
	"encoding/binary"
	"errors"
	"math"

	"vigil"
	"vigil/internal/query"
	"vigil/internal/store"
)

// epochMicros is 2000-01-01, which PostgreSQL counts from, in microseconds since 1970.
const epochMicros = 946_684_800_000_000

var errDecode = errors.New("the database sent a value that cannot be read")

// format returns how values of a type are asked for: 1 is binary.
func format(t query.Type) int16 {
	switch t {
	case query.Int4, query.Int8, query.Float8, query.Bool, query.Timestamptz, query.TextArray:
		return 1
	}
	return 0
}

// decode reads a value that was sent in its format, and is good for as long as b.
func decode(t query.Type, b []byte) (query.Value, error) {
	v := query.Value{Type: t}
	if b == nil {
		return v, nil
	}
	v.Valid = true
	switch t {
	case query.Bool:
		if len(b) != 1 {
			return v, errDecode
		}
		v.I = int64(b[0])
	case query.Int4:
		if len(b) != 4 {
			return v, errDecode
		}
		v.I = int64(int32(binary.BigEndian.Uint32(b)))
	case query.Int8, query.Timestamptz, query.Float8:
		if len(b) != 8 {
			return v, errDecode
		}
		n := int64(binary.BigEndian.Uint64(b))
		switch {
		case t == query.Float8:
			v.F = math.Float64frombits(uint64(n))
		case t == query.Timestamptz && n != math.MaxInt64 && n != math.MinInt64:
			v.I = n + epochMicros
		default:
			v.I = n
		}
	case query.TextArray:
		var err error
		v.List, err = decodeTexts(b)
		return v, err
	default:
		v.B, v.Print = b, t == query.JSONB
	}
	return v, nil
}

// decodeTexts reads the binary form of a one-dimensional text[] without nulls.
func decodeTexts(b []byte) ([]string, error) {
	if len(b) < 12 {
		return nil, errDecode
	}
	dims := binary.BigEndian.Uint32(b)
	if dims == 0 {
		return []string{}, nil
	}
	if dims != 1 || len(b) < 20 {
		return nil, errDecode
	}
	n := int(binary.BigEndian.Uint32(b[12:]))
	b = b[20:]
	if n < 0 || n > len(b)/4 {
		return nil, errDecode
	}
	out := make([]string, n)
	for i := range out {
		if len(b) < 4 {
			return nil, errDecode
		}
		size := int(int32(binary.BigEndian.Uint32(b)))
		b = b[4:]
		if size < 0 || size > len(b) {
			return nil, errDecode
		}
		out[i], b = string(b[:size]), b[size:]
	}
	return out, nil
}

// recordColumns are what a whole event is made of. The text of event is not
// sent where the received bytes are.
const recordColumns = "t.id, case when t._raw is null then t.event end, t._index, t._uid, t._received, t._format, s.body, coalesce(t._source_id, 0), t._epoch, t._salt, t._raw, t._canonical"

var recordFormats = []int16{1, 0, 1, 1, 1, 0, 0, 1, 1, 1, 1, 1}

// record reads the row of an event.
func (s *Store) record(table string, b [][]byte) (*store.Row, error) {
	if len(b) != len(recordFormats) || len(b[0]) != 8 || len(b[2]) != 8 || len(b[3]) != 16 || len(b[4]) != 8 || len(b[7]) != 8 || len(b[8]) != 4 || len(b[9]) != 16 || len(b[11]) != 1 {
		return nil, errDecode
	}
	integer := func(i int) int64 { return int64(binary.BigEndian.Uint64(b[i])) }
	doc := b[10]
	if doc == nil {
		doc = b[1]
	}
	r := &store.Row{Mapping: s.cfg.Mapping, Sender: append([]byte(nil), b[6]...)}
	r.Stored = vigil.Event{
		Table: table, ID: integer(0), Index: integer(2), UID: vigil.UID(b[3]), Received: timeOf(integer(4) + epochMicros),
		Format: vigil.Format(b[5]), SourceID: integer(7), Epoch: int(binary.BigEndian.Uint32(b[8])),
		Salt: [16]byte(b[9]), Canonical: b[11][0] != 0, Doc: append(make([]byte, 0, len(doc)), doc...),
	}
	return r, nil
}
