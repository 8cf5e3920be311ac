// Package gateway records HTTP requests to a FHIR server: as net/http middleware
// ([Gateway.Wrap]) or as a reverse proxy ([Gateway.Proxy]). Every request that
// passes leaves one [vigil.Exchange], the refused, failed and aborted ones too,
// and an exchange becomes events for a [vigil.Writer].
//
// It does not make AuditEvents (hand [ReaderConfig].Events a function that
// does), it does not decide who may do what, and it changes nothing about the
// answers.
//
// # What the request waits for
//
// Nothing in the path of a request parses a body. What passes is copied, up to a
// bound; the copy is read afterwards ([Reader.Events]), in the background. What
// is known of the request is handed to the [Spool] before the request goes
// upstream, and again, with the answer, before the handler returns.
//
// How sure the record must be is a [Mode], chosen for each request:
//
//   - [Spooled], the default: the record survives the end of the process. A full
//     spool makes requests wait.
//   - [Strict]: it survives the loss of power, or the request is refused.
//   - [BestEffort]: the request goes on whatever happens. Records that are lost
//     are counted, and the count is an event.
//
// Without a Spool, records wait in memory, so that they do not survive the
// process; Strict is then refused by [New].
//
// # What is never recorded
//
// Tokens, passwords and the values of query parameters that carry them. Of a
// bearer token its claims are kept, of HTTP Basic the user's name.
package gateway
