package logapi

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"iter"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	"vigil"
	"vigil/internal/ledger"
	"vigil/internal/store"
)

// face is an API over a memory store. A request's X-Tables header lists the
// tables that it may read, * for all.
type face struct {
	*API
	store    *store.Memory
	signer   *ledger.Signer
	events   []*vigil.Event
	observed []string
}

func newFace(t testing.TB, n int) *face {
	t.Helper()
	m, err := store.NewMemory(store.Config{Origin: "log.example/a"})
	if err != nil {
		t.Fatal(err)
	}
	skey, err := ledger.GenerateKey("log.example/a")
	if err != nil {
		t.Fatal(err)
	}
	f := &face{store: m}
	if f.signer, err = ledger.NewSigner(skey); err != nil {
		t.Fatal(err)
	}
	f.API = New(Config{
		Store: m, Key: f.signer.Verifier(), Wait: 50 * time.Millisecond,
		Authorize: func(r *http.Request, table string) error {
			for may := range strings.FieldsSeq(r.Header.Get("X-Tables")) {
				if may == "*" || may == table {
					return nil
				}
			}
			return &vigil.Error{Kind: vigil.Forbidden, Code: "42501", Message: "no"}
		},
		Observe: func(_ *http.Request, table, query string, rows int64) {
			f.observed = append(f.observed, fmt.Sprintf("%s %s %d", table, query, rows))
		},
	})
	f.add(t, n)
	return f
}

// add appends events to the store.
func (f *face) add(t testing.TB, n int) {
	t.Helper()
	for n > 0 {
		b := &store.Batch{}
		for range min(n, 200) {
			i := len(f.events)
			b.Events = append(b.Events, &vigil.Event{
				Table: []string{vigil.TableEvents, vigil.TableAuditEvents}[i%2], Format: []vigil.Format{vigil.FormatLogserver, vigil.FormatFHIRR4}[i%2],
				Doc: fmt.Appendf(nil, `{ "n":%d,  "who":"Sample Person"}`, i), Sender: &vigil.Sender{Subject: "app", Listener: "http"},
			})
			f.events = append(f.events, b.Events[len(b.Events)-1])
			n--
		}
		if _, err := f.store.Append(t.Context(), b); err != nil {
			t.Fatal(err)
		}
	}
}

// sign makes a checkpoint of a size of the log.
func (f *face) sign(t testing.TB, size int64) {
	t.Helper()
	root, err := f.store.Log().RootAt(size)
	if err != nil {
		t.Fatal(err)
	}
	b, err := f.signer.Sign("log.example/a", size, root)
	if err != nil {
		t.Fatal(err)
	}
	if err := f.store.Log().SetCheckpoint(b); err != nil {
		t.Fatal(err)
	}
}

// get asks for a path as somebody who may read the tables.
func (f *face) get(path, tables string) (*httptest.ResponseRecorder, error) {
	r := httptest.NewRequest(http.MethodGet, path, nil)
	r.Header.Set("X-Tables", tables)
	w := httptest.NewRecorder()
	return w, f.Serve(w, r)
}

func kind(err error) vigil.Kind {
	if err == nil {
		return 255
	}
	return vigil.KindOf(err)
}

func TestCheckpointAndKey(t *testing.T) {
	f := newFace(t, 300)
	_, err := f.get("/log/checkpoint", "")
	if e, ok := errors.AsType[*vigil.Error](err); !ok || e.Kind != vigil.NotFound || e.Hint == "" {
		t.Errorf("before the first checkpoint: %v", err)
	}
	f.sign(t, 300)
	w, err := f.get("/log/checkpoint", "")
	if err != nil || w.Header().Get("Content-Type") != "text/plain; charset=utf-8" {
		t.Fatal(err, w.Header())
	}
	key, err := f.get("/log/key", "")
	if err != nil {
		t.Fatal(err)
	}
	if c, err := ledger.OpenCheckpoint(w.Body.Bytes(), key.Body.String()); err != nil || c.Size != 300 {
		t.Errorf("%+v, %v", c, err)
	}
}

