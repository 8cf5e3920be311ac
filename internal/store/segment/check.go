package segment

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"

	"vigil/internal/journal"
	"vigil/internal/ledger"
	"vigil/internal/store"
	"vigil/internal/store/segfile"
)

// Problem is something that [Check] found.
type Problem struct {
	File     string
	Text     string
	Harmless bool // the next start puts it right
}

// String returns the problem in one line.
func (p Problem) String() string { return p.File + ": " + p.Text }

// Report is what [Check] found.
type Report struct {
	Problems []Problem
	Removed  int64 // entries of the log whose documents were removed
}

// Progress says how far a [Check] is.
type Progress struct {
	What        string // files, or events
	Done, Total int64
}

// checker collects problems.
type checker struct {
	o        Options
	c        store.Config
	dir      layout
	progress func(Progress)
	problems []Problem

	removed    int64
	unfinished bool // the first start has not finished: there are no events
}

func (k *checker) report(file, format string, args ...any) {
	k.problems = append(k.problems, Problem{File: file, Text: fmt.Sprintf(format, args...)})
}

func (k *checker) damaged() bool {
	for _, p := range k.problems {
		if !p.Harmless {
			return true
		}
	}
	return false
}

// Check verifies every checksum of the store in o.Dir, and, if those are right,
// computes every leaf again from the events and compares the log with it, and with
// the rollback guard. It returns what is wrong; an error is why it could not look.
// A store that another process has open is [ErrLocked]. A nil progress is fine.
//
// A store whose files verify has its journal replayed, as a start does: frames
// that may be in the page cache only are written to a new file. Check changes
// nothing else.
func Check(ctx context.Context, o Options, c store.Config, progress func(Progress)) (Report, error) {
	if progress == nil {
		progress = func(Progress) {}
	}
	k := &checker{o: o.withDefaults(), c: c, dir: layout(o.Dir), progress: progress}
	if _, err := os.Stat(o.Dir); err != nil {
		return Report{}, fmt.Errorf("check store: %w", err)
	}
	if err := k.files(ctx); err != nil {
		return Report{}, fmt.Errorf("check store: %w", err)
	}
	if k.unfinished || k.damaged() {
		return Report{Problems: k.problems}, nil
	}
	if err := k.events(ctx); err != nil {
		return Report{}, fmt.Errorf("check store: %w", err)
	}
	return Report{k.problems, k.removed}, nil
}

// files verifies what can be verified of each file alone.
func (k *checker) files(ctx context.Context) error {
	lock, err := lockDir(k.dir)
	if err != nil {
		return err
	}
	defer unlockDir(lock)
	m, err := readManifest(k.dir.manifest())
	if err != nil {
		k.report(k.dir.manifest(), "%v", err)
		return nil
	}
	if m.State == stateNew {
		k.unfinished = true
		k.problems = append(k.problems, Problem{
			File: k.dir.manifest(), Text: "the first start has not finished; the next start begins again", Harmless: true,
		})
		return nil
	}
	left, err := k.dir.leftovers(m)
	if err != nil {
		k.report(k.dir.segments(), "%v", err)
	}
	for _, name := range left {
		k.problems = append(k.problems, Problem{
			File: k.dir.segment(name), Text: "the manifest does not name it; the next start removes it", Harmless: true,
		})
	}
	cache, err := segfile.NewCache(defaultCache)
	if err != nil {
		return err
	}
	s := &Store{dir: k.dir, cache: cache, manifest: m}
	if s.Reader, err = catalogReader(k.c); err != nil {
		return err
	}
	if m.Removing != nil {
		k.problems = append(k.problems, Problem{
			File: k.dir.manifest(), Text: "documents were about to be removed; the next start goes on with that, or gives it up if the log has no record of it", Harmless: true,
		})
	}
	all := slices.Concat(m.Segments, m.Removed)
	for i, e := range all {
		if err := ctx.Err(); err != nil {
			return err
		}
		k.segment(s, e)
		k.progress(Progress{"files", int64(i + 1), int64(len(all))})
	}
	for _, e := range m.Keys {
		if _, err := s.readKeys(e); err != nil {
			k.report(k.dir.segment(e.File), "%v", err)
		}
	}
	k.journal(m)
	return nil
}

func catalogReader(c store.Config) (*store.Reader, error) {
	cat, err := store.NewCatalog(c)
	return &store.Reader{Catalog: cat}, err
}

func (k *checker) segment(s *Store, e segmentEntry) {
	sg, err := s.openSegment(e, s.manifest.id())
	if err == nil {
		err = sg.file.Check()
		sg.file.Close()
	}
	if err != nil {
		k.report(k.dir.segment(e.File), "%v", err)
	}
}

func (k *checker) journal(m *manifest) {
	if has, err := k.dir.hasJournal(); err != nil || !has {
		k.report(k.dir.journal(), "there is no journal")
		return
	}
	j, err := journal.Open(k.dir.journal(), journal.Options{StoreID: m.id()})
	if err != nil {
		k.report(k.dir.journal(), "%v", err)
		return
	}
	j.Close()
}

// events opens the store as a start would, and computes its log again.
func (k *checker) events(ctx context.Context) error {
	s, err := open(k.o, k.c, toCheck)
	if err != nil {
		k.report(k.dir.manifest(), "%v", err)
		return nil
	}
	defer s.release()
	size, root := s.tree.Published()
	expect := []ledger.Expect{{Name: "log's state", Size: size, Root: root}}
	if none, ok := errors.AsType[*ledger.NoGuardError](s.rollback); ok {
		k.report(none.File, "the store has no rollback guard: put it back, or vigil recover opens a new epoch")
	} else if s.rollback != nil {
		k.report(k.o.Guard, "%v", errors.Unwrap(s.rollback))
	} else if g, err := s.guard.Load(s.id); err == nil && g.Epoch == s.epoch {
		expect = append(expect, ledger.Expect{Name: "rollback guard", Size: g.Size, Root: g.Root})
	}
	v := ledger.NewVerifier(ledger.VerifierConfig{Tile: s.tree.Tile, Size: size, Expect: expect})
	for row, err := range s.entries(ctx, 0, size) {
		if err != nil {
			if cerr := ctx.Err(); cerr != nil {
				return cerr
			}
			k.reportRead(err)
			return nil
		}
		v.AddEntry(store.EntryOfRow(row))
		if row.Stored.Erased {
			k.removed++
		}
		if at := row.Stored.Index + 1; at%4096 == 0 || at == size {
			k.progress(Progress{"events", at, size})
		}
	}
	for _, p := range v.Finish() {
		k.report(k.dir.log(), "%v", p)
	}
	return nil
}

func (k *checker) reportRead(err error) {
	file := k.dir.segments()
	if d, ok := errors.AsType[*DamageError](err); ok {
		file = d.File
	}
	k.report(file, "%v", err)
}
