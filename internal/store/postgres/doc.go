// Package postgres is the store in a PostgreSQL database, version 13 or later:
// monthly partitions that people can query with psql, and beside them the
// Merkle log, the idempotency keys and the facts.
//
//	append ─→ queue ─→ sequencer ─→ one transaction for each group ─→ answer
//	                       │ takes the lock of the tree's row, and follows what
//	                       └ other front ends committed meanwhile
//
// # What is where
//
// The schema api holds event tables; partitions and everything else are in the
// schema vigil. The embedded migrations make them, see [Migrate]; [Open] makes
// nothing and refuses a database that is not as it expects.
//
// # Arrays
//
// One connection of PostgreSQL is one process, whose processor is what many rows
// take. So while a large group is written, the rows of the next are copied already,
// on a second connection and under the places that they will have if all goes well.
// The commits keep their order, and each is one transaction with its tree row, see
// stage.go. A front end that is alone with its database does so, others would only
// be in each other's way.
//
// # Several front ends
//
// Any number of stores may be open on one database. The lock of the row in
// vigil.tree is the turn to write: it is taken for each group, and whoever has it
// first reads the leaf hashes that others added. A notification tells the others
// that the log has grown.
//
// # Commits whose end was not heard of
//
// When the connection breaks during a commit, the sequencer asks under the row's
// lock whether the log holds its leaves: they are salted, so nobody else's are
// equal. Only then does it answer, or write the group again.
//
// # What is committed to
//
// A logserver document is the text of its row, as jsonb prints it, unless
// [Options].KeepRaw says otherwise. The bytes of every other document are kept as
// they came: those of one that is spelled as jsonb prints it are the text of the
// row, others are in _raw.
package postgres
