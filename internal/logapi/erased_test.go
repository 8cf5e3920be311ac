package logapi

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"vigil"
	"vigil/internal/ledger"
	"vigil/internal/store"
)

// TestErased erases a document: it is given to nobody, and its place in the log,
// like every other, is still proved.
func TestErased(t *testing.T) {
	f := newFace(t, 300)
	gone := f.events[42]
	leaf := store.LeafOf(gone)
	if n, err := f.store.Erase(t.Context(), []vigil.UID{gone.UID}, store.Removal{Reason: "a court asked for it"}); n != 1 || err != nil {
		t.Fatalf("erase: %d, %v", n, err)
	}
	f.sign(t, f.store.Log().Size())
	_, err := f.get("/raw/"+gone.UID.String(), "*")
	if e, ok := errors.AsType[*vigil.Error](err); !ok || e.Kind != vigil.NotFound || !strings.Contains(e.Message, "erased") || e.Hint == "" {
		t.Errorf("raw: %v", err)
	}
	if _, err := f.get("/raw/"+gone.UID.String(), vigil.TableSystem); kind(err) != vigil.Forbidden {
		t.Errorf("raw, without rights on its table: %v", err)
	}
	w, err := f.get("/log/proof/"+gone.UID.String(), "*")
	if err != nil || !strings.Contains(w.Body.String(), "index 42") {
		t.Errorf("proof: %s, %v", w.Body, err)
	}
	w, err = f.get("/log/entries", "*")
	if err != nil {
		t.Fatal(err)
	}
	if strings.Count(w.Body.String(), `"erased":"`) != 1 {
		t.Error("not one entry is said to be erased")
	}
	size, root := f.store.Log().Published()
	v := ledger.NewVerifier(ledger.VerifierConfig{Size: size, Tile: f.store.Log().Tile, Expect: []ledger.Expect{{Name: "log", Size: size, Root: root}}})
	for line := range bytes.Lines(w.Body.Bytes()) {
		e, err := ledger.ParseEntry(line)
		if err != nil {
			t.Fatal(err)
		}
		if e.Index == 42 && (!e.Erased || e.Leaf != leaf || len(e.Doc) > 0) {
			t.Errorf("what is left: %+v", e)
		}
		if string(e.AppendJSON(nil)) != string(line) {
			t.Errorf("written again: %s", e.AppendJSON(nil))
		}
		v.AddEntry(e)
	}
	if problems := v.Finish(); len(problems) > 0 {
		t.Errorf("verification: %v", problems)
	}
	for _, bad := range []string{
		`"erased":"AAAA"`, `"erased":"` + strings.Repeat("A", 43) + `=","doc":"AAAA"`,
	} {
		line := `{"index":1,"epoch":1,"table":"events","id":1,"uid":"` + gone.UID.String() + `","received":"2026-01-01T00:00:00.000000Z","form":"raw",` + bad + "}"
		if _, err := ledger.ParseEntry([]byte(line)); err == nil {
			t.Errorf("%s is taken for an entry", line)
		}
	}
}
