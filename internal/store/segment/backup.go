package segment

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"vigil"
	"vigil/internal/durable"
	"vigil/internal/journal"
	"vigil/internal/ledger"
	"vigil/internal/store"
)

var _ store.Backuper = (*Store)(nil)

// backupJournal is the size of a file of the empty journal of a copy.
const backupJournal = 64 << 10

// Backup implements [store.Backuper]. Everything is sealed, so that the journal of
// the copy is empty. Files of segments never change: they are linked where dir is
// on the same file system, else copied, and so is what tiles there were.
func (s *Store) Backup(ctx context.Context, dir string) (*store.Backup, error) {
	if err := s.backupTo(dir); err != nil {
		return nil, err
	}
	b := &backup{s: s, to: layout(dir), note: s.signed()}
	err := s.do(ctx, "the backup", func() error {
		if s.manifest.Removing != nil {
			if err := s.settle(); err != nil {
				return err
			}
		}
		if err := s.sealAll(); err != nil {
			return err
		}
		b.m = s.manifest.clone()
		b.segs = slices.Concat(append(slices.Clone(s.segs), s.leaves)...)
		for _, e := range b.m.Keys { // few and small, and merges remove them
			if err := b.copyKeys(e); err != nil {
				return err
			}
		}
		return nil
	})
	if err == nil {
		err = b.finish(ctx)
	}
	if err != nil {
		return nil, fmt.Errorf("back up store %s: %w", s.opts.Dir, err)
	}
	return &b.done, nil
}

// backupTo makes the directories of a copy, or says why it cannot be there.
func (s *Store) backupTo(dir string) error {
	own, err := filepath.Abs(s.opts.Dir)
	if err != nil {
		return err
	}
	to, err := filepath.Abs(dir)
	if err != nil {
		return err
	}
	if to == own || strings.HasPrefix(to, own+string(filepath.Separator)) {
		return vigil.Errorf(vigil.Invalid, "a backup cannot lie in the store itself")
	}
	if entries, err := os.ReadDir(dir); err == nil && len(entries) > 0 {
		return vigil.Errorf(vigil.Conflict, "%s is not empty: each backup has a directory of its own", dir)
	}
	return layout(dir).make()
}

// signed returns the last checkpoint that was signed, nil if none is known.
func (s *Store) signed() []byte {
	if note := s.tree.Checkpoint(); len(note) > 0 {
		return note
	}
	g, err := s.guard.Load(s.id)
	if err != nil || g.Epoch != s.epoch {
		return nil
	}
	return g.Checkpoint
}

// backup is a copy on its way.
type backup struct {
	s    *Store
	to   layout
	note []byte
	m    *manifest
	segs []*seg
	done store.Backup
}

// finish copies what does not change any more, and the manifest last: until
// then the copy is no store.
func (b *backup) finish(ctx context.Context) error {
	for _, sg := range b.segs {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := b.copySegment(sg); err != nil {
			return fmt.Errorf("copy %s: %w", sg.File, err)
		}
	}
	for level, n := 0, b.m.Size>>8; n > 0; level, n = level+1, n>>8 {
		name := fmt.Sprintf("%d.tiles", level)
		from, err := os.Open(filepath.Join(b.s.dir.log(), name))
		if err != nil {
			return err
		}
		err = b.copy(filepath.Join(b.to.log(), name), io.LimitReader(from, n*tileBytes), n*tileBytes)
		if err := errors.Join(err, from.Close()); err != nil {
			return fmt.Errorf("copy tiles: %w", err)
		}
	}
	if err := b.makeJournal(); err != nil {
		return err
	}
	if len(b.note) > 0 {
		if err := durable.WriteFile(filepath.Join(string(b.to), store.BackupCheckpoint), b.note); err != nil {
			return err
		}
		b.done.Checkpoint = true
	}
	for _, dir := range []string{b.to.segments(), b.to.log(), b.to.journal()} {
		if err := durable.SyncDir(dir); err != nil {
			return err
		}
	}
	b.m.Journal, b.m.Purge = journalAt{}, false
	if err := b.m.write(b.to.manifest()); err != nil {
		return err
	}
	b.done.Size, b.done.Root = b.m.Size, b.m.Root
	return syncParents(string(b.to))
}

// tileBytes is a whole tile.
const tileBytes = 256 * ledger.HashSize

func (b *backup) copySegment(sg *seg) error {
	to := b.to.segment(sg.File)
	if err := os.Link(sg.file.Path(), to); err == nil {
		b.done.Files++
		b.done.Bytes += sg.Bytes
		return nil
	}
	// Another file system, or the file was merged away and is open here still.
	return b.copy(to, sg.file.Reader(), sg.Bytes)
}

func (b *backup) copyKeys(e keysEntry) error {
	from, err := os.Open(b.s.dir.segment(e.File))
	if err != nil {
		return err
	}
	st, err := from.Stat()
	if err == nil {
		err = b.copy(b.to.segment(e.File), from, st.Size())
	}
	return errors.Join(err, from.Close())
}

// copy writes a file of n bytes and makes its contents stable.
func (b *backup) copy(path string, from io.Reader, n int64) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	got, err := io.Copy(f, from)
	if err == nil && got != n {
		err = fmt.Errorf("%d bytes were read, %d expected", got, n)
	}
	if err == nil {
		err = f.Sync()
	}
	b.done.Files++
	b.done.Bytes += got
	return errors.Join(err, f.Close())
}

// makeJournal makes an empty journal, without which no store is opened.
func (b *backup) makeJournal() error {
	j, err := journal.Open(b.to.journal(), journal.Options{StoreID: b.m.id(), FileSize: backupJournal})
	if err != nil {
		return err
	}
	err = j.Replay(func(journal.Position, []byte) error { return errors.New("a new journal has frames") })
	return errors.Join(err, j.Close())
}
