package segment

import (
	"vigil/internal/ledger"
	"vigil/internal/store"
	"vigil/internal/store/segfile"
)

// leaf computes the leaf of a stored event anew.
func (s *Store) leaf(table string, r *segfile.Record) ledger.Leaf {
	var row store.Row
	s.fill(&row, table, r)
	return store.LeafOfRow(&row)
}

// leafHash is the hash of that leaf. It uses the sequencer's buffer.
func (s *Store) leafHash(table string, r *segfile.Record) ledger.Hash {
	s.seq.leaf = s.leaf(table, r).AppendText(s.seq.leaf[:0])
	return ledger.HashLeaf(s.seq.leaf)
}
