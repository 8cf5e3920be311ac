// Package vigil is the domain: what an audit event is, and the small contracts
// that everything else is made of.
//
//	bytes ─Decoder→ Event ─Writer→ [Map|Tee|…] ─Writer→ Store | sink
//	PostgREST URL ┐
//	FHIR search   ├─→ query.Query ─→ PostgreSQL (SQL) | Match (Go) ─→ Event ─Encoder→ bytes
//	UI / CLI      ┘
//
// A wire format is an [Encoder], a [Decoder] or both. A destination (a sink, a
// spool, a store, a fan-out) is a [Writer]. Everything else is composition, and
// composition happens in cmd/vigil.
//
// # Durability
//
// An event whose Write returned nil is on stable storage, in the Merkle log,
// and in every later answer, until its retention ends.
//
// This package imports only the standard library.
package vigil
