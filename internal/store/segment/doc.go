// Package segment is the embedded store: a directory with a journal, immutable
// segment files, the Merkle log's tiles and a manifest that says what counts.
//
//	append ─→ queue ─→ sequencer ─→ journal (fdatasync) ─→ head ─→ answer
//	                                                        │ 24 MiB
//	                            segments, tiles ←─ sealer ←─┘
//	                                   └─→ manifest ─→ journal files are used again
//
// # What is where
//
// An event that was acknowledged is in a frame of the journal and in a head in
// memory, or in a segment that the manifest names; for a moment in both. A
// manifest covers the log up to a size: everything below it is in the segments
// it names, everything from there on is replayed from the journal. Files that
// the manifest does not name mean nothing and are removed at opening.
//
// # Goroutines
//
// One sequencer gives places and writes the journal, one sealer writes segments
// and the manifest. Requests do their hashing before they queue. Readers take a
// snapshot under a lock that is never held while a disk is waited for.
//
// # Fairness
//
// Requests are served in the order they came. A group takes at most 1 MiB (or
// one larger request), so a bulk load delays others by a group, not by its size.
// Between two heads the sealer does a job that waits (a removal, a backup), which
// in turn seals no more than what was stable when it began: neither a writer
// without a pause nor a row of jobs keeps the other waiting for ever.
//
// docs/format.md describes every byte; this package does not index documents yet:
// a query scans, block by block, in the order asked for.
package segment
