package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"vigil/internal/config"
	"vigil/internal/ledger"
	"vigil/internal/store"
	"vigil/internal/store/segment"
)

type verifyCmd struct {
	settings
	URL     string   `name:"url" help:"Verify what a running server says, instead of a store." placeholder:"URL"`
	Token   string   `help:"Token of a role that may read all tables, or @FILE; VIGIL_TOKEN is the default." placeholder:"TOKEN"`
	Key     string   `help:"Verifier key of the log, as it was noted when the log was new, or @FILE." placeholder:"KEY"`
	Backup  bool     `help:"The store is a copy made by vigil backup, which no rollback guard knows."`
	Against []string `help:"File with an older checkpoint that the log must extend; may be given several times." placeholder:"CHECKPOINT"`
}

// evidence is a log as a store or a server presents it.
type evidence struct {
	name       string
	size       int64  // entries to be verified
	checkpoint []byte // nil: none was signed
	key        string // verifier key by the log's own word; empty: it has none
	expect     []ledger.Expect
	problems   []string // what is known to be wrong without looking at entries
	unsigned   string   // why there is nothing to compare with but checkpoints that are given
	tile       func(level int, n int64, width int) ([]byte, error)
	entries    func(ctx context.Context) iter.Seq2[*ledger.Entry, error]
	close      func() error
}

// Run makes every leaf and the root anew and compares them with what was signed.
func (c *verifyCmd) Run(ctx context.Context, std *stdio) error {
	token, rest := withoutToken(std.Env)
	if c.Token == "" {
		c.Token = token
	}
	own := *std
	own.Env = rest
	cfg, err := c.load(&own, nil)
	if err != nil {
		return err
	}
	key, err := textOrFile(c.Key)
	if err != nil {
		return usagef("--key: %w", err)
	}
	if key != "" {
		if _, err := ledger.KeyName(key); err != nil {
			return usagef("--key: %w: take all that stands behind \"log key:\" where vigil serve starts, NAME+HASH+KEY", err)
		}
	}
	e, err := c.evidence(ctx, cfg)
	if err != nil {
		return err
	}
	err = c.verify(ctx, std, e, key)
	return errors.Join(err, e.close())
}

// evidence opens the store, or reaches the server that has it open.
func (c *verifyCmd) evidence(ctx context.Context, cfg *config.Config) (*evidence, error) {
	token, err := textOrFile(c.Token)
	if err != nil {
		return nil, usagef("--token: %w", err)
	}
	if c.URL != "" {
		if c.Store != "" {
			return nil, usagef("--url and --store exclude each other")
		}
		return newRemote(c.URL, token).evidence(ctx)
	}
	dir := storeDir(cfg)
	switch {
	case cfg.IsPostgres():
	case dir == "":
		return nil, usagef("a store in memory cannot be verified here: give a running server by --url")
	default:
		if _, err := os.Stat(filepath.Join(dir, "manifest")); err != nil { // opening would make a new store
			return nil, fmt.Errorf("there is no store in %s: %w", dir, err)
		}
	}
	s, err := openHere(ctx, cfg)
	if errors.Is(err, segment.ErrLocked) {
		return newSocket(segment.SocketPath(dir)).evidence(ctx)
	}
	if err != nil {
		return nil, err
	}
	e, err := localEvidence(s, cfg)
	if err == nil && c.Backup {
		err = e.ofCopy(dir)
	}
	if err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return e, nil
}

// localEvidence presents a store that is open here.
func localEvidence(s lastingStore, cfg *config.Config) (*evidence, error) {
	size, root := s.Log().Published()
	e := &evidence{
		name: "store " + storeName(cfg), size: size, tile: s.Log().Tile, close: s.Close,
		expect: []ledger.Expect{{Name: "tree", Size: size, Root: root}},
		entries: func(ctx context.Context) iter.Seq2[*ledger.Entry, error] {
			return func(yield func(*ledger.Entry, error) bool) {
				for ev, err := range s.Entries(ctx, 0) {
					if err != nil {
						yield(nil, err)
						return
					}
					if !yield(store.EntryOf(ev), nil) {
						return
					}
				}
			}
		},
	}
	if err := s.Err(); err != nil {
		e.problems = append(e.problems, err.Error())
	}
	guarded, err := s.Guard().Load(s.StoreID())
	switch {
	case s.Err() != nil: // the guard has been heard
	case err == nil && guarded.Epoch == s.Epoch():
		e.expect = append(e.expect, ledger.Expect{Name: "rollback guard", Size: guarded.Size, Root: guarded.Root})
		if len(guarded.Checkpoint) > 0 {
			e.checkpoint = guarded.Checkpoint
		}
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		e.problems = append(e.problems, err.Error())
	case err != nil && size > 0 && cfg.IsPostgres():
		e.unsigned = fmt.Sprintf("nothing tells what was signed: there is no rollback guard of this log in %s: give the directory of its servers by --state-dir, or a checkpoint by --against", guardDir(cfg))
	}
	signer, err := ledger.LoadKey(keyPath(cfg, s))
	switch {
	case err == nil:
		e.key = signer.Verifier()
	case !errors.Is(err, fs.ErrNotExist):
		return nil, err
	}
	return e, nil
}