func TestTiles(t *testing.T) {
	f := newFace(t, 600)
	for path, width := range map[string]int{
		"0/000": 256, "0/001": 256, "0/002.p/88": 88, "0/002.p/3": 3, "1/000.p/2": 2,
	} {
		w, err := f.get("/log/tile/"+path, "")
		if err != nil || w.Body.Len() != width*32 || w.Header().Get("Content-Type") != "application/octet-stream" {
			t.Errorf("%s: %v, %d bytes", path, err, w.Body.Len())
		}
		if got := w.Header().Get("Cache-Control"); !strings.Contains(got, "immutable") || !strings.Contains(got, "public") {
			t.Errorf("%s: Cache-Control is %q", path, got)
		}
	}
	for _, path := range []string{
		"0/002", "0/002.p/89", "0/003.p/1", "1/000", "2/000.p/1", "8/000", "63/000", "entries/002", "entries/003.p/1",
		"0/000.p/256", "0/0", "", "x", "../checkpoint", "0/../0/000", "0/x000/000", "0/x999/x999/x999/x999/x999/999",
	} {
		if _, err := f.get("/log/tile/"+path, "*"); kind(err) != vigil.NotFound {
			t.Errorf("%q: %v, want NotFound", path, err)
		}
	}
}

// TestBundles hashes the records of bundles and compares them with the tiles.
func TestBundles(t *testing.T) {
	f := newFace(t, 300)
	for _, path := range []string{"000", "001.p/44", "001.p/1"} {
		w, err := f.get("/log/tile/entries/"+path, "")
		if err != nil {
			t.Fatal(err)
		}
		tile, err := f.get("/log/tile/0/"+path, "")
		if err != nil {
			t.Fatal(err)
		}
		b, hashes := w.Body.Bytes(), tile.Body.Bytes()
		if bytes.Contains(b, []byte("Sample")) {
			t.Error("a bundle shows a document")
		}
		for len(b) > 2 {
			n := 2 + int(binary.BigEndian.Uint16(b))
			h := ledger.HashLeaf(b[2:n])
			if !bytes.Equal(h[:], hashes[:32]) {
				t.Fatalf("%s: a record does not hash to its tile", path)
			}
			b, hashes = b[n:], hashes[32:]
		}
		if len(b) != 0 || len(hashes) != 0 {
			t.Errorf("%s: %d bytes and %d bytes of hashes are left", path, len(b), len(hashes))
		}
	}
}

func TestPaths(t *testing.T) {
	f := newFace(t, 3)
	f.sign(t, 3)
	uid := f.events[0].UID.String()
	for _, path := range []string{
		"/log", "/log/", "/log/../log/checkpoint", "/log/%2e%2e/log/checkpoint", "/log//checkpoint", "/log/checkpoint/",
		"/log/tile%2f0%2f000.p/3", "/log/tile/0%2f000.p/3", "/raw/", "/raw/..%2f" + uid, "/raw/" + uid + "/", "/raw/" + strings.ToUpper(uid), "/raw/" + uid[1:],
		"/log/proof/", "/log/proof/../../raw/" + uid, "/etc/passwd", "/raw/00000000-0000-7000-8000-000000000000",
	} {
		if _, err := f.get(path, "*"); kind(err) != vigil.NotFound {
			t.Errorf("%s: %v, want NotFound", path, err)
		}
	}
	for _, path := range []string{
		"/log/entries?from=-1", "/log/entries?from=x", "/log/entries?from=1&from=2", "/log/entries?form=1", "/log/entries?%zz",
		"/log/consistency?from=", "/log/consistency?to=99999999999999999999",
	} {
		if _, err := f.get(path, "*"); kind(err) != vigil.Invalid {
			t.Errorf("%s: %v, want Invalid", path, err)
		}
	}
	for _, path := range []string{"/log/checkpoint", "/log/entries", "/raw/" + uid} {
		w := httptest.NewRecorder()
		if err := f.Serve(w, httptest.NewRequest(http.MethodPost, path, nil)); kind(err) != vigil.NotAllowed || w.Header().Get("Allow") == "" {
			t.Errorf("POST %s: %v", path, err)
		}
	}
}

