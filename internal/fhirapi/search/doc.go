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
// The second form is safe because facts and conversions follow the same mapping.
// Where a document is a FHIR AuditEvent, it relies on nothing but fhir.Convert. Of
// other documents it relies on this, and asks for nothing where it is not sure:
//
//   - id is the event's UID, and meta.lastUpdated is when it was taken, to the
//     microsecond;
//   - recorded is what the document says about when it happened, and where it says
//     nothing that can be read, when it was taken;
//   - every reference to a Patient is a value of the fact patient.
//
// # Order and pages
//
// Without _sort the newest come first, by their place in the log. The first page
// fixes the log's size, and the links to other pages carry that and the place of
// one event, so that pages stay what they were while events arrive. Links hold no
// data and need no signature: one that was changed begins elsewhere in the same
// answer.
package search
