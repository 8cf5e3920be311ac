package segment

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"slices"

	"vigil/internal/durable"
	"vigil/internal/journal"
	"vigil/internal/ledger"
)

const (
	manifestMark = "vigil-manifest/v1\n"
	manifestSum  = "sha256 "
)

// The states of a store's directory.
const (
	stateNew   = "new"   // the first start has not finished: nothing was acknowledged
	stateReady = "ready" // the store has taken events or may have
	// vigil recover set the journal aside and has not begun the new epoch, as far
	// as the manifest knows: see settleRecovery.
	stateRecovering = "recovering"
)

// manifest says what counts in the directory. It covers the log up to Size: the
// segments hold exactly the events below it, the journal those from there on.
type manifest struct {
	StoreID  string           `json:"store_id"` // 32 hexadecimal digits
	State    string           `json:"state"`
	Epoch    int              `json:"epoch"`
	Size     int64            `json:"size"`
	Root     ledger.Hash      `json:"-"`
	RootText string           `json:"root"`     // base64
	Tree     []byte           `json:"tree"`     // ledger.Log.State at Size
	LastIDs  map[string]int64 `json:"last_ids"` // by table, at Size
	Floors   map[string]int64 `json:"floors"`   // by table: ids up to here were given in an epoch that is lost
	Journal  journalAt        `json:"journal"`  // where the first frame past Size may stand
	NextFile uint64           `json:"next_file"`
	Segments []segmentEntry   `json:"segments"` // in the order of their first place in the log
	Keys     []keysEntry      `json:"keys"`

	Removed  []segmentEntry `json:"removed,omitempty"`  // files of what is left of removed events
	Removing *removing      `json:"removing,omitempty"` // a removal that waits for its record in the log
	Purge    bool           `json:"purge,omitempty"`    // the journal may still hold what was removed

	// While State is recovering: where the damaged journal lies, and what is wrong with it.
	Aside  string `json:"aside,omitempty"`
	Damage string `json:"damage,omitempty"`
}

// ready ends a recovery.
func (m *manifest) ready() { m.State, m.Aside, m.Damage = stateReady, "", "" }

// removing is a removal whose files are written. It counts from the moment on
// that the event which records it is in the log.
type removing struct {
	From   int64          `json:"from"`   // that event's place in the log, or one before it
	Event  ledger.Hash    `json:"event"`  // what its leaf commits to
	Gone   []string       `json:"gone"`   // files that are replaced
	Made   []segmentEntry `json:"made"`   // what is left of them
	Leaves []segmentEntry `json:"leaves"` // all files of removed events, then
}

// apply does in m what the removal is about.
func (r *removing) apply(m *manifest) {
	m.Segments = slices.DeleteFunc(m.Segments, func(e segmentEntry) bool { return slices.Contains(r.Gone, e.File) })
	m.Segments = append(m.Segments, r.Made...)
	m.Removed, m.Removing, m.Purge = r.Leaves, nil, true
}

type journalAt struct {
	Generation uint64 `json:"generation"`
	Offset     int64  `json:"offset"`
}

type segmentEntry struct {
	File       string `json:"file"`
	Table      string `json:"table"`
	Count      int64  `json:"count"`
	FirstID    int64  `json:"first_id"`
	LastID     int64  `json:"last_id"`
	FirstIndex int64  `json:"first_index"`
	LastIndex  int64  `json:"last_index"`
	Bytes      int64  `json:"bytes"`     // of the file
	DocBytes   int64  `json:"doc_bytes"` // of documents and senders
}

type keysEntry struct {
	File   string `json:"file"`
	Count  int64  `json:"count"`
	Newest int64  `json:"newest"` // microseconds since 1970
}

// clone returns a manifest that can be changed without changing m.
func (m *manifest) clone() *manifest {
	c := *m
	c.LastIDs = maps.Clone(m.LastIDs)
	c.Floors = maps.Clone(m.Floors)
	c.Segments = slices.Clone(m.Segments)
	c.Keys = slices.Clone(m.Keys)
	c.Removed = slices.Clone(m.Removed)
	return &c
}

// files returns the names of all files that m names.
func (m *manifest) files() map[string]bool {
	named := map[string]bool{}
	for _, k := range m.Keys {
		named[k.File] = true
	}
	lists := [][]segmentEntry{m.Segments, m.Removed}
	if m.Removing != nil {
		lists = append(lists, m.Removing.Made, m.Removing.Leaves)
	}
	for _, list := range lists {
		for _, e := range list {
			named[e.File] = true
		}
	}
	return named
}

