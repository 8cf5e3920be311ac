//go:build !linux

package journal

// Sync makes the contents stable.
func (f *osFile) Sync() error { return f.File.Sync() }

// Allocate does nothing here: the zeros reserve the space.
func (f *osFile) Allocate(off, n int64) error { return nil }
