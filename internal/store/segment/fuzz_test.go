package segment

import (
	"bytes"
	"errors"
	"path/filepath"
	"testing"

	"vigil"
	"vigil/internal/ledger"
	"vigil/internal/store"
	"vigil/internal/store/storetest"
)

// someFrame returns the frame of a commit, as the sequencer writes it.
func someFrame(tb testing.TB) []byte {
	tb.Helper()
	cat, err := store.NewCatalog(storetest.Config(nil))
	if err != nil {
		tb.Fatal(err)
	}
	b := &store.Batch{Events: numbered(0, 3), Key: &store.Key{Key: "k"}}
	b.Events[1].Table, b.Events[1].Sender = vigil.TableLogs, nil
	p, err := store.Prepare(cat, b)
	if err != nil {
		tb.Fatal(err)
	}
	for i := range p.Items {
		p.Items[i].ID = int64(i + 1)
	}
	h := frameHead{epoch: 1, count: 3, keys: 1, received: 1e15, root: ledger.Hash{7}}
	frame := appendKey(h.append(nil), p.Seen())
	var enc encoder
	for i := range p.Items {
		frame, _ = enc.event(frame, p, i)
	}
	return frame
}

// FuzzFrame parses whatever: no panic, no slice outside of the frame, and what
// was written is read back.
func FuzzFrame(f *testing.F) {
	f.Add(someFrame(f))
	f.Fuzz(func(t *testing.T, b []byte) {
		h, err := parseFrameHead(b)
		if err != nil {
			return
		}
		if !bytes.Equal(h.append(nil)[4:], b[4:frameHeader]) {
			t.Errorf("the header is written in another way than it was read")
		}
		keys, at := h.parseKeys(b)
		var again []byte
		for _, k := range keys {
			again = appendKey(again, k)
		}
		if !bytes.Equal(again, b[frameHeader:at]) {
			t.Error("the keys are written in another way than they were read")
		}
		var e event
		for range h.count {
			next, err := parseEvent(b, at, &e)
			if err != nil {
				return
			}
			if next <= at || next > len(b) {
				t.Fatalf("event from %d to %d of %d", at, next, len(b))
			}
			at = next
		}
	})
}

// TestFrame reads back what the encoder wrote, shared senders included.
func TestFrame(t *testing.T) {
	b := someFrame(t)
	h, err := parseFrameHead(b)
	if err != nil || h.count != 3 || h.root != (ledger.Hash{7}) {
		t.Fatalf("%+v, %v", h, err)
	}
	_, at := h.parseKeys(b)
	want := numbered(0, 3)
	for i := range 3 {
		var e event
		if at, err = parseEvent(b, at, &e); err != nil {
			t.Fatal(err)
		}
		sender := store.AppendSender(nil, want[i].Sender)
		if i == 1 {
			sender = nil
		}
		if e.id != int64(i+1) || !bytes.Equal(e.doc, want[i].Doc) || !bytes.Equal(e.sender, sender) {
			t.Errorf("event %d: %d %s %s", i, e.id, e.doc, e.sender)
		}
	}
	if at != len(b) {
		t.Errorf("the last event ends at %d of %d", at, len(b))
	}
}

func FuzzManifest(f *testing.F) {
	path := filepath.Join(f.TempDir(), "manifest")
	m := &manifest{StoreID: "00112233445566778899aabbccddeeff", State: stateReady, Epoch: 1, LastIDs: map[string]int64{"events": 3}}
	if err := m.write(path); err != nil {
		f.Fatal(err)
	}
	good, err := readManifest(path)
	if err != nil || good.StoreID != m.StoreID || good.LastIDs["events"] != 3 {
		f.Fatalf("%+v, %v", good, err)
	}
	f.Add([]byte(manifestMark + "{}\nsha256 \n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		_, err := parseManifest(b, "manifest")
		if _, ok := errors.AsType[*DamageError](err); err != nil && !ok && !bytes.HasPrefix(b, []byte("vigil-manifest/")) {
			t.Errorf("not a DamageError: %v", err)
		}
	})
}

func FuzzKeys(f *testing.F) {
	id := [16]byte{1}
	f.Add(encodeKeys(id, []store.Seen{{First: 3, Count: 2, At: 9}, {ID: store.KeyID{1}}}))
	f.Fuzz(func(t *testing.T, b []byte) {
		keys, reason := decodeKeys(b, id)
		if reason == "" && !bytes.Equal(encodeKeys(id, keys), b) {
			t.Error("keys are written in another way than they were read")
		}
	})
}

// TestMergeRange says which neighbours become one.
func TestMergeRange(t *testing.T) {
	list := func(sizes ...int64) []*seg {
		var out []*seg
		for _, n := range sizes {
			out = append(out, &seg{segmentEntry: segmentEntry{DocBytes: n}})
		}
		return out
	}
	const k, m = 1 << 10, 1 << 20
	for _, c := range []struct {
		name string
		list []*seg
		upTo int64
		from int // -1: none
	}{
		{"none", nil, lastTier, -1},
		{"too few", list(k, k, k, k, k, k, k), lastTier, -1},
		{"eight", list(k, k, k, k, k, k, k, k), lastTier, 0},
		{"after a large one", list(30*m, k, k, k, k, k, k, k, k), quietTier, 1},
		{"interrupted by a large one", list(k, k, k, k, 30*m, k, k, k, k), quietTier, -1},
		{"small ones first", list(m, m, m, m, m, m, m, m, k, k, k, k, k, k, k, k), lastTier, 8},
		{"large ones need quiet", list(24*m, 24*m, 24*m, 24*m, 24*m, 24*m, 24*m, 24*m), quietTier, -1},
		{"large ones", list(24*m, 24*m, 24*m, 24*m, 24*m, 24*m, 24*m, 24*m), lastTier, 0},
		{"largest stay", list(90*m, 90*m, 90*m, 90*m, 90*m, 90*m, 90*m, 90*m), lastTier, -1},
	} {
		got := mergeRange(c.list, c.upTo)
		switch {
		case c.from < 0 && got != nil:
			t.Errorf("%s: %d segments are merged", c.name, len(got))
		case c.from >= 0 && (len(got) != mergeRun || got[0] != c.list[c.from]):
			t.Errorf("%s: got %d segments", c.name, len(got))
		}
	}
}
