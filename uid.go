package vigil

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"time"
)

// A UID is a UUID version 7 (RFC 9562, section 5.7).
type UID [16]byte

// NewUID returns the UID of the given time (milliseconds count) and ten bytes
// of randomness.
func NewUID(t time.Time, random [10]byte) UID {
	var u UID
	ms := uint64(t.UnixMilli())
	binary.BigEndian.PutUint64(u[:8], ms<<16)
	copy(u[6:], random[:])
	u[6] = u[6]&0x0f | 0x70
	u[8] = u[8]&0x3f | 0x80
	return u
}

// ParseUID reads the form that [UID.String] writes; upper case is taken too.
func ParseUID(s string) (UID, error) {
	var u UID
	if len(s) != 36 || s[8] != '-' || s[13] != '-' || s[18] != '-' || s[23] != '-' {
		return u, fmt.Errorf("parse uid: want 36 characters such as 0198f7a0-0000-7000-8000-000000000000")
	}
	for i, at := range [5][2]int{{0, 8}, {9, 13}, {14, 18}, {19, 23}, {24, 36}} {
		if _, err := hex.Decode(u[[5]int{0, 4, 6, 8, 10}[i]:], []byte(s[at[0]:at[1]])); err != nil {
			return UID{}, fmt.Errorf("parse uid: %w", err)
		}
	}
	return u, nil
}

// Append appends the canonical text of u to b.
func (u UID) Append(b []byte) []byte {
	b = hex.AppendEncode(b, u[:4])
	b = hex.AppendEncode(append(b, '-'), u[4:6])
	b = hex.AppendEncode(append(b, '-'), u[6:8])
	b = hex.AppendEncode(append(b, '-'), u[8:10])
	return hex.AppendEncode(append(b, '-'), u[10:])
}

// String returns the canonical text of u.
func (u UID) String() string { return string(u.Append(make([]byte, 0, 36))) }