// ofCopy has the log of a backup compared with the checkpoint beside it. That
// the guard does not know it, or knows a later state, is what a copy is.
func (e *evidence) ofCopy(dir string) error {
	if dir == "" {
		return usagef("--backup is for copies that vigil backup made")
	}
	e.problems = nil
	note, err := os.ReadFile(filepath.Join(dir, store.BackupCheckpoint))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	e.checkpoint = note
	return err
}

// verify compares and prints.
func (c *verifyCmd) verify(ctx context.Context, std *stdio, e *evidence, pinned string) error {
	key := pinned
	if key == "" {
		key = e.key
	}
	problems := e.problems
	signed := "it is not signed yet"
	if e.checkpoint != nil {
		// A key of the same name that has not signed is another matter: see below.
		by := ledger.ClaimedSigners(e.checkpoint)
		if name, _ := ledger.KeyName(pinned); pinned != "" && len(by) > 0 && !slices.Contains(by, name) {
			return fmt.Errorf("%s: signed by %s, not by the key you gave, which is of the log %s", e.name, visible(strings.Join(by, " and ")), name)
		}
		switch cp, err := openOrRead(e.checkpoint, key); {
		case err != nil:
			problems = append(problems, "the log's checkpoint: "+err.Error())
		default:
			e.expect = append(e.expect, ledger.Expect{Name: "checkpoint", Size: cp.Size, Root: cp.Root})
			signed = fmt.Sprintf("the first %d are signed as %s", cp.Size, cp.Origin)
			if key == "" {
				signed += ", but without a key nobody can tell by whom: give --key"
			} else if pinned == "" {
				signed += ", by the log's own word: pin its key with --key"
			}
		}
	}
	older, err := c.older(key)
	if err != nil {
		return err
	}
	e.expect = append(e.expect, older...)
	if e.unsigned != "" {
		signed = "they are compared with the given checkpoints alone"
	}

	v := ledger.NewVerifier(ledger.VerifierConfig{Tile: e.tile, Size: e.size, Expect: e.expect})
	p := newProgress(std.Err, e.size)
	gone := newRemovals()
	for entry, err := range e.entries(ctx) {
		if err != nil {
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			if _, ok := errors.AsType[*unreachableError](err); ok {
				p.done()
				return fmt.Errorf("%s could not be verified: %w", e.name, err)
			}
			v.Unreadable(err)
			break
		}
		gone.add(entry)
		v.AddEntry(entry)
		p.step(v.Size())
	}
	p.done()
	for _, found := range v.Finish() {
		problems = append(problems, found.String())
	}
	if len(problems) > 0 {
		fmt.Fprintf(std.Out, "%s: NOT what was signed\n  %s\n", e.name, strings.Join(problems, "\n  "))
		return errors.New("verification has failed: keep everything as it is, and see docs/trust.md")
	}
	if e.unsigned != "" && len(older) == 0 {
		return fmt.Errorf("%s: %d entries agree with each other, but %s", e.name, v.Size(), e.unsigned)
	}
	fmt.Fprintf(std.Out, "%s: %d entries hold, root %s; %s\n", e.name, v.Size(), v.Root(), signed)
	text, unrecorded := gone.tell()
	fmt.Fprint(std.Out, text)
	for _, x := range older {
		fmt.Fprintf(std.Out, "it extends the checkpoint %s of %d entries\n", x.Name, x.Size)
	}
	return unrecorded
}

// older reads the checkpoints that the log must extend. Without a key they
// would prove nothing.
func (c *verifyCmd) older(key string) ([]ledger.Expect, error) {
	var out []ledger.Expect
	for _, path := range c.Against {
		if key == "" {
			return nil, usagef("--against needs the verifier key: give --key")
		}
		b, err := os.ReadFile(path)
		if err != nil {
			return nil, usagef("--against: %w", err)
		}
		cp, err := ledger.OpenCheckpoint(b, key)
		if err != nil {
			return nil, usagef("--against %s: %w", path, err)
		}
		out = append(out, ledger.Expect{Name: path, Size: cp.Size, Root: cp.Root})
	}
	return out, nil
}

// openOrRead opens a checkpoint, or reads it where there is no key.
func openOrRead(b []byte, key string) (ledger.Checkpoint, error) {
	if key == "" {
		return ledger.ReadCheckpoint(b)
	}
	return ledger.OpenCheckpoint(b, key)
}

// textOrFile returns the text of an argument, or of the file named after an @.
func textOrFile(s string) (string, error) {
	path, ok := strings.CutPrefix(s, "@")
	if !ok {
		return strings.TrimSpace(s), nil
	}
	b, err := os.ReadFile(path)
	return strings.TrimSpace(string(b)), err
}
