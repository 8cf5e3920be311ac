// Package vigil is the domain: what an audit event is, and the small contracts
// that everything else is made of.
//
//	bytes ─→ Event ─Writer→ [Map|Tee|…] ─Writer→ Store | sink ─→ lines
//	PostgREST URL ┐
//	FHIR search   ├─→ query.Query ─→ PostgreSQL (SQL) | Match (Go) ─→ Event ─→ bytes
//	UI / CLI      ┘
//
// A document is kept as its bytes; what it says is read by a [Mapping]. A
// destination (a sink, a spool, a store, a fan-out) is a [Writer]. Everything else
// is composition, and composition happens in cmd/vigil.
//
// # Durability
//
// An event whose Write returned nil is on stable storage, in the Merkle log,
// and in every later answer, until its retention ends.
//
// This package imports only the standard library.
package vigil
