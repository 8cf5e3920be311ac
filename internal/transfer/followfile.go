package transfer

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"

	"vigil/internal/durable"
)

// place is how far a [Follow] has come, as its cursor has it.
type place struct {
	File   string `json:"file"`          // a name for the file that no other has
	Offset int64  `json:"offset"`        // bytes that were taken
	End    int64  `json:"end,omitempty"` // where the bytes end that were handed over last; 0: they were taken
	// Head is the SHA-256 of the first Size bytes, by which the file is known
	// under another name.
	Head string `json:"head"`
	Size int64  `json:"size"`
	// Done are the files that were read to their end last, to know them again
	// where times do not tell what came first.
	Done []finished `json:"done,omitempty"`
}

// finished is a file that was read to its end.
type finished struct {
	Head   string `json:"head"`
	Size   int64  `json:"size"`
	Length int64  `json:"length"`
}

// maxDone is how many finished files are remembered.
const maxDone = 16

// headSize is how much of a file its fingerprint is of.
const headSize = 1024

// newPlace is the beginning of a file that is not known yet.
func newPlace() place {
	var b [12]byte
	rand.Read(b[:]) // never fails
	return place{File: hex.EncodeToString(b[:])}
}

// loadPlace reads the cursor; where there is none, ok is false.
func loadPlace(path string) (p place, ok bool, err error) {
	b, err := os.ReadFile(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return p, false, nil
	case err != nil:
		return p, false, fmt.Errorf("read cursor: %w", err)
	}
	if err := json.Unmarshal(b, &p); err != nil || p.File == "" || p.Offset < 0 || p.End != 0 && p.End < p.Offset || p.Size < 0 || p.Size > headSize {
		return p, false, fmt.Errorf("read cursor: %s is damaged: remove it to import the file from its beginning", path)
	}
	return p, true, nil
}

// save writes the cursor so that it survives the loss of power.
func (p *place) save(path string) (err error) {
	b, err := json.Marshal(p)
	if err != nil {
		return err
	}
	if err := durable.WriteFile(path, append(b, '\n')); err != nil {
		return fmt.Errorf("save cursor: %w", err)
	}
	return nil
}

// fingerprint notes how the file begins, up to what has been handed over.
func (p *place) fingerprint(f io.ReaderAt) error {
	if p.Size == headSize {
		return nil
	}
	size := min(p.End, headSize)
	b := make([]byte, size)
	if _, err := f.ReadAt(b, 0); err != nil && !errors.Is(err, io.EOF) {
		return fmt.Errorf("read what was written: %w", err)
	}
	sum := sha256.Sum256(b)
	p.Head, p.Size = hex.EncodeToString(sum[:]), size
	return nil
}

// is reports whether a file is the one of p: it begins alike and is long enough.
func (p *place) is(f *os.File) (bool, error) {
	info, err := f.Stat()
	if err != nil || info.Size() < max(p.Offset, p.End, p.Size) {
		return false, err
	}
	b := make([]byte, p.Size)
	if _, err := f.ReadAt(b, 0); err != nil && !errors.Is(err, io.EOF) {
		return false, err
	}
	sum := sha256.Sum256(b)
	return p.Size == 0 || hex.EncodeToString(sum[:]) == p.Head, nil
}

// What became of the file that is read.
const (
	current   = iota // it is the one to be followed
	renamed          // another has its name, or none
	truncated        // it is not what it was
)

// state says what became of an open file.
func (fo *Follow) state(f *os.File, at place) (int, error) {
	if same, err := at.is(f); err != nil || !same {
		return truncated, err
	}
	now, err := os.Stat(fo.Path)
	if errors.Is(err, fs.ErrNotExist) {
		return renamed, nil
	} else if err != nil {
		return 0, err
	}
	was, err := f.Stat()
	if err != nil || !os.SameFile(was, now) {
		return renamed, err
	}
	return current, nil
}

// rotated is what rotation appends to a file's name: .old, .1, .2026-11-22.
var rotated = regexp.MustCompile(`^[.-](old|[0-9][0-9TZ:_.-]*)$`)

// generation is a file that was, or is, the one to be followed.
type generation struct {
	path string
	info fs.FileInfo
}

// generations returns the files with the name, and with names that rotation
// makes of it, the oldest first.
func (fo *Follow) generations() ([]generation, error) {
	dir, base := filepath.Split(fo.Path)
	if dir == "" {
		dir = "."
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("look for rotated files: %w", err)
	}
	var out []generation
	for _, e := range entries {
		rest, found := bytes.CutPrefix([]byte(e.Name()), []byte(base))
		if !found || len(rest) > 0 && !rotated.Match(rest) {
			continue
		}
		if info, err := e.Info(); err == nil && info.Mode().IsRegular() {
			out = append(out, generation{filepath.Join(dir, e.Name()), info})
		}
	}
	slices.SortStableFunc(out, func(a, b generation) int {
		if isA, isB := filepath.Base(a.path) == base, filepath.Base(b.path) == base; isA != isB {
			if isA {
				return 1 // what is written to now is the newest
			}
			return -1
		}
		return a.info.ModTime().Compare(b.info.ModTime())
	})
	return out, nil
}

// locate opens the file that a place is in, under whatever name; nil where
// there is none.
func (fo *Follow) locate(at place) (*os.File, error) {
	all, err := fo.generations()
	if err != nil {
		return nil, err
	}
	for _, g := range slices.Backward(all) {
		f, err := os.Open(g.path)
		if err != nil {
			continue // it was renamed this moment, or is not for us
		}
		if same, err := at.is(f); err == nil && same {
			return f, nil
		}
		f.Close()
	}
	return nil, nil
}

// next returns the place at the beginning of the file that came after f: the
// next one that was rotated meanwhile, or the one that is written to. Where it is
// not there yet, the place is not known.
func (fo *Follow) next(ctx context.Context, f *os.File, last place) (place, bool, error) {
	at := newPlace()
	at.Done = append(last.Done[max(0, len(last.Done)-maxDone+1):], finished{last.Head, last.Size, last.Offset})
	was, err := f.Stat()
	if err != nil {
		return at, false, err
	}
	for ctx.Err() == nil {
		all, err := fo.generations()
		if err != nil {
			return at, false, err
		}
		for i := range all {
			g := &all[i]
			if os.SameFile(g.info, was) || filepath.Base(g.path) != filepath.Base(fo.Path) && (g.info.ModTime().Before(was.ModTime()) || at.hasDone(g)) {
				continue
			}
			return fo.begin(at, g)
		}
		if sleep(ctx, fo.Poll) != nil {
			break
		}
	}
	return at, false, nil
}

// hasDone reports whether a file was read to its end.
func (p *place) hasDone(g *generation) bool {
	f, err := os.Open(g.path)
	if err != nil {
		return false
	}
	defer f.Close()
	for _, d := range p.Done {
		if g.info.Size() == d.Length {
			if same, err := (&place{Head: d.Head, Size: d.Size}).is(f); err == nil && same {
				return true
			}
		}
	}
	return false
}

// begin notes that a file is to be read from its beginning.
func (fo *Follow) begin(at place, g *generation) (place, bool, error) {
	f, err := os.Open(g.path)
	if err != nil {
		return at, false, nil // looked for again
	}
	defer f.Close()
	at.End = min(g.info.Size(), headSize)
	if err := at.fingerprint(f); err != nil {
		return at, false, err
	}
	at.End = 0
	return at, at.Size > 0, at.save(fo.Cursor)
}
