package store

import (
	"vigil"
	"vigil/internal/ledger"
)

// LeafOf returns the leaf of a stored event.
func LeafOf(e *vigil.Event) ledger.Leaf {
	if e.Erased {
		return leafOf(e, e.Commitment)
	}
	return leafOf(e, ledger.Commit(e.Salt, AppendSender(nil, e.Sender), e.Doc))
}

// LeafOfRow is [LeafOf] over the sender's stored bytes.
func LeafOfRow(r *Row) ledger.Leaf {
	if r.Stored.Erased {
		return leafOf(&r.Stored, r.Stored.Commitment)
	}
	return leafOf(&r.Stored, ledger.Commit(r.Stored.Salt, r.Sender, r.Stored.Doc))
}

func leafOf(e *vigil.Event, commitment ledger.Hash) ledger.Leaf {
	return ledger.Leaf{
		Epoch: e.Epoch, Table: e.Table, ID: e.ID, UID: e.UID.String(),
		Received: e.Received, Form: FormOf(e), Commitment: commitment,
	}
}

// FormOf returns which form of a stored event's document the log commits to.
func FormOf(e *vigil.Event) string {
	if e.Canonical {
		return ledger.FormCanonical
	}
	return ledger.FormRaw
}

// EntryOfRow is [EntryOf] over the sender's stored bytes.
func EntryOfRow(r *Row) *ledger.Entry {
	leaf := leafOf(&r.Stored, r.Stored.Commitment)
	if r.Stored.Erased {
		return &ledger.Entry{Index: r.Stored.Index, Leaf: leaf, Erased: true}
	}
	return &ledger.Entry{Index: r.Stored.Index, Leaf: leaf, Salt: r.Stored.Salt, Sender: r.Sender, Doc: r.Stored.Doc}
}

// EntryOf returns a stored event as verifiers are given it. The commitment is
// left to them, where there is a document.
func EntryOf(e *vigil.Event) *ledger.Entry {
	if e.Erased {
		return &ledger.Entry{Index: e.Index, Leaf: LeafOf(e), Erased: true}
	}
	leaf := leafOf(e, ledger.Hash{})
	return &ledger.Entry{Index: e.Index, Leaf: leaf, Salt: e.Salt, Sender: AppendSender(nil, e.Sender), Doc: e.Doc}
}
