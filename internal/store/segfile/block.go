package segfile

import (
	"encoding/binary"
	"math"
)

// Record is one event as a segment keeps it. Times are microseconds since 1970.
type Record struct {
	ID, Index int64
	UID, Salt [16]byte
	Received  int64
	Occurred  int64 // 0: none
	SourceID  int64 // 0: none
	Epoch     int
	Format    string
	Sender    []byte
	Doc       []byte
}

const (
	saltSize = 16
	uidTail  = 10 // of a UID, after the 48 bits of milliseconds
)

// codes finds the number of a value among those that occur in a file.
type codes struct {
	byValue map[string]int64
	values  []string
}

func (c *codes) code(v string) int64 {
	n, ok := c.byValue[v]
	if !ok {
		n = int64(len(c.values))
		if c.byValue == nil {
			c.byValue = map[string]int64{}
		}
		c.byValue[v] = n
		c.values = append(c.values, v)
	}
	return n
}

func (c *codes) bytesCode(v []byte) int64 {
	if n, ok := c.byValue[string(v)]; ok {
		return n
	}
	return c.code(string(v))
}

// append appends the values: how many, the lengths, the bytes.
func (c *codes) append(b []byte) []byte {
	b = binary.AppendUvarint(b, uint64(len(c.values)))
	lengths := make([]int64, len(c.values))
	for i, v := range c.values {
		lengths[i] = int64(len(v))
	}
	b = appendInts(b, lengths)
	for _, v := range c.values {
		b = append(b, v...)
	}
	return b
}

// readValues reads what codes.append wrote, which is no more than limit values;
// nil if it is damaged. The values share b's memory.
func readValues(b []byte, limit int) [][]byte {
	n, used := binary.Uvarint(b)
	if used <= 0 || n > uint64(limit) {
		return nil
	}
	lengths := make([]int64, n)
	if b = readInts(b[used:], lengths); b == nil {
		return nil
	}
	return split(b, lengths)
}

// split cuts b into pieces of the lengths, which use all of it; else nil.
func split(b []byte, lengths []int64) [][]byte {
	out := make([][]byte, len(lengths))
	for i, l := range lengths {
		if l < 0 || l > int64(len(b)) {
			return nil
		}
		out[i], b = b[:l:l], b[l:]
	}
	if len(b) != 0 {
		return nil
	}
	return out
}

// uidMillis returns the first 48 bits of a UID: its milliseconds.
func uidMillis(u *[16]byte) int64 { return int64(binary.BigEndian.Uint64(u[:8]) >> 16) }

// floorMillis is the millisecond of a time in microseconds.
func floorMillis(us int64) int64 {
	ms := us / 1000
	if us%1000 < 0 {
		ms--
	}
	return ms
}

// appendHead appends the columns of a block's records: salts and the random
// part of the UIDs as they are, then columns of integers.
func appendHead(dst []byte, recs []Record, formats, senders *codes, tmp []int64) []byte {
	for i := range recs {
		dst = append(dst, recs[i].Salt[:]...)
	}
	for i := range recs {
		dst = append(dst, recs[i].UID[16-uidTail:]...)
	}
	tmp = tmp[:len(recs)]
	column := func(delta bool, value func(r *Record) int64) {
		for i := range recs {
			tmp[i] = value(&recs[i])
		}
		if delta {
			differences(tmp)
		}
		dst = appendInts(dst, tmp)
	}
	column(true, func(r *Record) int64 { return r.ID })
	column(true, func(r *Record) int64 { return r.Index })
	column(true, func(r *Record) int64 { return r.Received })
	column(false, func(r *Record) int64 { return uidMillis(&r.UID) - floorMillis(r.Received) })
	column(false, func(r *Record) int64 { return flag(r.Occurred != 0) })
	column(true, func(r *Record) int64 {
		if r.Occurred == 0 {
			return 0
		}
		return r.Received - r.Occurred
	})
	column(false, func(r *Record) int64 { return int64(r.Epoch) })
	column(false, func(r *Record) int64 { return r.SourceID })
	column(false, func(r *Record) int64 { return formats.code(r.Format) })
	column(false, func(r *Record) int64 { return senders.bytesCode(r.Sender) })
	return dst
}

