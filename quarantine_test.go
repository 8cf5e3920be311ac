package vigil_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"testing"

	"vigil"
)

func TestForGood(t *testing.T) {
	for err, want := range map[error]bool{
		vigil.Errorf(vigil.Invalid, "no JSON"):                           true,
		fmt.Errorf("send: %w", vigil.Errorf(vigil.Conflict, "id taken")): true,
		vigil.Errorf(vigil.Unavailable, "away"):                          false,
		vigil.Errorf(vigil.Unauthenticated, "no token"):                  false,
		vigil.Errorf(vigil.Full, "no space"):                             false,
		errors.New("anything"):                                           false,
	} {
		if got := vigil.ForGood(err); got != want {
			t.Errorf("%v: %v", err, got)
		}
	}
}

func TestQuarantined(t *testing.T) {
	by := &vigil.Sender{Listener: "test"}
	e := vigil.Quarantined("events", []byte("\x00\xff"), errors.New("a\x00b"), by)
	var doc struct {
		Reason, For string
		Bytes       []byte
	}
	if err := json.Unmarshal(e.Doc, &doc); err != nil {
		t.Fatal(err)
	}
	if e.Table != vigil.TableQuarantine || e.Sender != by || doc.Reason != "a\ufffdb" || doc.For != "events" || string(doc.Bytes) != "\x00\xff" {
		t.Errorf("%+v, %+v", e, doc)
	}
}
