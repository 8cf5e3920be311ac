// Package forward hands events to another Vigil over HTTP: a [vigil.Writer] that
// posts them to the tables of its API.
//
// It is not a queue: what cannot be handed over is an error, and the caller, a
// spool as a rule, keeps the events and comes again.
//
// # Nothing twice
//
// Each request has an Idempotency-Key, made of the batch's key and the table's
// name, so that a batch that comes again, because the answer was lost or one of
// the two processes ended, adds nothing. Whether all or none of a batch is taken
// holds for events of one table: hand over batches of one table each
// (spool.Config.ByTable).
//
// # Errors
//
// What the other Vigil refuses for good has the kind that a spool puts into
// quarantine for: [vigil.Invalid], [vigil.Conflict], [vigil.TooLarge],
// [vigil.Unsupported], [vigil.Unprocessable]. All else is for another attempt: a
// token that is refused and a table that is missing too, since an operator can
// mend both without losing an event.
package forward
