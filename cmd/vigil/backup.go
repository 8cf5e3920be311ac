package main

import (
	"context"
	"fmt"
	"path/filepath"

	"vigil/internal/store"
)

type backupCmd struct {
	settings
	To string `required:"" help:"Directory that the copy is made in; it must not exist, or be empty." placeholder:"DIR"`
}

// Help says what is copied.
func (*backupCmd) Help() string {
	return `A running server goes on meanwhile, and makes the copy itself: DIR is on its
machine, and its user must be able to write there. The copy is a store with all
that was acknowledged when the command was called, and the last signed checkpoint
beside it. Secrets and keys are not copied: jwt-secret and log.key in the
directory of the store are to be kept apart from it.

On the same file system the copy costs no space, since files of segments never
change and are linked: take it to another disk from there.`
}

// Run copies an embedded store.
func (c *backupCmd) Run(ctx context.Context, std *stdio) error {
	cfg, err := c.load(std, nil)
	if err != nil {
		return err
	}
	if cfg.IsPostgres() {
		return usagef(`%s: a database is backed up with PostgreSQL's own tools:
  pg_basebackup --wal-method=stream --checkpoint=fast --pgdata=DIR    the whole server, with its WAL archive up to the second
  pg_dump --format=directory --jobs=4 --file=DIR DATABASE             this database, as it is at one moment
and the state directory %s beside it. vigil verify --against CHECKPOINT shows
that what was restored is what was signed; docs/postgresql.md has the steps`, storeName(cfg), absolute(stateDir(cfg)))
	}
	to, err := filepath.Abs(c.To)
	if err != nil {
		return err
	}
	out, err := c.maintain(ctx, std, cfg, "backup", &upkeepRequest{To: to})
	if err != nil {
		return err
	}
	b := out.Backup
	fmt.Fprintf(std.Out, "%s: %s, root %s, in %s (%d bytes)\n", to,
		number(b.Size, "entry of the log", "entries of the log"), b.Root, number(int64(b.Files), "file", "files"), b.Bytes)
	if b.Checkpoint {
		fmt.Fprintf(std.Out, "it can be verified: vigil verify --backup --store dir:%s --key KEY --against %s\n", to, filepath.Join(to, store.BackupCheckpoint))
	}
	return nil
}
