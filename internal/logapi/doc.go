// Package logapi is the HTTP face of the Merkle log: checkpoints and tiles for
// witnesses (C2SP tlog-tiles), proofs and exact documents for those who may
// read an event, and everything a verifier needs for auditors.
//
// It knows no way of logging in: who may do what is asked of its caller.
package logapi
