package postgres_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"vigil"
)

// TestSizes: a table that grew is larger, and the database than all of them.
func TestSizes(t *testing.T) {
	t.Parallel()
	s, _ := open(t)
	before, err := s.Sizes(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	var events []*vigil.Event
	for i := range 500 {
		doc := fmt.Sprintf(`{"n":%d,"text":"%s"}`, i, strings.Repeat("x", 500))
		events = append(events, &vigil.Event{Table: vigil.TableLogs, Format: vigil.FormatAidbox, Doc: []byte(doc)})
	}
	write(t, s, events)
	after, err := s.Sizes(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	if grown := after.Tables[vigil.TableLogs] - before.Tables[vigil.TableLogs]; grown < 100_000 {
		t.Errorf("logs grew by %d bytes", grown)
	}
	if after.Tables[vigil.TableEvents] != before.Tables[vigil.TableEvents] || after.Tables[vigil.TableEvents] == 0 {
		t.Errorf("events: %d, then %d", before.Tables[vigil.TableEvents], after.Tables[vigil.TableEvents])
	}
	var sum int64
	for _, n := range after.Tables {
		sum += n
	}
	if len(after.Tables) < len(vigil.Tables()) || after.Database <= sum {
		t.Errorf("%+v", after)
	}
}
