package segfile

import (
	"encoding/binary"
	"strconv"

	"github.com/cespare/xxhash/v2"
)

const (
	version     = 1
	magic       = "vigilseg"
	headerSize  = 48
	trailerSize = 32
	entrySize   = 64
	metaSize    = 108 // without the table's name
	maxFooter   = 1 << 20
)

var le = binary.LittleEndian

// A kind says what is in a section.
type kind uint16

// The kinds of sections. A reader skips those it does not know.
const (
	kindDocs    kind = 1 // blocks of documents
	kindHeads   kind = 2 // the columns of each block
	kindFormats kind = 3 // the formats that occur
	kindSenders kind = 4 // the senders that occur
	kindBlocks  kind = 5 // directory of the blocks
	kindDict    kind = 6 // reserved: dictionary that the documents are compressed with

	// Reserved for indexes, which can be rebuilt and are never needed to read.
	kindTerms   kind = 16 // inverted index of paths, values and words
	kindFacts   kind = 17 // facts, made with the mapping that Meta names
	kindTimes   kind = 18 // times of all records in one column
	kindColumns kind = 19 // values of paths with few different ones
	kindErased  kind = 20 // which records have been erased
)

func (k kind) String() string {
	switch k {
	case kindDocs:
		return "docs"
	case kindHeads:
		return "heads"
	case kindFormats:
		return "formats"
	case kindSenders:
		return "senders"
	case kindBlocks:
		return "blocks"
	case kindDict:
		return "dict"
	case kindTerms:
		return "terms"
	case kindFacts:
		return "facts"
	case kindTimes:
		return "times"
	case kindColumns:
		return "columns"
	case kindErased:
		return "erased"
	}
	return "section " + strconv.Itoa(int(k))
}

// A codec says how a section's bytes were made.
type codec uint8

const (
	codecPlain  codec = 0 // as they are
	codecZstd   codec = 1 // one zstd frame (RFC 8878)
	codecBlocks codec = 2 // one zstd frame for each block; the directory says where
)

// section is an entry of the footer.
type section struct {
	kind   kind
	codec  codec
	keyID  uint32 // 0: not encrypted
	off    int64
	length int64 // in the file
	raw    int64 // decoded
	sum    uint64
	nonce  [24]byte
}

func (s *section) append(b []byte) []byte {
	b = le.AppendUint16(b, uint16(s.kind))
	b = append(b, byte(s.codec), 0)
	b = le.AppendUint32(b, s.keyID)
	b = le.AppendUint64(b, uint64(s.off))
	b = le.AppendUint64(b, uint64(s.length))
	b = le.AppendUint64(b, uint64(s.raw))
	b = le.AppendUint64(b, s.sum)
	return append(b, s.nonce[:]...)
}

func decodeSection(b []byte) (s section) {
	s.kind, s.codec = kind(le.Uint16(b)), codec(b[2])
	s.keyID = le.Uint32(b[4:])
	s.off, s.length, s.raw = int64(le.Uint64(b[8:])), int64(le.Uint64(b[16:])), int64(le.Uint64(b[24:]))
	s.sum = le.Uint64(b[32:])
	copy(s.nonce[:], b[40:])
	return s
}

// Meta is what a file says about itself. Whoever writes one gives StoreID, Table
// and Mapping; the rest is found out from the records. Times are microseconds
// since 1970; MinOccurred and MaxOccurred are 0 where no record has one.
type Meta struct {
	StoreID                  [16]byte
	Table                    string // at most 255 bytes
	Mapping                  uint32 // number of the mapping that index sections were made with
	Count                    int
	FirstID, LastID          int64
	FirstIndex, LastIndex    int64 // of the first and the last record
	MinReceived, MaxReceived int64
	MinOccurred, MaxOccurred int64
}

// add counts a record, which comes after those before.
func (m *Meta) add(r *Record) {
	if m.Count == 0 {
		m.FirstID, m.FirstIndex, m.MinReceived, m.MaxReceived = r.ID, r.Index, r.Received, r.Received
	}
	m.Count++
	m.LastID, m.LastIndex = r.ID, r.Index
	m.MinReceived, m.MaxReceived = min(m.MinReceived, r.Received), max(m.MaxReceived, r.Received)
	m.MinOccurred, m.MaxOccurred = spanOccurred(m.MinOccurred, m.MaxOccurred, r.Occurred, r.Occurred)
}

func (m *Meta) append(b []byte) []byte {
	b = append(b, m.StoreID[:]...)
	b = le.AppendUint32(b, m.Mapping)
	b = le.AppendUint64(b, uint64(m.Count))
	for _, v := range []int64{
		m.FirstID, m.LastID, m.FirstIndex, m.LastIndex,
		m.MinReceived, m.MaxReceived, m.MinOccurred, m.MaxOccurred,
	} {
		b = le.AppendUint64(b, uint64(v))
	}
	b = le.AppendUint64(b, 0) // reserved
	b = le.AppendUint64(b, uint64(len(m.Table)))
	return append(b, m.Table...)
}

// decodeMeta reads what append wrote and returns the rest of b, nil if b is too
// short.
func decodeMeta(b []byte) (m Meta, rest []byte) {
	if len(b) < metaSize {
		return m, nil
	}
	copy(m.StoreID[:], b)
	m.Mapping = le.Uint32(b[16:])
	m.Count = int(le.Uint64(b[20:]))
	for i, p := range []*int64{
		&m.FirstID, &m.LastID, &m.FirstIndex, &m.LastIndex,
		&m.MinReceived, &m.MaxReceived, &m.MinOccurred, &m.MaxOccurred,
	} {
		*p = int64(le.Uint64(b[28+8*i:]))
	}
	n := le.Uint64(b[100:])
	if n > uint64(len(b)-metaSize) {
		return m, nil
	}
	m.Table = string(b[metaSize : metaSize+n])
	return m, b[metaSize+n:]
}

func appendHeader(b []byte, store [16]byte) []byte {
	b = append(b, magic...)
	b = le.AppendUint32(b, version)
	b = le.AppendUint32(b, headerSize)
	b = append(b, store[:]...)
	b = append(b, make([]byte, 8)...) // reserved
	return le.AppendUint64(b, xxhash.Sum64(b))
}

func appendFooter(b []byte, m *Meta, sections []section) []byte {
	b = m.append(b)
	b = le.AppendUint32(b, uint32(len(sections)))
	for i := range sections {
		b = sections[i].append(b)
	}
	return b
}

// appendTrailer ends a file: from here it is read.
func appendTrailer(b []byte, off int64, footer []byte) []byte {
	start := len(b)
	b = le.AppendUint64(b, uint64(off))
	b = le.AppendUint32(b, uint32(len(footer)))
	b = le.AppendUint32(b, version)
	var d xxhash.Digest
	d.ResetWithSeed(0)
	d.Write(footer)
	d.Write(b[start:])
	b = le.AppendUint64(b, d.Sum64())
	return append(b, magic...)
}
