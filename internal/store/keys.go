package store

import (
	"crypto/sha256"
	"encoding/binary"
	"time"

	"vigil"
)

// KeyLife is how long an idempotency key is remembered.
const KeyLife = 7 * 24 * time.Hour

// KeyID names an idempotency key without telling its scope: a hash of both.
type KeyID [16]byte

// ID returns the name that stores keep of k.
func (k *Key) ID() KeyID {
	h := sha256.New()
	var n [8]byte
	binary.BigEndian.PutUint64(n[:], uint64(len(k.Scope)))
	h.Write(n[:])
	h.Write([]byte(k.Scope))
	h.Write([]byte(k.Key))
	return KeyID(h.Sum(nil)[:16])
}

// Seen is what a store remembers of a key.
type Seen struct {
	ID    KeyID
	Body  [32]byte
	First int64
	Count int64
	At    int64 // microseconds since 1970
}

// Expired reports whether s is to be forgotten at the given time.
func (s *Seen) Expired(now time.Time) bool {
	return now.UnixMicro()-s.At >= KeyLife.Microseconds()
}

// Keys remembers idempotency keys. It is not safe for concurrent use. It holds
// no pointers, so that the garbage collector need not look into it.
type Keys struct{ m map[KeyID]Seen }

// Find returns the receipt for a key that was seen with this body, nil if the
// key is new or has expired; with another body it is vigil.Unprocessable.
func (k *Keys) Find(id KeyID, body [32]byte, now time.Time) (*Receipt, error) {
	s, ok := k.m[id]
	if !ok || s.Expired(now) {
		return nil, nil
	}
	if s.Body != body {
		return nil, &vigil.Error{
			Kind:    vigil.Unprocessable,
			Message: "The idempotency key has been used with another body",
			Hint:    "Use a new key for each request, and the same key only to repeat one.",
		}
	}
	return &Receipt{Replayed: true, First: s.First, Count: int(s.Count)}, nil
}

// Add remembers s, unless a later one of the same key is known.
func (k *Keys) Add(s Seen) {
	if k.m == nil {
		k.m = map[KeyID]Seen{}
	}
	if old, ok := k.m[s.ID]; !ok || old.First <= s.First {
		k.m[s.ID] = s
	}
}

// Purge forgets the keys that have expired.
func (k *Keys) Purge(now time.Time) {
	for id, s := range k.m {
		if s.Expired(now) {
			delete(k.m, id)
		}
	}
}

// Len returns how many keys are remembered.
func (k *Keys) Len() int { return len(k.m) }
