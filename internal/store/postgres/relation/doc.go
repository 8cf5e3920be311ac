// Package relation reads from and inserts into tables and views of a PostgreSQL
// database that Vigil did not make, under the rights of whoever asks.
//
// Every request is one transaction that begins as PostgREST's do: it acts as
// the requester's role, and settings tell policies and triggers who that is and
// what was asked (request.jwt.claims, request.method, request.path,
// request.headers). So row level security, column grants and defaults hold as
// the database says. Credentials are never among those settings.
//
// Statements are made from the catalogue, which is read again when somebody
// says so, now and then, and when a statement shows that it is old: names of
// tables, columns, types and keys are the catalogue's, quoted, and every value
// is a parameter whose type the server finds, so that the server does all
// checking. The one name that comes from a request is an alias, which is quoted
// and bounded.
//
// These tables are outside of the log: nothing here is immutable or proven.
package relation
