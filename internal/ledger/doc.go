// Package ledger is a Merkle log after RFC 6962 with C2SP's formats: leaf
// records, the tree and its tiles, signed checkpoints, proofs, and the guard
// against a store that was put back to an older state.
//
// It holds no events and knows no HTTP.
package ledger
