// Package search reads FHIR searches for AuditEvents and answers them from a
// store, whatever vocabulary the stored documents are in.
//
// It is no HTTP face and converts nothing: the caller hands over the parameters
// of a request and a function that makes an AuditEvent of an event, and gets a
// page of AuditEvents with the parameters of the pages beside it.
//
// # How a search is answered
//
// [Parse] makes a [Search] of the parameters: a list of conditions that must all
// hold. Each of them has two forms. The precise one looks at the AuditEvent as it
// was converted for the version that was asked for ([Search.Match]); the other is
// a condition over the columns of a table, made of facts and of JSON containment,
// which no matching row fails ([Search.Queries]). [Search.Run] reads the rows that
// the second one selects, newest first, and shows those for which the first holds.
//
// # What it expects of the conversion
//
// The second form is safe because facts and conversions follow the same mapping:
//
//   - A valid AuditEvent is shown as it is stored, or as fhir.Convert rewrites it.
//   - Every other one is built of the facts of its document: what its elements say
//     are facts, but for the codes that convert.Implied knows, for the client, who
//     is an agent, and for patients, who are entities. Type, action, outcome, site
//     and source are made of the first value, which is the one that columns have.
//   - id is the event's UID, and meta.lastUpdated is when it was taken, to the
//     microsecond.
//   - recorded is what the document says about when it happened, and where it says
//     nothing that can be read, when it was taken.
//
// Where that does not tell, nothing is asked of the rows, and all are converted.
// Only totals are an exception: AuditEvents that are not valid, which the FHIR face
// does not take but other ways in do, are counted by what their documents say.
//
// # Order and pages
//
// Without _sort the newest come first, by their place in the log, or, where a date
// is asked for and the store has an index, by that date. _sort by date and by
// _lastUpdated follow the order of the store; by anything else, or by several
// parameters, every match is looked at. What comes without a value is last. The first page
// fixes the log's size, and the links to other pages carry that and the place of
// one event, so that pages stay what they were while events arrive. Links hold no
// data and need no signature: one that was changed begins elsewhere in the same
// answer.
package search
