// Package balp makes FHIR AuditEvents, of R4 or R5, of the HTTP exchanges that a
// gateway saw: those that IHE's Basic Audit Log Patterns (BALP 1.1.4) describe,
// and events of the same build for all that BALP has no pattern for.
//
// An exchange gives one event, a bundle one more for each of its entries, and by
// [Config].PerPatient an answer about several patients one for each of them.
//
// # What an event claims
//
// An event claims a profile of BALP in meta.profile only where it has all that
// the profile asks for, and where it is true: the patterns of reading, writing
// and searching are about success. What failed, was denied, undone or only
// accepted, histories, operations, bundles and whatever is no FHIR have the same
// agents and entities but claim FHIR's AuditEvent alone. The patterns of OAuth
// tokens, Minimal and Comprehensive, are claimed beside it where the gateway has
// verified the token and the server did not refuse it; Opaque never is, because
// it asks for a part of the token.
//
// Every event is valid FHIR, whatever the caller had in its strings: control
// characters and bytes that are no UTF-8 become U+FFFD, and what is no reference
// or URI is kept as an identifier or a display.
//
// # What BALP leaves open
//
// The entity of the request (XrequestId) has what no element is for as details:
// status, duration, sizes, how the caller proved who it is, what is left out and
// what the record lacks. The resources of an answer are entities whose type is
// that of the resource.
package balp
