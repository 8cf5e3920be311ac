package segfile

import "fmt"

// A CorruptError says where a file is damaged.
type CorruptError struct {
	File    string // path as it was opened
	Section string // header, footer, docs, heads, …
	Offset  int64  // in bytes from the beginning of the file, of what does not verify
	Reason  string
}

func (e *CorruptError) Error() string {
	return fmt.Sprintf("segment file %s is damaged in its %s at byte %d: %s; restore the file from a backup",
		e.File, e.Section, e.Offset, e.Reason)
}
