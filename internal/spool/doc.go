// Package spool is store-and-forward: records are written to a journal on disk,
// and handed in order, as events, to a [vigil.Writer] that may be slow, away or
// wrong for as long as it likes.
//
// It is not a queue in memory with a file behind it: what it has taken is on
// disk, and memory holds only the part that will be needed soon.
//
// # What it promises
//
// A record that [Spool.Begin], [Spool.End] or [Spool.Write] took survives the
// end of the process; after [Spool.Sync] the loss of power too. Between the two
// lie one or two fdatasyncs: while somebody waits the next one starts when the
// last one ends, else at most 25 ms later. Every record
// becomes events that the Writer has taken, in the order of End and Write, or it
// is still in the spool. One that began and never ended, because the process
// did, becomes events at the next start. Nothing is ever left out; where there
// is no room, the caller waits.
//
// # Nothing twice
//
// Events go to the Writer in batches. Before a batch is sent it is written to
// the journal as it is, with a key, and synced. Until the Writer has taken it,
// the same events are sent with the same key, after a crash and by a later
// version of this program too. [Key] tells a Writer the key: one that remembers
// keys, as a store of Vigil does by its idempotency keys, adds nothing when a
// batch that it has taken comes again. (The key stands for the batch: hash the
// key, not the events, where a store wants a hash of the body.) To other Writers a batch may come twice
// after a crash. (So may one that was sent while the disk was full, since its
// key could not be written.) For a Writer that goes by the key alone
// ([Config].ByKey), only the key and which records the batch is made of are
// written: what comes under the key after a crash may be other events of the same
// records, but a record's events are taken under one key only. Before such a
// batch is halved its events are written after all, since halves of other events
// would be others.
//
// Events that the Writer refuses for good (invalid, too large, in conflict) are
// found by halving the batch, and go to the table quarantine with the reason. Each
// refusal is on disk before the halves are sent: else a Writer that takes, after a
// crash, what it refused before it, would have the first half twice.
//
// # Files
//
// A directory holds a lock, a reserve of 4 MiB that is used up when the disk is
// full, and numbered directories, the volumes: each is a
// journal (vigil/internal/journal). The highest is being written. While the
// Writer keeps up there is one. When the records that wait are more than memory
// may hold, they stay on disk only; when their turn comes a new volume is begun,
// and the old one is read from its beginning and removed. A start is the same:
// every volume that is there is an old one. And every ten minutes ([Config].Purge),
// when nothing waits, a new volume is begun and the old one removed: what was taken
// does not stay in files.
//
// A frame of a journal is a letter, a number (8 bytes, little-endian) that only
// grows, and
//
//	b  a record that began
//	e  8 bytes, the number under which it began (0: never); the record
//	w  events that were written as such
//	p  a batch before it is sent: 8 bytes, the number up to which it has
//	   everything; its key; its events
//	k  the same without its events: 8 bytes, the number up to which everything
//	   was taken before; 8 bytes, the number up to which it has everything; its
//	   key
//	r  a batch, or a part of one, that was refused for good: its key; a byte, the
//	   [vigil.Kind] of the error; its text
//	a  nothing: the batch with this number is taken
//	s  several of these, each after its length, which were written at once
package spool
