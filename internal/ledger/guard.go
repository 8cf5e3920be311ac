package ledger

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"vigil/internal/durable"
)

// Guard is the rollback guard: it remembers, outside of the stores, what was
// last signed for each of them, so that a store put back to an older state is
// noticed before it signs a second history. It is safe for concurrent use.
type Guard struct {
	dir  string
	mu   sync.Mutex
	made bool // the directory is there, and its name is stable
}

// GuardState is what the guard remembers of one store.
type GuardState struct {
	StoreID    string           `json:"storeId"`
	Epoch      int              `json:"epoch"`
	Size       int64            `json:"size"`
	Root       Hash             `json:"root"`
	LastIDs    map[string]int64 `json:"lastIds"` // of each table, when Size was signed or later
	Checkpoint []byte           `json:"checkpoint"`
	Saved      time.Time        `json:"saved"`
}

const guardMark = "vigil-guard/v1 "

// MarshalText implements [encoding.TextMarshaler] with [Hash.String].
func (h Hash) MarshalText() ([]byte, error) { return []byte(h.String()), nil }

// UnmarshalText implements [encoding.TextUnmarshaler].
func (h *Hash) UnmarshalText(b []byte) (err error) {
	*h, err = ParseHash(string(b))
	return err
}

// OpenGuard opens the guard that keeps its files, one for each store id, in a
// directory. Where there is none, the first Save makes it.
func OpenGuard(dir string) (*Guard, error) {
	if st, err := os.Stat(dir); err == nil && !st.IsDir() {
		return nil, fmt.Errorf("open guard: %s is no directory", dir)
	}
	return &Guard{dir: dir}, nil
}

// make makes the directory, once. The caller holds mu.
func (g *Guard) make() error {
	if g.made {
		return nil
	}
	if err := os.MkdirAll(g.dir, 0o700); err != nil {
		return err
	}
	if err := durable.SyncDir(filepath.Dir(filepath.Clean(g.dir))); err != nil {
		return err
	}
	g.made = true
	return nil
}

func (g *Guard) path(storeID string) (string, error) {
	ok := storeID != "" && len(storeID) <= 64 && strings.IndexFunc(storeID, func(r rune) bool {
		return (r < '0' || r > '9') && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && r != '-'
	}) < 0
	if !ok {
		return "", fmt.Errorf("%q is no store id", storeID)
	}
	return filepath.Join(g.dir, storeID+".json"), nil
}

// Load returns what is remembered of a store. Where nothing is, the error is a
// [*NoGuardError], which wraps [fs.ErrNotExist].
func (g *Guard) Load(storeID string) (GuardState, error) {
	var s GuardState
	path, err := g.path(storeID)
	if err != nil {
		return s, fmt.Errorf("load guard: %w", err)
	}
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return s, &NoGuardError{File: path}
	}
	if err != nil {
		return s, fmt.Errorf("load guard: %w", err)
	}
	head, body, _ := bytes.Cut(b, []byte("\n"))
	sum := sha256.Sum256(body)
	if string(head) != guardMark+hex.EncodeToString(sum[:]) {
		return s, fmt.Errorf("load guard: %s is damaged: check the store with vigil verify against a checkpoint that is kept elsewhere, then run vigil recover", path)
	}
	if err := json.Unmarshal(body, &s); err != nil {
		return s, fmt.Errorf("load guard %s: %w", path, err)
	}
	if s.StoreID != storeID {
		return s, fmt.Errorf("load guard: %s is of store %q", path, s.StoreID)
	}
	return s, nil
}

// Save remembers s. When it returns nil that is on stable storage.
func (g *Guard) Save(s GuardState) error {
	path, err := g.path(s.StoreID)
	if err != nil {
		return fmt.Errorf("save guard: %w", err)
	}
	body, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return fmt.Errorf("save guard: %w", err)
	}
	body = append(body, '\n')
	sum := sha256.Sum256(body)
	g.mu.Lock()
	defer g.mu.Unlock()
	if err := g.make(); err != nil {
		return fmt.Errorf("save guard: %w", err)
	}
	if err := durable.WriteFile(path, append([]byte(guardMark+hex.EncodeToString(sum[:])+"\n"), body...)); err != nil {
		return fmt.Errorf("save guard: %w", err)
	}
	return nil
}

// RollbackError says that a store is not what was signed for it: it is older,
// or it has another history.
type RollbackError struct {
	Reason string
	State  GuardState // what the guard remembers
}

// Error implements error.
func (e *RollbackError) Error() string {
	return "the store is not the one that was last signed: " + e.Reason +
		"; put the newest store back, or run vigil recover to go on from this one in a new epoch"
}

// NoGuardError says that nothing is remembered of a store. A store that keeps a
// guard from its first start on must not sign then: nobody can tell whether it
// was put back to an older state.
type NoGuardError struct {
	File string // where the guard is expected
}

// Error implements error.
func (e *NoGuardError) Error() string {
	return "the store has no rollback guard, which tells whether it was put back to an older state: it is expected at " +
		e.File + "; where it lies elsewhere name that place (--guard, or --state-dir for a database), put it back, or let vigil recover open a new epoch"
}

// Unwrap returns [fs.ErrNotExist].
func (e *NoGuardError) Unwrap() error { return fs.ErrNotExist }

// Check compares a store with what the guard remembers: its log, its epoch and
// the last id of each table. It returns a [*RollbackError] if the store is
// behind or has forked. A store of a later epoch has been recovered, and passes.
func (s GuardState) Check(l *Log, epoch int, lastIDs map[string]int64) error {
	rolledBack := func(format string, args ...any) error {
		return &RollbackError{Reason: fmt.Sprintf(format, args...), State: s}
	}
	if epoch > s.Epoch {
		return nil
	}
	if epoch < s.Epoch {
		return rolledBack("it is in epoch %d, but epoch %d was signed", epoch, s.Epoch)
	}
	if size := l.Size(); size < s.Size {
		return rolledBack("it has %d entries, but %d were signed", size, s.Size)
	}
	root, err := l.RootAt(s.Size)
	if err != nil {
		return fmt.Errorf("check guard: %w", err)
	}
	if root != s.Root {
		return rolledBack("its first %d entries have another root than the one that was signed", s.Size)
	}
	for table, id := range s.LastIDs {
		if have, ok := lastIDs[table]; ok && have < id {
			return rolledBack("table %s ends at id %d, but had id %d", table, have, id)
		}
	}
	return nil
}

// loadFor returns the state to go on from, nil where nothing was signed in this epoch.
func (g *Guard) loadFor(storeID string, l *Log, epoch int, lastIDs map[string]int64) (*GuardState, error) {
	s, err := g.Load(storeID)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	if err := s.Check(l, epoch, maps.Clone(lastIDs)); err != nil {
		return nil, err
	}
	if s.Epoch < epoch {
		return nil, nil
	}
	return &s, nil
}
