package segment

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"os"

	"vigil/internal/durable"
	"vigil/internal/store"
)

// A keys file holds the idempotency keys of a sealed head:
//
//	"VGLKEYS1", store id (16), count (8), keys of 72 bytes, CRC-32C of all that (4)
//
// A key is its id (16), the body's hash (32), first place in the log, events,
// time in microseconds (8 each). Numbers are little-endian.
const (
	keysMark  = "VGLKEYS1"
	keysHead  = 8 + 16 + 8
	keysEach  = 16 + 32 + 8 + 8 + 8
	maxKeys   = 16 // files, before they are written together
	keysLabel = "keys"
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// sealKeys enters the keys of a head in m, and leaves out files whose keys have
// all expired. When there are many files they become one.
func (s *Store) sealKeys(m *manifest, h *head) error {
	now := s.cfg.Now()
	horizon := now.Add(-store.KeyLife).UnixMicro()
	keys, kept := h.keys, m.Keys[:0:0]
	for _, e := range m.Keys {
		if e.Newest > horizon {
			kept = append(kept, e)
		}
	}
	if len(keys) > 0 && len(kept) >= maxKeys {
		all := []store.Seen{}
		for _, e := range kept {
			old, err := s.readKeys(e)
			if err != nil {
				return err
			}
			all = append(all, old...)
		}
		keys, kept = nil, nil
		for _, k := range append(all, h.keys...) {
			if !k.Expired(now) {
				keys = append(keys, k)
			}
		}
	}
	m.Keys = kept
	if len(keys) == 0 {
		return nil
	}
	e := keysEntry{File: m.name(keysLabel), Count: int64(len(keys))}
	for _, k := range keys {
		e.Newest = max(e.Newest, k.At)
	}
	if err := durable.WriteFile(s.dir.segment(e.File), encodeKeys(m.id(), keys)); err != nil {
		return fmt.Errorf("write keys: %w", err)
	}
	m.Keys = append(m.Keys, e)
	return nil
}

func encodeKeys(id [16]byte, keys []store.Seen) []byte {
	b := make([]byte, 0, keysHead+len(keys)*keysEach+4)
	b = append(append(b, keysMark...), id[:]...)
	b = binary.LittleEndian.AppendUint64(b, uint64(len(keys)))
	for _, k := range keys {
		b = append(append(b, k.ID[:]...), k.Body[:]...)
		b = binary.LittleEndian.AppendUint64(b, uint64(k.First))
		b = binary.LittleEndian.AppendUint64(b, uint64(k.Count))
		b = binary.LittleEndian.AppendUint64(b, uint64(k.At))
	}
	return binary.LittleEndian.AppendUint32(b, crc32.Checksum(b, castagnoli))
}

// readKeys reads the file of an entry.
func (s *Store) readKeys(e keysEntry) ([]store.Seen, error) {
	path := s.dir.segment(e.File)
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, &DamageError{File: path, Reason: "it cannot be read", Err: err}
	}
	keys, reason := decodeKeys(b, s.manifest.id())
	if reason == "" && int64(len(keys)) != e.Count {
		reason = "it is not the file that the manifest names"
	}
	if reason != "" {
		return nil, &DamageError{File: path, Reason: reason}
	}
	return keys, nil
}

// decodeKeys reads a keys file, or says what is wrong with it.
func decodeKeys(b []byte, id [16]byte) ([]store.Seen, string) {
	if len(b) < keysHead+4 || string(b[:8]) != keysMark {
		return nil, "it does not begin as a keys file does"
	}
	body := b[:len(b)-4]
	if crc32.Checksum(body, castagnoli) != binary.LittleEndian.Uint32(b[len(body):]) {
		return nil, "its checksum is wrong"
	}
	n := binary.LittleEndian.Uint64(b[24:])
	if [16]byte(b[8:]) != id || n != uint64(len(body)-keysHead)/keysEach || uint64(len(body)-keysHead)%keysEach != 0 {
		return nil, "it is of another store, or of another length"
	}
	keys := make([]store.Seen, n)
	for i := range keys {
		k := body[keysHead+i*keysEach:]
		keys[i] = store.Seen{
			ID: store.KeyID(k), Body: [32]byte(k[16:]),
			First: int64(binary.LittleEndian.Uint64(k[48:])),
			Count: int64(binary.LittleEndian.Uint64(k[56:])),
			At:    int64(binary.LittleEndian.Uint64(k[64:])),
		}
	}
	return keys, ""
}
