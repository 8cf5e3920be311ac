package journal

import (
	"encoding/binary"
	"fmt"
	"strconv"
	"strings"

	"github.com/cespare/xxhash/v2"
)

const (
	version    = 1
	blockSize  = 4096
	fileHead   = 96 // bytes of the file header that mean something
	frameHead  = 72
	fileMagic  = "vigiljnl"
	frameMagic = "VJF1"

	// MaxFrame is the largest payload of a frame, in bytes.
	MaxFrame = 256 << 20
)

var le = binary.LittleEndian

// A Position says where a frame was first written. It stays the frame's
// position when a replay copies the frame, so it may be kept across restarts.
type Position struct {
	Generation uint64 // increases by one per file, from 1
	Offset     int64  // in bytes from the beginning of that file
}

// Before reports whether p comes before q in the journal.
func (p Position) Before(q Position) bool {
	return p.Generation < q.Generation || p.Generation == q.Generation && p.Offset < q.Offset
}

func (p Position) String() string { return fmt.Sprintf("%d/%d", p.Generation, p.Offset) }

// link names the end of a file: what the next one follows.
type link struct {
	gen uint64
	end int64
	sum uint64
}

// header is the first block of a file.
type header struct {
	store   [16]byte
	gen     uint64
	nonce   [16]byte
	prev    link
	durable int64
	sum     uint64 // set by encode and decode
}

func (h *header) encode() []byte {
	b := make([]byte, 0, blockSize)
	b = append(b, fileMagic...)
	b = le.AppendUint32(b, version)
	b = le.AppendUint32(b, blockSize)
	b = append(b, h.store[:]...)
	b = le.AppendUint64(b, h.gen)
	b = append(b, h.nonce[:]...)
	b = le.AppendUint64(b, h.prev.gen)
	b = le.AppendUint64(b, uint64(h.prev.end))
	b = le.AppendUint64(b, h.prev.sum)
	b = le.AppendUint64(b, uint64(h.durable))
	h.sum = xxhash.Sum64(b)
	b = le.AppendUint64(b, h.sum)
	return b[:blockSize]
}

// decodeHeader returns what is wrong with the header, or "".
func decodeHeader(b []byte) (h header, wrong string) {
	if len(b) < fileHead || string(b[:8]) != fileMagic {
		return h, "no journal file header"
	}
	if h.sum = le.Uint64(b[88:]); h.sum != xxhash.Sum64(b[:88]) {
		return h, "the file header's checksum is wrong"
	}
	if v := le.Uint32(b[8:]); v != version {
		return h, "the file has version " + strconv.Itoa(int(v)) + ", which this program does not know"
	}
	if le.Uint32(b[12:]) != blockSize {
		return h, "the file has another block size"
	}
	copy(h.store[:], b[16:])
	h.gen = le.Uint64(b[32:])
	copy(h.nonce[:], b[40:])
	h.prev = link{le.Uint64(b[56:]), int64(le.Uint64(b[64:])), le.Uint64(b[72:])}
	h.durable = int64(le.Uint64(b[80:]))
	return h, ""
}

// frame is the header of a frame.
type frame struct {
	length  int
	gen     uint64
	off     int64
	pos     Position
	synced  int64
	prev    uint64
	payload uint64 // sum of the payload
	sum     uint64
}

// size returns the bytes that the frame takes in its file.
func (f *frame) size() int64 { return paddedSize(f.length) }

func paddedSize(length int) int64 {
	return (int64(frameHead+length) + blockSize - 1) &^ (blockSize - 1)
}

// append appends the padded frame to b and sets the sums of f.
func (f *frame) append(b, payload []byte, seed uint64) []byte {
	start := len(b)
	f.payload = xxhash.Sum64(payload)
	b = append(b, frameMagic...)
	b = le.AppendUint32(b, uint32(len(payload)))
	b = le.AppendUint64(b, f.gen)
	b = le.AppendUint64(b, uint64(f.off))
	b = le.AppendUint64(b, f.pos.Generation)
	b = le.AppendUint64(b, uint64(f.pos.Offset))
	b = le.AppendUint64(b, uint64(f.synced))
	b = le.AppendUint64(b, f.prev)
	b = le.AppendUint64(b, f.payload)
	f.sum = seededSum(seed, b[start:])
	b = le.AppendUint64(b, f.sum)
	b = append(b, payload...)
	pad := paddedSize(len(payload)) - int64(len(b)-start)
	return append(b, zeros[:pad]...)
}

// decodeFrame reads a frame's header and reports whether it verifies as one of
// this file at this place.
func decodeFrame(b []byte, h *header, off int64) (f frame, ok bool) {
	if len(b) < frameHead || string(b[:4]) != frameMagic {
		return f, false
	}
	f.gen, f.off = le.Uint64(b[8:]), int64(le.Uint64(b[16:]))
	if f.gen != h.gen || f.off != off {
		return f, false
	}
	if f.sum = le.Uint64(b[64:]); f.sum != seededSum(h.sum, b[:64]) {
		return f, false
	}
	n := le.Uint32(b[4:])
	if n > MaxFrame {
		return f, false
	}
	f.length = int(n)
	f.pos = Position{le.Uint64(b[24:]), int64(le.Uint64(b[32:]))}
	if f.synced = int64(le.Uint64(b[40:])); f.synced > off {
		return f, false
	}
	f.prev, f.payload = le.Uint64(b[48:]), le.Uint64(b[56:])
	return f, true
}

func seededSum(seed uint64, b []byte) uint64 {
	var d xxhash.Digest
	d.ResetWithSeed(seed)
	d.Write(b)
	return d.Sum64()
}

const (
	extJournal = ".journal"
	extFree    = ".free"
	extTemp    = ".tmp"
)

func fileName(gen uint64, ext string) string { return fmt.Sprintf("%016x%s", gen, ext) }

// parseName splits a name that fileName made.
func parseName(name string) (gen uint64, ext string, ok bool) {
	num, ext, found := strings.Cut(name, ".")
	if !found || len(num) != 16 {
		return 0, "", false
	}
	gen, err := strconv.ParseUint(num, 16, 64)
	if err != nil || fileName(gen, "."+ext) != name {
		return 0, "", false
	}
	return gen, "." + ext, true
}

// matches reports whether payload is the one that the header was made for.
func (f *frame) matches(payload []byte) bool { return xxhash.Sum64(payload) == f.payload }
