// Package remote sends lines to servers over HTTP: Elasticsearch and OpenSearch,
// Loki, Datadog, Splunk, OpenTelemetry, Seq, and anything that takes NDJSON.
//
// It is not a queue: a [Sink] sends what it is given and says how that went. Who
// calls it keeps the events and tries again (vigil/internal/sink.Follower).
//
// # What an answer means
//
// An event is done when the server said that it has it, or that it has it
// already. What the server will never take (a 400 for this very line) is found
// by halving, set aside with the reason, and then done as well. Everything else
// is waited out: servers that are away, hang, close, answer garbage, have too
// much to do, want other credentials, or send us elsewhere. Redirects are not
// followed: a log goes to the address that an operator wrote down.
//
// # Once
//
// Elasticsearch and OpenSearch know a line by its _id, which is made of the
// event's UID, so that what is sent again is there once. Loki knows it by its
// time and text. To the others a batch whose answer was lost comes twice.
package remote
