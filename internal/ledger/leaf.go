package ledger

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"strconv"
	"time"
	"unicode"
	"unicode/utf8"
)

// HashSize is the length of a [Hash] in bytes.
const HashSize = sha256.Size

// Hash is a SHA-256 value: of a leaf, of a node, of a tree, or a commitment.
type Hash [HashSize]byte

// String returns the hash in standard base64, as checkpoints and proofs write it.
func (h Hash) String() string { return base64.StdEncoding.EncodeToString(h[:]) }

// ParseHash reads the form that [Hash.String] writes.
func ParseHash(s string) (Hash, error) {
	var h Hash
	b, err := base64.StdEncoding.DecodeString(s)
	if err != nil || len(b) != HashSize || base64.StdEncoding.EncodeToString(b) != s {
		return h, errors.New("parse hash: want 32 bytes in base64")
	}
	copy(h[:], b)
	return h, nil
}

// The prefixes that keep the three uses of SHA-256 apart: RFC 6962, section 2.1,
// has 0 for leaves and 1 for nodes. A commitment also starts with 1, and cannot
// be taken for a node because it is never hashed into the tree itself.
const (
	prefixLeaf       = 0x00
	prefixNode       = 0x01
	prefixCommitment = 0x01
)

// The forms in which a document is committed to.
const (
	FormRaw       = "raw"       // its exact bytes
	FormCanonical = "canonical" // its text as PostgreSQL's jsonb prints it
)

// Leaf is what the log says about one event. It names no person and holds no
// part of the document: a leaf may be shown to anybody.
type Leaf struct {
	Epoch      int
	Table      string
	ID         int64
	UID        string    // canonical text
	Received   time.Time // whole microseconds count
	Form       string    // FormRaw or FormCanonical
	Commitment Hash      // see [Commit]
}

const (
	leafHeader   = "vigil-leaf/v1"
	leafReceived = "2006-01-02T15:04:05.000000Z"
	maxLeaf      = 300 // bytes; a longer text is no leaf
	maxTable     = 63  // bytes, as PostgreSQL's names
)

// Commit returns the salted commitment to a document and to who handed it over:
// SHA-256(0x01 || salt || uint32be(len(sender)) || sender || doc). Without the
// salt nobody can test a guess of a document that was erased.
func Commit(salt [16]byte, sender, doc []byte) Hash {
	var head [1 + 16 + 4]byte
	head[0] = prefixCommitment
	copy(head[1:], salt[:])
	binary.BigEndian.PutUint32(head[17:], uint32(len(sender)))
	d := sha256.New()
	d.Write(head[:])
	d.Write(sender)
	d.Write(doc)
	var h Hash
	d.Sum(h[:0])
	return h
}

// AppendText appends the leaf record to b: seven lines, under 300 bytes.
// Spaces or line ends in Table, UID or Form would make it ambiguous; the record
// of such a leaf is refused by [ParseLeaf].
func (l Leaf) AppendText(b []byte) []byte {
	b = append(b, leafHeader+"\n"...)
	b = strconv.AppendInt(b, int64(l.Epoch), 10)
	b = append(b, '\n')
	b = append(b, l.Table...)
	b = append(b, ' ')
	b = strconv.AppendInt(b, l.ID, 10)
	b = append(b, '\n')
	b = append(b, l.UID...)
	b = append(b, '\n')
	b = l.Received.UTC().AppendFormat(b, leafReceived)
	b = append(b, '\n')
	b = append(b, l.Form...)
	b = append(b, '\n')
	b = base64.StdEncoding.AppendEncode(b, l.Commitment[:])
	return append(b, '\n')
}

// ParseLeaf reads a leaf record. It takes exactly what [Leaf.AppendText]
// writes, so that a leaf has one record only.
func ParseLeaf(record []byte) (Leaf, error) {
	var l Leaf
	if len(record) > maxLeaf {
		return l, errors.New("parse leaf: record is too long")
	}
	lines := bytes.Split(record, []byte("\n"))
	if len(lines) != 8 || string(lines[0]) != leafHeader || len(lines[7]) != 0 {
		return l, errors.New("parse leaf: not a " + leafHeader + " record of seven lines")
	}
	epoch, err := strconv.ParseInt(string(lines[1]), 10, 32)
	if err != nil || epoch < 0 {
		return l, errors.New("parse leaf: bad epoch")
	}
	table, id, ok := bytes.Cut(lines[2], []byte(" "))
	if !ok || !isTable(table) {
		return l, errors.New("parse leaf: bad table")
	}
	l.Epoch, l.Table, l.UID, l.Form = int(epoch), string(table), string(lines[3]), string(lines[5])
	if l.ID, err = strconv.ParseInt(string(id), 10, 64); err != nil {
		return l, errors.New("parse leaf: bad id")
	}
	if !isUID(l.UID) {
		return l, errors.New("parse leaf: bad uid")
	}
	if l.Received, err = time.Parse(leafReceived, string(lines[4])); err != nil {
		return l, errors.New("parse leaf: bad time")
	}
	if l.Form != FormRaw && l.Form != FormCanonical {
		return l, errors.New("parse leaf: unknown form")
	}
	if l.Commitment, err = ParseHash(string(lines[6])); err != nil {
		return l, fmt.Errorf("parse leaf: %w", err)
	}
	if !bytes.Equal(l.AppendText(make([]byte, 0, maxLeaf)), record) {
		return l, errors.New("parse leaf: not in canonical form")
	}
	return l, nil
}

// HashLeaf returns the leaf hash of a record (RFC 6962, section 2.1).
func HashLeaf(record []byte) Hash {
	var buf [1 + maxLeaf]byte
	if len(record) > maxLeaf {
		return sha256.Sum256(append([]byte{prefixLeaf}, record...))
	}
	buf[0] = prefixLeaf
	n := copy(buf[1:], record)
	return sha256.Sum256(buf[:1+n])
}

// hashNode returns the hash of a node over two subtrees (RFC 6962, section 2.1).
func hashNode(left, right *Hash) Hash {
	var buf [1 + 2*HashSize]byte
	buf[0] = prefixNode
	copy(buf[1:], left[:])
	copy(buf[1+HashSize:], right[:])
	return sha256.Sum256(buf[:])
}

// isTable reports whether b can be a table's name in a record.
func isTable(b []byte) bool {
	if len(b) == 0 || len(b) > maxTable || !utf8.Valid(b) {
		return false
	}
	return bytes.IndexFunc(b, func(r rune) bool { return unicode.IsSpace(r) || !unicode.IsPrint(r) }) < 0
}

// isUID reports whether s is a UUID in lower case with hyphens.
func isUID(s string) bool {
	if len(s) != 36 {
		return false
	}
	for i := range len(s) {
		switch c := s[i]; {
		case i == 8 || i == 13 || i == 18 || i == 23:
			if c != '-' {
				return false
			}
		case (c < '0' || c > '9') && (c < 'a' || c > 'f'):
			return false
		}
	}
	return true
}
