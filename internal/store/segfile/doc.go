// Package segfile reads and writes the files of the segment store: immutable,
// checksummed, one table each.
package segfile
