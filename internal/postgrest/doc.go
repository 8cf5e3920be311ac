// Package postgrest is the face that speaks PostgREST's HTTP grammar over the
// tables of a store, so that what posts to and reads from uwcirg/logserver posts
// to and reads from Vigil.
//
// Statuses, headers and error bodies are those of PostgREST's development line
// after v16.2; it takes what 12.0.2 takes too. What it does otherwise stands
// below and, exchange by exchange, in the tests (ourDifferences).
//
// Beside the store's tables it has those of a database that Vigil did not make
// ([Relations]): typed columns, under the rights that the database gives the role
// of the request. Rows of these are in no log.
//
// It is not a whole PostgREST: there are no embedded resources, no functions (and so
// no computed columns and media types of their making), and nothing that changes or
// deletes a row.
//
// # Differences
//
//   - PATCH, PUT, DELETE and resolution=merge-duplicates are 405 for everybody.
//     With resolution=ignore-duplicates a row whose id is there is left out; an id
//     that is neither there nor to be had is 409, since leaving it out would lose it.
//   - A body that is no object or array of objects is refused, and objects may have
//     different keys. Cells of CSV and forms are the JSON that they say.
//   - A limit, offset or Range that cannot be read is refused, not ignored.
//   - Without an order, and where an order does not part them, rows come in id order.
//   - planned and estimated counts are exact.
//   - Errors repeat no data of a row: 23502 has no details, a bad id is not shown.
//   - Idempotency-Key (1 to 255 bytes) makes a retry harmless for seven days: the
//     same key and body of the same principal and table get the first answer, with
//     Idempotency-Replayed: true; another body is 422.
//   - A page (a limit, in id order) that may be followed by another has
//     Link: <…>; rel="next", which goes on behind its last id.
//   - POST /{table}/query answers as GET does; the body is the query string, as it
//     is (application/x-www-form-urlencoded) or as {"query": "…"}.
//   - Accept: text/event-stream follows a table live, from Last-Event-ID or since=
//     (an id or a time) on.
//   - application/x-ndjson is taken and given.
//
// Of tables beside the store's:
//
//   - A page of rows without an order comes in the order of the primary key; all rows
//     come as the database finds them.
//   - 23502, 23514 and 44000 have no details, which would be a row.
//   - A column that an object does not have gets its default where another object of
//     the array has it; with columns= it is null, or its default with missing=default.
//   - CSV and forms give a column of json or jsonb the JSON that they say.
//   - An alias of more than 63 bytes is refused, not cut.
//   - planned counts are the planner's, estimated ones exact.
//   - No Idempotency-Key, no live tail, no Link to the next page.
//   - What a trigger sets response.status and response.headers to is not looked at.
//   - The settings that policies see have neither the token nor cookies.
//
// # Streaming
//
// The first rows are computed before the status is sent, so an error has its
// status. Small answers have a Content-Length; longer ones are sent as they are
// computed, and have a Content-Range where it is known beforehand: without a
// filter, with a count, and for a full page. A failure after that cuts the
// connection: a part never looks like the whole.
package postgrest
