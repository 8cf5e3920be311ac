package store

import (
	"context"

	"vigil/internal/ledger"
)

// Backuper is a store that can make a copy of itself while it goes on.
type Backuper interface {
	// Backup makes dir, which must not exist or be empty, a store with all that
	// was acknowledged when it was called. Where the copy fails, what it left in
	// dir is no store. A signed checkpoint that the copy extends is beside it in
	// the file [BackupCheckpoint], if there is one. The copy has no rollback guard:
	// put in the place of the store it is noticed where that has gone on.
	Backup(ctx context.Context, dir string) (*Backup, error)
}

// BackupCheckpoint is the name of a signed checkpoint in a backup.
const BackupCheckpoint = "checkpoint"

// Backup is what was copied.
type Backup struct {
	Size       int64       `json:"size"` // of the log
	Root       ledger.Hash `json:"root"`
	Checkpoint bool        `json:"checkpoint"` // whether a signed one is beside it
	Files      int         `json:"files"`
	Bytes      int64       `json:"bytes"`
}
