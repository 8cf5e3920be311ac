package segfile

import (
	"encoding/binary"
	"os"
	"testing"

	"github.com/cespare/xxhash/v2"
	"github.com/klauspost/compress/zstd"
)

// TestLayout reads a file by the numbers of docs/format.md alone, so that the
// format does not change unnoticed.
func TestLayout(t *testing.T) {
	recs := newGenerator(10).records(200)
	_, info := write(t, recs)
	b, err := os.ReadFile(info.Path)
	if err != nil {
		t.Fatal(err)
	}
	u16, u32, u64 := binary.LittleEndian.Uint16, binary.LittleEndian.Uint32, binary.LittleEndian.Uint64
	trailer := b[len(b)-32:]
	at := u64(trailer)
	footer := b[at : at+uint64(u32(trailer[8:]))]
	last := recs[199]
	for what, ok := range map[string]bool{
		"magic":           string(b[:8]) == "vigilseg" && string(trailer[24:]) == "vigilseg",
		"version":         u32(b[8:]) == 1 && u32(b[12:]) == 48 && u32(trailer[12:]) == 1,
		"store id":        string(b[16:32]) == string(testMeta.StoreID[:]) && string(footer[:16]) == string(testMeta.StoreID[:]),
		"header checksum": u64(b[40:]) == xxhash.Sum64(b[:40]),
		"footer checksum": u64(trailer[16:]) == xxhash.Sum64(b[at:len(b)-16]),
		"mapping, count":  u32(footer[16:]) == 7 && u64(footer[20:]) == 200,
		"ids":             u64(footer[28:]) == uint64(recs[0].ID) && u64(footer[36:]) == uint64(last.ID),
		"places":          u64(footer[44:]) == uint64(recs[0].Index) && u64(footer[52:]) == uint64(last.Index),
		"receipt":         u64(footer[60:]) == uint64(recs[0].Received) && u64(footer[68:]) == uint64(last.Received),
		"occurrence":      u64(footer[76:]) == uint64(info.Meta.MinOccurred) && u64(footer[84:]) == uint64(info.Meta.MaxOccurred),
		"table":           u64(footer[100:]) == 6 && string(footer[108:114]) == "events",
		"sections":        u32(footer[114:]) == 5 && len(footer) == 118+5*64,
	} {
		if !ok {
			t.Errorf("%s: not as documented", what)
		}
	}
	section := func(kind uint16) []byte {
		for s := footer[118:]; len(s) > 0; s = s[64:] {
			if u16(s) == kind {
				data := b[u64(s[8:]):][:u64(s[16:])]
				if u64(s[32:]) != xxhash.Sum64(data) {
					t.Errorf("section %d: checksum", kind)
				}
				return data
			}
		}
		t.Fatalf("no section %d", kind)
		return nil
	}
	if head := section(2); string(head[16:32]) != string(recs[1].Salt[:]) || string(head[128*16:][10:20]) != string(recs[1].UID[6:]) {
		t.Error("head: not as documented")
	}
	dec, err := zstd.NewReader(nil)
	if err != nil {
		t.Fatal(err)
	}
	defer dec.Close()
	docs, err := dec.DecodeAll(section(1), nil) // frames follow each other
	if err != nil {
		t.Fatal(err)
	}
	if at := 1 + 2*128; docs[0] != 0 || string(docs[at:at+len(recs[0].Doc)]) != string(recs[0].Doc) {
		t.Error("docs: not as documented")
	}
}