func TestWhoMayRead(t *testing.T) {
	f := newFace(t, 4)
	f.sign(t, 4)
	events, audits := f.events[0].UID.String(), f.events[1].UID.String()
	for _, c := range []struct {
		path, tables string
		private, may bool
	}{
		{"/log/checkpoint", "", false, true},
		{"/log/key", "", false, true},
		{"/log/tile/0/000.p/4", "", false, true},
		{"/log/tile/entries/000.p/4", "", false, true},
		{"/log/consistency?from=1", "", false, true},
		{"/log/checkpoint", "events", true, false},
		{"/log/key", "", true, false},
		{"/log/tile/0/000.p/4", "events", true, false},
		{"/log/tile/entries/000.p/4", "", true, false},
		{"/log/consistency?from=1", "", true, false},
		{"/log/checkpoint", "*", true, true},
		{"/log/tile/0/000.p/4", "*", true, true},
		{"/log/entries", "", false, false},
		{"/log/entries", "events audit_events", false, false},
		{"/log/entries", "*", false, true},
		{"/raw/" + events, "", false, false},
		{"/raw/" + events, "events", false, true},
		{"/raw/" + audits, "events", false, false},
		{"/raw/" + audits, "*", false, true},
		{"/log/proof/" + events, "audit_events", false, false},
		{"/log/proof/" + events, "events", false, true},
	} {
		f.Private = c.private
		w, err := f.get(c.path, c.tables)
		if c.may && err != nil || !c.may && kind(err) != vigil.Forbidden {
			t.Errorf("%+v: %v", c, err)
		}
		if !c.may && w.Body.Len() > 0 {
			t.Errorf("%+v: something was answered", c)
		}
		if c.private && strings.Contains(w.Header().Get("Cache-Control"), "public") {
			t.Errorf("%+v: shared caches may keep it", c)
		}
	}
}

// TestRawAndProof does what a reader does who trusts the key alone: it makes
// the leaf from the answer of /raw and checks the proof.
func TestRawAndProof(t *testing.T) {
	f := newFace(t, 300)
	f.sign(t, 299)
	for _, i := range []int{0, 1, 255, 256, 298} {
		e := f.events[i]
		w, err := f.get("/raw/"+e.UID.String(), "*")
		if err != nil || !bytes.Equal(w.Body.Bytes(), e.Doc) {
			t.Fatalf("%d: %v: %s", i, err, w.Body)
		}
		h := w.Header()
		if h.Get("Content-Type") != "application/json" || h.Get("X-Content-Type-Options") != "nosniff" || !strings.Contains(h.Get("Cache-Control"), "no-store") {
			t.Errorf("headers are %v", h)
		}
		line := fmt.Sprintf(`{"index":%s,"epoch":%s,"table":%q,"id":%s,"uid":%q,"received":%q,"form":%q,"salt":%q,"sender":%q}`,
			h.Get("Vigil-Index"), h.Get("Vigil-Epoch"), h.Get("Vigil-Table"), h.Get("Vigil-Id"), e.UID, h.Get("Vigil-Received"),
			h.Get("Vigil-Form"), h.Get("Vigil-Salt"), h.Get("Vigil-Sender"))
		entry, err := ledger.ParseEntry([]byte(line))
		if err != nil {
			t.Fatal(err)
		}
		entry.Doc = w.Body.Bytes()
		text, err := f.get("/log/proof/"+e.UID.String(), "*")
		if err != nil {
			t.Fatal(err)
		}
		p, err := ledger.ParseProof(text.Body.Bytes())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := p.Check(entry.Record(nil), f.signer.Verifier()); err != nil || p.Index != int64(i) {
			t.Errorf("%d: %v", i, err)
		}
		entry.Doc[0] = '['
		if _, err := p.Check(entry.Record(nil), f.signer.Verifier()); err == nil {
			t.Errorf("%d: a changed document is proved", i)
		}
	}
	// Which event was read is part of the record.
	uid := f.events[0].UID.String()
	if len(f.observed) != 10 || f.observed[0] != "events raw/"+uid+" 1" || f.observed[1] != "events proof/"+uid+" 1" {
		t.Errorf("observed %v", f.observed)
	}
}