// id returns the store's id.
func (m *manifest) id() [16]byte {
	var id [16]byte
	hex.Decode(id[:], []byte(m.StoreID)) // readManifest has checked it
	return id
}

// position returns where in the journal what is sealed ends.
func (m *manifest) position() journal.Position {
	return journal.Position{Generation: m.Journal.Generation, Offset: m.Journal.Offset}
}

// name returns the name of a new file, which no file has had before.
func (m *manifest) name(what string) string {
	m.NextFile++
	return fmt.Sprintf("%08d.%s", m.NextFile, what)
}

func (m *manifest) write(path string) error {
	m.RootText = m.Root.String()
	body, err := json.MarshalIndent(m, "", " ")
	if err != nil {
		return fmt.Errorf("write manifest: %w", err)
	}
	data := append([]byte(manifestMark), body...)
	data = append(data, '\n')
	sum := sha256.Sum256(data)
	data = append(data, manifestSum...)
	data = append(hex.AppendEncode(data, sum[:]), '\n')
	if err := durable.WriteFile(path, data); err != nil {
		return fmt.Errorf("write manifest: %w", err)
	}
	return nil
}

func readManifest(path string) (*manifest, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	return parseManifest(data, path)
}

func parseManifest(data []byte, path string) (*manifest, error) {
	if !bytes.HasPrefix(data, []byte(manifestMark)) {
		if bytes.HasPrefix(data, []byte("vigil-manifest/")) {
			return nil, fmt.Errorf("%s was written by another version of vigil: use that one", path)
		}
		return nil, &DamageError{File: path, Reason: "it does not begin as a manifest does"}
	}
	const tail = len(manifestSum) + 2*sha256.Size + 1
	if len(data) < len(manifestMark)+tail {
		return nil, &DamageError{File: path, Reason: "it is cut short"}
	}
	body := data[:len(data)-tail]
	sum := sha256.Sum256(body)
	if want := manifestSum + hex.EncodeToString(sum[:]) + "\n"; string(data[len(body):]) != want {
		return nil, &DamageError{File: path, Reason: "its checksum is wrong"}
	}
	m := new(manifest)
	if err := json.Unmarshal(body[len(manifestMark):], m); err != nil {
		return nil, &DamageError{File: path, Reason: err.Error()}
	}
	if id, err := hex.DecodeString(m.StoreID); err != nil || len(id) != 16 {
		return nil, &DamageError{File: path, Reason: "the store's id is not 32 hexadecimal digits"}
	}
	var err error
	if m.Root, err = ledger.ParseHash(m.RootText); err != nil {
		return nil, &DamageError{File: path, Reason: err.Error()}
	}
	return m, m.check(path)
}

// check reports what cannot be in a manifest that this package wrote.
func (m *manifest) check(path string) error {
	bad := func(format string, args ...any) error {
		return &DamageError{File: path, Reason: fmt.Sprintf(format, args...)}
	}
	if m.State != stateNew && m.State != stateReady && m.State != stateRecovering {
		return bad("state %q is unknown", m.State)
	}
	if m.Epoch < 1 || m.Size < 0 {
		return bad("epoch %d or size %d cannot be", m.Epoch, m.Size)
	}
	var sum int64
	for _, s := range slices.Concat(m.Segments, m.Removed) {
		if s.Count < 1 || s.FirstID < 1 || s.LastID-s.FirstID < s.Count-1 || s.LastIndex >= m.Size {
			return bad("the entry of %s cannot be", s.File)
		}
		sum += s.Count
	}
	if sum != m.Size {
		return bad("its files have %d events, the log has %d", sum, m.Size)
	}
	return nil
}

// DamageError says which file of a store is damaged, missing or out of place.
// What it held had been acknowledged, so a store with it is not opened.
type DamageError struct {
	File   string
	Reason string
	Err    error
}

func (e *DamageError) Error() string {
	s := e.File + " is damaged: " + e.Reason
	if e.Err != nil {
		s += ": " + e.Err.Error()
	}
	return s + " (vigil check names everything that is wrong; put the file back from a copy of the store)"
}

// Unwrap returns the cause.
func (e *DamageError) Unwrap() error { return e.Err }
