// Package fhir reads, checks, converts and prints FHIR's AuditEvent, of R4 and
// R5, as JSON and XML.
//
// A resource is a tree of [Node]s, the same for every version and notation.
// What a version allows is data: tables that a generator makes from HL7's
// StructureDefinitions and IHE's BALP profiles. [ParseJSON] and [ParseXML] read
// trees, [AppendJSON] and [AppendXML] print them, [Validate] compares a tree with
// the tables, [Convert] rewrites it for another version.
//
// The parsers take every well-formed document, so that what a sender wrote can
// be told from what it should have written: unknown members are in the tree, and
// it is Validate that reports them. The package is no server and no terminology:
// references are not resolved, and codes are checked only where the binding is
// required.
//
// # Bad input
//
// Parsers are bounded by [Limits] and keep no more than a constant factor of the
// input in memory. In XML there are no document types, so no entities but XML's
// five and nothing to expand. Nothing is fetched.
package fhir

//go:generate go run ./gen -data ../../../../shared/data/fhir
