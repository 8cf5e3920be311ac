// Package segfile reads and writes the files of the segment store: immutable,
// checksummed, one table each.
//
// It knows nothing of manifests, merging and queries. A file is written once,
// aside, synced, renamed, and its directory synced; after that it is only read,
// with pread through a bounded [Cache], or removed. A reader takes no byte on
// trust: every piece is verified before it is decoded, and what does not verify
// is a [CorruptError] that names file, section and place.
//
// # File
//
//	header   48 bytes
//	docs     blocks of documents, one after the other
//	heads    for each block the columns of its records
//	formats  the formats that occur
//	senders  the senders that occur
//	blocks   directory of the blocks
//	footer   what the file is and where its sections are
//	trailer  32 bytes: where the footer is
//
// Sections follow each other without a gap in the order of the footer; a reader
// skips kinds that it does not know. All fixed numbers are little-endian. A sum
// is XXH64 with seed 0. A varint is that of encoding/binary: base 128, signed
// ones in zigzag.
//
// # Header
//
//	offset size
//	     0    8  "vigilseg"
//	     8    4  version, 1
//	    12    4  size of the header, 48
//	    16   16  store id
//	    32    8  reserved, zero
//	    40    8  sum of bytes 0 to 40
//
// # Trailer (the last 32 bytes)
//
//	offset size
//	     0    8  offset of the footer, which ends where the trailer begins
//	     8    4  length of the footer, at most 1 MiB
//	    12    4  version, 1
//	    16    8  sum of the footer and of bytes 0 to 16 here
//	    24    8  "vigilseg"
//
// # Footer
//
//	offset size
//	     0   16  store id
//	    16    4  number of the mapping that the index sections were made with
//	    20    8  number of records
//	    28    8  id of the first record
//	    36    8  id of the last record
//	    44    8  place in the log of the first record
//	    52    8  place in the log of the last record
//	    60    8  earliest time of receipt, microseconds since 1970
//	    68    8  latest time of receipt
//	    76    8  earliest time of occurrence; 0: no record has one
//	    84    8  latest time of occurrence
//	    92    8  reserved, zero
//	   100    8  length n of the table's name
//	   108    n  the table's name
//	 108+n    4  number of sections
//	 112+n   64  for each section:
//	         +0    2  kind: 1 docs, 2 heads, 3 formats, 4 senders, 5 blocks.
//	                  Reserved: 6 dictionary, 16 terms, 17 facts, 18 times,
//	                  19 columns, 20 erased records
//	         +2    1  codec: 0 as it is, 1 one zstd frame (RFC 8878),
//	                  2 one zstd frame for each block
//	         +3    1  reserved, zero
//	         +4    4  key id; 0: not encrypted
//	         +8    8  offset in the file
//	        +16    8  length in the file
//	        +24    8  length when decoded
//	        +32    8  sum of the bytes in the file
//	        +40   24  nonce; zero where not encrypted
//
// # Columns of integers
//
// A column is a byte and varints. 0: each value. 1: pairs of a value and the
// number of times it follows itself. The writer takes the shorter. "Differences"
// below means that each value is less the one before, the first less 0.
//
// # Block
//
// A block has up to 128 records, fewer where their documents have more than
// 128 KiB. In docs it is one zstd frame without a checksum of its own, of
//
//	lengths of the documents   column
//	the documents              bytes exactly as received
//
// In heads it is, not compressed, for n records
//
//	16n  salts
//	10n  the last 10 bytes of the UIDs
//	     ids                                                  column of differences
//	     places in the log                                    column of differences
//	     times of receipt, microseconds since 1970            column of differences
//	     first 6 bytes of the UID (milliseconds) less the
//	     time of receipt in milliseconds, rounded down        column
//	     1 where there is a time of occurrence, else 0        column
//	     time of receipt less time of occurrence, 0 for none  column of differences
//	     epochs                                               column
//	     source ids, 0 for none                               column
//	     numbers of the formats, from 0                       column
//	     numbers of the senders, from 0                       column
//
// # Formats, senders
//
//	number of values  unsigned varint
//	their lengths     column
//	their bytes
//
// # Directory of the blocks
//
//	number of blocks  unsigned varint
//	for each block    8 bytes: sum of its head; 8 bytes: sum of its documents' frame
//	numbers of records                           column
//	lengths of heads                             column of differences, as all below
//	lengths of documents' frames
//	lengths of documents' frames when decoded
//	smallest ids, largest ids
//	earliest, latest times of receipt
//	earliest, latest times of occurrence         0: none in the block
//	smallest, largest milliseconds of the UIDs
//
// # Why so
//
// Columns are kept for each block, apart from its documents: one event costs one
// small read and one block, a question about times, senders or UIDs costs a
// seventh of that, and nothing of the size of a file is ever in memory. What is
// random (salts, the tails of UIDs) is not put through a compressor.
//
// Measured on 2 shared cores, 20,000 generated events with documents of 1,005
// bytes:
//
//	level    records  bytes/event  written/s  read/s   FindUID
//	default       64        216.3    291,000  791,000    16 µs
//	default      128        208.8    281,000  970,000    19 µs
//	default      256        203.3    241,000  915,000    26 µs
//	fastest       64        216.5    372,000  923,000    17 µs
//	fastest      128        207.7    323,000  831,000    21 µs
//	fastest      256        201.6    306,000  874,000    25 µs
//
// So: fastest, 128 records. Of 207.7 bytes 174.8 are documents, 26 are salts and
// tails of UIDs, 6.6 the other columns, and 0.3 directory, names and footer. A
// dictionary would save a few bytes at the beginning of each block and cost a
// decoder for each file; its section kind is reserved.
package segfile
