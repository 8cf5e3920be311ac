package vigil_test

import (
	"encoding/json"
	"slices"
	"testing"
	"time"

	"vigil"
)

// TestSenderJSON fixes the stored form: it is hashed into the log, so it must not
// change.
func TestSenderJSON(t *testing.T) {
	for _, c := range []struct {
		s    vigil.Sender
		want string
	}{
		{vigil.Sender{}, `{"authenticated":false}`},
		{
			vigil.Sender{Subject: "s", Issuer: "i", Client: "c", KeyID: "k", Role: "r", Listener: "http", Peer: "192.0.2.1", Authenticated: true},
			`{"sub":"s","iss":"i","client":"c","kid":"k","role":"r","listener":"http","peer":"192.0.2.1","authenticated":true}`,
		},
	} {
		if got, err := json.Marshal(c.s); err != nil || string(got) != c.want {
			t.Errorf("%s, %v, want %s", got, err, c.want)
		}
	}
}

// TestExchangeJSON fixes the names that the mapping reads.
func TestExchangeJSON(t *testing.T) {
	x := vigil.Exchange{ID: "1", Start: time.Date(2024, 2, 3, 4, 5, 6, 0, time.UTC), Method: "GET", Path: "/Patient/1", Status: 200}
	want := `{"id":"1","start":"2024-02-03T04:05:06Z","duration":0,"method":"GET","path":"/Patient/1","status":200,"requestBytes":0,"responseBytes":0,"complete":false}`
	if got, err := json.Marshal(x); err != nil || string(got) != want {
		t.Errorf("%s, %v", got, err)
	}
}

func TestTables(t *testing.T) {
	tables := vigil.Tables()
	if tables[0] != vigil.TableEvents || len(tables) != 6 || len(slices.Compact(slices.Sorted(slices.Values(tables)))) != 6 {
		t.Errorf("tables %v", tables)
	}
}
