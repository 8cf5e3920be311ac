package ledger

// Log is one Merkle log.
type Log struct{}
