package ledger

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"
)

// Entry is one event as a verifier is given it, with all that its commitment
// is made of.
type Entry struct {
	Index  int64
	Leaf   Leaf // without Commitment, which is computed
	Salt   [16]byte
	Sender []byte // as it was committed to; empty for none
	Doc    []byte
	Erased bool // the document was removed: Leaf.Commitment is what is left of it
}

// Record appends the entry's leaf record, with the commitment made anew, to b.
func (e *Entry) Record(b []byte) []byte {
	l := e.Leaf
	if e.Erased {
		return l.AppendText(b)
	}
	l.Commitment = Commit(e.Salt, e.Sender, e.Doc)
	return l.AppendText(b)
}

// AppendJSON appends the entry as one line of JSON, the form in which a server
// hands it to verifiers. What was hashed is in base64, so that no JSON library
// can change it on the way.
func (e *Entry) AppendJSON(b []byte) []byte {
	b = append(b, `{"index":`...)
	b = strconv.AppendInt(b, e.Index, 10)
	b = append(b, `,"epoch":`...)
	b = strconv.AppendInt(b, int64(e.Leaf.Epoch), 10)
	b = append(b, `,"table":`...)
	b = strconv.AppendQuote(b, e.Leaf.Table) // a table's name has nothing that JSON quotes otherwise
	b = append(b, `,"id":`...)
	b = strconv.AppendInt(b, e.Leaf.ID, 10)
	b = append(b, `,"uid":"`...)
	b = append(b, e.Leaf.UID...)
	b = append(b, `","received":"`...)
	b = e.Leaf.Received.UTC().AppendFormat(b, leafReceived)
	b = append(b, `","form":"`...)
	b = append(b, e.Leaf.Form...)
	if e.Erased {
		b = append(b, `","erased":"`...)
		b = base64.StdEncoding.AppendEncode(b, e.Leaf.Commitment[:])
		return append(b, "\"}\n"...)
	}
	b = append(b, `","salt":"`...)
	b = base64.StdEncoding.AppendEncode(b, e.Salt[:])
	b = append(b, `","sender":"`...)
	b = base64.StdEncoding.AppendEncode(b, e.Sender)
	b = append(b, `","doc":"`...)
	b = base64.StdEncoding.AppendEncode(b, e.Doc)
	return append(b, "\"}\n"...)
}

// ParseEntry reads what [Entry.AppendJSON] wrote.
func ParseEntry(line []byte) (*Entry, error) {
	var in struct {
		Index    *int64 `json:"index"`
		Epoch    int    `json:"epoch"`
		Table    string `json:"table"`
		ID       int64  `json:"id"`
		UID      string `json:"uid"`
		Received string `json:"received"`
		Form     string `json:"form"`
		Salt     []byte `json:"salt"`
		Sender   []byte `json:"sender"`
		Doc      []byte `json:"doc"`
		Erased   []byte `json:"erased"` // the commitment of what is gone
	}
	if err := json.Unmarshal(line, &in); err != nil {
		return nil, errors.New("read entry: not a JSON object as /log/entries has it")
	}
	received, err := time.Parse(leafReceived, in.Received)
	if err != nil {
		return nil, errors.New("read entry: bad time")
	}
	erased := in.Erased != nil
	if in.Index == nil || *in.Index < 0 || !erased && len(in.Salt) != 16 {
		return nil, errors.New("read entry: no index, or no salt of 16 bytes")
	}
	if erased && (len(in.Erased) != HashSize || in.Salt != nil || in.Sender != nil || in.Doc != nil) {
		return nil, errors.New("read entry: an erased one has a commitment of 32 bytes, and nothing else")
	}
	e := &Entry{Index: *in.Index, Erased: erased, Sender: in.Sender, Doc: in.Doc, Leaf: Leaf{
		Epoch: in.Epoch, Table: in.Table, ID: in.ID, UID: in.UID, Received: received, Form: in.Form,
	}}
	if erased {
		e.Leaf.Commitment = Hash(in.Erased)
	} else {
		e.Salt = [16]byte(in.Salt)
	}
	if _, err := ParseLeaf(e.Record(nil)); err != nil {
		return nil, fmt.Errorf("read entry: %w", err)
	}
	return e, nil
}
