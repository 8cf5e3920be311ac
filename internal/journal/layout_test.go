package journal

import (
	"encoding/binary"
	"os"
	"path/filepath"
	"testing"

	"github.com/cespare/xxhash/v2"
)

// TestLayout reads a file by the numbers of docs/format.md alone, so that the
// format does not change unnoticed.
func TestLayout(t *testing.T) {
	dir := t.TempDir()
	j, _, _ := reopen(t, dir, Options{StoreID: [16]byte{1, 2, 3}, FileSize: minFileSize})
	for _, frame := range []string{"first", "second"} {
		if _, err := j.Append([]byte(frame)); err != nil {
			t.Fatal(err)
		}
	}
	b, err := os.ReadFile(filepath.Join(dir, "0000000000000001.journal"))
	if err != nil {
		t.Fatal(err)
	}
	u32, u64 := binary.LittleEndian.Uint32, binary.LittleEndian.Uint64
	seed := u64(b[88:])
	first, second := b[4096:], b[8192:]
	keyed := xxhash.NewWithSeed(seed)
	keyed.Write(second[:64])
	for what, ok := range map[string]bool{
		"magic":              string(b[:8]) == "vigiljnl",
		"version, block":     u32(b[8:]) == 1 && u32(b[12:]) == 4096,
		"store id":           b[16] == 1 && b[17] == 2 && b[18] == 3 && b[19] == 0,
		"generation":         u64(b[32:]) == 1,
		"file before":        u64(b[56:]) == 0 && u64(b[64:]) == 0 && u64(b[72:]) == 0,
		"durable":            u64(b[80:]) == 4096,
		"header checksum":    seed == xxhash.Sum64(b[:88]),
		"frame magic":        string(first[:4]) == "VJF1" && string(second[:4]) == "VJF1",
		"length":             u32(first[4:]) == 5 && u32(second[4:]) == 6,
		"place":              u64(second[8:]) == 1 && u64(second[16:]) == 8192,
		"position":           u64(second[24:]) == 1 && u64(second[32:]) == 8192,
		"synced":             u64(first[40:]) == 4096 && u64(second[40:]) == 8192,
		"previous checksums": u64(first[48:]) == seed && u64(second[48:]) == u64(first[64:]),
		"payload":            string(second[72:78]) == "second" && u64(second[56:]) == xxhash.Sum64String("second"),
		"checksum":           u64(second[64:]) == keyed.Sum64(),
		"padding":            second[78] == 0 && second[4095] == 0,
	} {
		if !ok {
			t.Errorf("%s: not as documented", what)
		}
	}
}
