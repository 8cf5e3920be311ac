package ledger

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/tlog"
)

const proofHeader = "c2sp.org/tlog-proof@v1"

// Proof is a self-contained proof that an entry is in a log (C2SP tlog-proof).
type Proof struct {
	Index int64
	// Record is the leaf record, carried as the proof's extra data; it may be
	// nil. The proof itself vouches for it, since it is what gets hashed.
	Record     []byte
	Hashes     []Hash // from the leaf's sibling up
	Checkpoint []byte // the signed note
}

// Proof returns the proof that a leaf record is in the log at index, against
// the latest checkpoint. It is checked before it is given out. Where the
// checkpoint does not cover the index yet, the error wraps [ErrRange].
func (l *Log) Proof(index int64, record []byte) ([]byte, error) {
	signed, c, _ := l.latest()
	if signed == nil || index < 0 || index >= c.Size {
		return nil, fmt.Errorf("prove entry %d: no checkpoint covers it: %w", index, ErrRange)
	}
	hashes, err := l.Inclusion(index, c.Size)
	if err != nil {
		return nil, err
	}
	p := Proof{Index: index, Record: record, Hashes: hashes, Checkpoint: signed}
	if err := p.check(c, record); err != nil {
		return nil, l.damaged(fmt.Errorf("prove entry %d: the log's tiles or the event are damaged, run vigil verify: %w", index, err))
	}
	return p.AppendText(nil), nil
}

// AppendText appends the proof's text to b.
func (p Proof) AppendText(b []byte) []byte {
	b = append(b, proofHeader+"\n"...)
	if p.Record != nil {
		b = append(b, "extra "...)
		b = base64.StdEncoding.AppendEncode(b, p.Record)
		b = append(b, '\n')
	}
	b = append(b, "index "...)
	b = strconv.AppendInt(b, p.Index, 10)
	b = append(b, '\n')
	for _, h := range p.Hashes {
		b = base64.StdEncoding.AppendEncode(b, h[:])
		b = append(b, '\n')
	}
	b = append(b, '\n')
	return append(b, p.Checkpoint...)
}

// ParseProof reads a proof. It checks nothing.
func ParseProof(b []byte) (Proof, error) {
	var p Proof
	head, signed, ok := bytes.Cut(b, []byte("\n\n"))
	lines := strings.Split(string(head), "\n")
	if !ok || lines[0] != proofHeader || len(lines) < 2 || len(lines) > 70 {
		return p, errors.New("parse proof: not a " + proofHeader)
	}
	lines = lines[1:]
	if extra, ok := strings.CutPrefix(lines[0], "extra "); ok {
		record, err := base64.StdEncoding.DecodeString(extra)
		if err != nil || base64.StdEncoding.EncodeToString(record) != extra || len(lines) < 2 {
			return p, errors.New("parse proof: bad extra line")
		}
		p.Record, lines = record, lines[1:]
	}
	digits, ok := strings.CutPrefix(lines[0], "index ")
	index, err := strconv.ParseInt(digits, 10, 64)
	if !ok || err != nil || index < 0 || strconv.FormatInt(index, 10) != digits {
		return p, errors.New("parse proof: bad index line")
	}
	p.Index = index
	for _, line := range lines[1:] {
		h, err := ParseHash(line)
		if err != nil {
			return p, fmt.Errorf("parse proof: %w", err)
		}
		p.Hashes = append(p.Hashes, h)
	}
	p.Checkpoint = bytes.Clone(signed)
	return p, nil
}

// Check checks that record is in the log whose key is among the verifier keys,
// and returns the checkpoint that says so. The origin is the caller's to compare.
func (p Proof) Check(record []byte, verifiers ...string) (Checkpoint, error) {
	c, err := OpenCheckpoint(p.Checkpoint, verifiers...)
	if err != nil {
		return Checkpoint{}, fmt.Errorf("check proof: %w", err)
	}
	if err := p.check(c, record); err != nil {
		return Checkpoint{}, fmt.Errorf("check proof: %w", err)
	}
	return c, nil
}

func (p Proof) check(c Checkpoint, record []byte) error {
	if p.Index >= c.Size {
		return errors.New("the entry is past the checkpoint")
	}
	hashes := make(tlog.RecordProof, len(p.Hashes))
	for i, h := range p.Hashes {
		hashes[i] = tlog.Hash(h)
	}
	return tlog.CheckRecord(hashes, c.Size, tlog.Hash(c.Root), p.Index, tlog.Hash(HashLeaf(record)))
}

// CheckConsistency checks the proof that the log of one checkpoint extends the
// log of an older one. To and from 0, and to itself, the proof is empty.
func CheckConsistency(older, newer Checkpoint, proof []Hash) error {
	if older.Size == 0 && len(proof) == 0 {
		return nil
	}
	hashes := make(tlog.TreeProof, len(proof))
	for i, h := range proof {
		hashes[i] = tlog.Hash(h)
	}
	if err := tlog.CheckTree(hashes, newer.Size, tlog.Hash(newer.Root), older.Size, tlog.Hash(older.Root)); err != nil {
		return fmt.Errorf("check consistency: %w", err)
	}
	return nil
}
