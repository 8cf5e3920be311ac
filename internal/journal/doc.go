// Package journal is a checksummed, recycled log file: frames are appended,
// synced to the disk, replayed after a crash, and their files used again.
//
// It knows nothing of what is in a frame. The embedded store and the gateway's
// spool are built on it.
package journal