func TestProofWaits(t *testing.T) {
	f := newFace(t, 5)
	path := "/log/proof/" + f.events[4].UID.String()
	_, err := f.get(path, "*")
	if e, ok := errors.AsType[*vigil.Error](err); !ok || e.Kind != vigil.Unavailable || e.RetryAfter == 0 {
		t.Errorf("no checkpoint: %v", err)
	}
	f.Wait = time.Minute
	go func() {
		time.Sleep(10 * time.Millisecond)
		f.sign(t, 5)
	}()
	if _, err := f.get(path, "*"); err != nil {
		t.Error(err)
	}
}

func TestEntries(t *testing.T) {
	f := newFace(t, 700)
	f.sign(t, 700)
	w, err := f.get("/log/entries", "*")
	if err != nil || w.Header().Get("Content-Type") != "application/x-ndjson" {
		t.Fatal(err)
	}
	n, root := f.store.Log().Published()
	v := ledger.NewVerifier(ledger.VerifierConfig{Tile: f.store.Log().Tile, Size: n, Expect: []ledger.Expect{{Name: "tree", Size: n, Root: root}}})
	for lines := bufio.NewScanner(w.Body); lines.Scan(); {
		e, err := ledger.ParseEntry(lines.Bytes())
		if err != nil {
			t.Fatal(err)
		}
		v.AddEntry(e)
	}
	if got := v.Finish(); len(got) != 0 || v.Size() != 700 {
		t.Errorf("%d entries, %v", v.Size(), got)
	}
	for from, want := range map[int]int{0: 700, 1: 699, 699: 1, 700: 0} {
		w, err := f.get("/log/entries?from="+strconv.Itoa(from), "*")
		if got := bytes.Count(w.Body.Bytes(), []byte("\n")); err != nil || got != want {
			t.Errorf("from %d: %d lines, %v", from, got, err)
		}
	}
	if _, err := f.get("/log/entries?from=701", "*"); kind(err) != vigil.OutOfRange {
		t.Errorf("from past the end: %v", err)
	}
	if got := f.observed[0]; got != "* entries from 0 700" {
		t.Errorf("observed %q", got)
	}
	r := httptest.NewRequest(http.MethodHead, "/log/entries", nil)
	r.Header.Set("X-Tables", "*")
	head := httptest.NewRecorder()
	if err := f.Serve(head, r); err != nil || head.Body.Len() != 0 {
		t.Errorf("HEAD: %v, %d bytes", err, head.Body.Len())
	}
}

// broken is a store whose entries end in an error.
type broken struct{ *store.Memory }

func (b broken) Entries(ctx context.Context, from int64) iter.Seq2[*vigil.Event, error] {
	return func(yield func(*vigil.Event, error) bool) {
		n := 0
		for e, err := range b.Memory.Entries(ctx, from) {
			if n++; n > 2 {
				yield(nil, errors.New("disk is gone"))
				return
			}
			if !yield(e, err) {
				return
			}
		}
	}
}

func TestEntriesFail(t *testing.T) {
	f := newFace(t, 10)
	f.Store = broken{f.store}
	w, err := f.get("/log/entries", "*")
	if err == nil || w.Body.Len() != 0 {
		t.Errorf("a part is given as the whole: %v, %d bytes", err, w.Body.Len())
	}
	if _, err := f.get("/log/tile/entries/000.p/9", "*"); err == nil {
		t.Error("a bundle of two records is given as one of nine")
	}
}

func TestConsistency(t *testing.T) {
	f := newFace(t, 300)
	f.sign(t, 300)
	w, err := f.get("/log/consistency?from=100", "")
	if err != nil || !strings.HasPrefix(w.Body.String(), `{"from":100,"hashes":["`) || !strings.Contains(w.Body.String(), `"to":300`) {
		t.Errorf("%v: %s", err, w.Body)
	}
	if w, err := f.get("/log/consistency?from=0", ""); err != nil || !strings.Contains(w.Body.String(), `"hashes":[]`) {
		t.Errorf("%v: %s", err, w.Body)
	}
	for _, path := range []string{"from=301", "to=301", "from=5&to=4"} {
		if _, err := f.get("/log/consistency?"+path, ""); kind(err) != vigil.NotFound {
			t.Errorf("%s: %v, want NotFound", path, err)
		}
	}
}