func flag(b bool) int64 {
	if b {
		return 1
	}
	return 0
}

// names are the values that the columns of a file refer to by number.
type names struct {
	formats []string
	senders [][]byte
}

// readHead undoes appendHead for n records. It returns nil for a damaged head.
func readHead(b []byte, n int, names *names) []Record {
	if n < 0 || len(b) < n*(saltSize+uidTail) {
		return nil
	}
	recs := make([]Record, n)
	for i := range recs {
		copy(recs[i].Salt[:], b[i*saltSize:])
	}
	b = b[n*saltSize:]
	for i := range recs {
		copy(recs[i].UID[16-uidTail:], b[i*uidTail:][:uidTail])
	}
	b = b[n*uidTail:]
	vals, occurs := make([]int64, n), make([]int64, n)
	good := true
	column := func(set func(r *Record, v int64) bool, delta bool) {
		if b == nil {
			return
		}
		if b = readInts(b, vals); b == nil {
			return
		}
		if delta {
			sums(vals)
		}
		for i, v := range vals {
			good = set(&recs[i], v) && good
		}
	}
	column(func(r *Record, v int64) bool { r.ID = v; return true }, true)
	column(func(r *Record, v int64) bool { r.Index = v; return true }, true)
	column(func(r *Record, v int64) bool { r.Received = v; return true }, true)
	column(setUIDMillis, false)
	if b != nil {
		b = readInts(b, occurs)
	}
	column(func(r *Record, v int64) bool { r.Occurred = r.Received - v; return true }, true)
	for i := range occurs {
		if occurs[i] == 0 {
			recs[i].Occurred = 0
		}
	}
	column(func(r *Record, v int64) bool { r.Epoch = int(v); return v >= 0 && v <= math.MaxInt32 }, false)
	column(func(r *Record, v int64) bool { r.SourceID = v; return true }, false)
	column(names.setFormat, false)
	column(names.setSender, false)
	if !good || b == nil || len(b) != 0 {
		return nil
	}
	return recs
}

func setUIDMillis(r *Record, v int64) bool {
	ms := v + floorMillis(r.Received)
	r.UID[0], r.UID[1], r.UID[2] = byte(ms>>40), byte(ms>>32), byte(ms>>24)
	r.UID[3], r.UID[4], r.UID[5] = byte(ms>>16), byte(ms>>8), byte(ms)
	return ms >= 0 && ms < 1<<48
}

func (n *names) setFormat(r *Record, v int64) bool {
	if v < 0 || v >= int64(len(n.formats)) {
		return false
	}
	r.Format = n.formats[v]
	return true
}

func (n *names) setSender(r *Record, v int64) bool {
	if v < 0 || v >= int64(len(n.senders)) {
		return false
	}
	r.Sender = n.senders[v]
	return true
}

// appendDocs appends a block of documents: the lengths, the bytes.
func appendDocs(dst []byte, recs []Record, tmp []int64) []byte {
	tmp = tmp[:len(recs)]
	for i := range recs {
		tmp[i] = int64(len(recs[i].Doc))
	}
	dst = appendInts(dst, tmp)
	for i := range recs {
		dst = append(dst, recs[i].Doc...)
	}
	return dst
}

// setDocs gives the records the documents of a block, which share b's memory. It
// reports whether the block is one of that many documents.
func setDocs(b []byte, recs []Record) bool {
	lengths := make([]int64, len(recs))
	if b = readInts(b, lengths); b == nil {
		return false
	}
	docs := split(b, lengths)
	for i, d := range docs {
		recs[i].Doc = d
	}
	return docs != nil
}
