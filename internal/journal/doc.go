// Package journal is a checksummed, recycled log file: frames are appended,
// synced to the disk, replayed after a crash, and their files used again.
//
// It knows nothing of what is in a frame. The embedded store and the gateway's
// spool are built on it. It does not keep a second process out of its
// directory: whoever opens it holds a lock of their own.
//
// # What it promises
//
// A frame whose [Journal.Append] (or a later [Journal.Sync]) returned nil is
// given back by every [Journal.Replay] until it is released, in the order of
// writing and with the same [Position]. A frame whose Append did not return, or
// failed with anything but a full disk, may be given back or not. Nothing else
// is ever given back. Damage to a frame that was stable is a [CorruptError]
// with its place, never a shorter journal; the one exception is the very last
// frame, whose damage cannot be told from a write that the power cut ended.
// (A store finds that out by the rollback guard.)
//
// A failed fdatasync is never tried again: the kernel may have dropped the dirty
// pages and would report success. The journal then refuses everything until it
// is opened anew, and the replay at opening copies what the page cache may hold
// and the disk may not.
//
// # Files
//
// A directory holds, in lower-case hexadecimal of 16 digits,
//
//	<generation>.journal  frames; the highest generation is being written
//	<generation>.free     an old file kept for its blocks; its contents mean nothing
//	<generation>.tmp      a file being made; removed at the next replay
//
// Files are filled with zeros in steps of 4 MiB (at most a quarter of a file)
// before frames are put there, once; later they are written over. Overwriting allocated blocks makes
// fdatasync two to five times cheaper than appending. A file gets the name
// .journal when its header is on the disk, so a damaged header is always damage.
//
// All numbers are little-endian. sum(seed, b) is XXH64 of b with that seed.
//
// # File header (block 0 of 4096 bytes)
//
//	offset size
//	     0    8  "vigiljnl"
//	     8    4  version, 1
//	    12    4  block size, 4096
//	    16   16  store id
//	    32    8  generation
//	    40   16  nonce: random, so that nobody can make a frame fit by guessing
//	    56    8  generation of the file before this one; 0: none. Files whose
//	             generation lies between are void: their frames were copied here
//	    64    8  where the frames of the file before end
//	    72    8  sum of the last frame there (or of its file header)
//	    80    8  durable: frames before this offset were synced before the file got its name
//	    88    8  sum(0, bytes 0 to 88): the file's seed, and what the first frame follows
//	    96 4000  zero
//
// # Frame (starts at a multiple of 4096, after the header)
//
//	offset size
//	     0    4  "VJF1"
//	     4    4  length of the payload, at most 256 MiB
//	     8    8  generation of the file
//	    16    8  offset of the frame in the file
//	    24    8  position: generation in which the frame was first written
//	    32    8  position: offset at which it was first written
//	    40    8  synced: frames before this offset were stable when this one was written
//	    48    8  sum of the frame before (its bytes 64 to 72), or of the file header
//	    56    8  sum(0, payload)
//	    64    8  sum(seed, bytes 0 to 64)
//	    72    n  payload
//	   72+n      zeros up to the next multiple of 4096
//
// No two frames share a block, so a torn write hurts only the frame that was
// being written. A file has [Options].FileSize bytes; a frame that does not fit
// an empty one gets a file of its own size.
//
// # Why XXH64
//
// Files are reused without being cleared, so a replay looks at thousands of
// blocks that hold complete old frames and must take none of them. With 32 bits
// a wrong yes is a matter of enough restarts; with 64 it is not. The seed covers
// store id, generation and nonce, the sums are chained, and the sum of the
// header vouches for the header alone, so that a frame with a damaged payload
// still bears witness that everything before its synced mark had been stable.
// XXH64 runs at memory speed and is in the build already.
//
// # Replay
//
// Frames are read in order until one does not verify. That place is the end, if
// nothing shows that it had been stable; it is damage if it lies before the
// file's durable mark, before the end that the next file's header names, or
// before the synced mark of any frame header of this generation that is found
// further on (every block is looked at).
//
// Then the frames that may not be stable yet are written into a file of a new
// generation, synced, and only after that named. Where the last file holds
// little it is copied whole, so that many restarts do not make many files.
package journal
