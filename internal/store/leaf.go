package store

import (
	"vigil"
	"vigil/internal/ledger"
)

// LeafOf returns the leaf of a stored event whose document is kept as received.
func LeafOf(e *vigil.Event) ledger.Leaf {
	return leafOf(e, ledger.Commit(e.Salt, AppendSender(nil, e.Sender), e.Doc))
}

// LeafOfRow is [LeafOf] over the sender's stored bytes.
func LeafOfRow(r *Row) ledger.Leaf {
	return leafOf(&r.Stored, ledger.Commit(r.Stored.Salt, r.Sender, r.Stored.Doc))
}

func leafOf(e *vigil.Event, commitment ledger.Hash) ledger.Leaf {
	return ledger.Leaf{
		Epoch: e.Epoch, Table: e.Table, ID: e.ID, UID: e.UID.String(),
		Received: e.Received, Form: ledger.FormRaw, Commitment: commitment,
	}
}
