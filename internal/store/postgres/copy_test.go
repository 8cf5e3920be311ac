package postgres_test

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"vigil"
	"vigil/internal/format"
	"vigil/internal/store"
	"vigil/internal/store/postgres"
	"vigil/internal/store/storetest"
)

// TestCopy stores the same events one by one and in one batch, which are two ways
// to insert: every row is the same but for what no two events have in common.
func TestCopy(t *testing.T) {
	t.Parallel()
	docs := []string{
		`{"a": "\\u0041", "tags": ["x", "y"], "subject": "Patient/1", "patient": null}`,
		`{"asctime": "2026-08-01 12:00:00,5", "user": "\"quoted\" ü 💙", "agent": {"who": "Practitioner/1", "ip_address": "192.0.2.1"}, "action": "read"}`,
		`"text"`, `17`, `null`, `[]`, `{"subject": "Patient/2", "patient": "", "outcome": "0", "severity": "error"}`,
	}
	var rows [2]string
	for way, size := range []int{1, 280} {
		url := migrated(t)
		c := storetest.Config(nil)
		c.Mapping, c.Now = format.New(time.UTC), func() time.Time { return time.Date(2026, 11, 1, 0, 0, 0, 1000, time.UTC) }
		s, err := postgres.Open(t.Context(), postgres.Options{URL: url}, c)
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		for i := 0; i < 280; i += size {
			events := make([]*vigil.Event, size)
			for k := range events {
				n := i + k
				events[k] = &vigil.Event{
					Table: []string{vigil.TableEvents, "custom"}[n%2], Format: []vigil.Format{vigil.FormatLogserver, vigil.FormatFHIRR4}[n/2%2], Doc: []byte(docs[n%len(docs)]),
					Sender: []*vigil.Sender{nil, {Subject: fmt.Sprint(n % 3)}}[n%5%2], SourceID: int64(n % 4),
				}
			}
			if _, err := s.Append(t.Context(), &store.Batch{Events: events}); err != nil {
				t.Fatal(err)
			}
		}
		storetest.CheckRoot(t, s)
		rows[way] = value(t, dial(t, url), `select json_agg(json_build_array(id, event, _index, _received, _format, _sender, _source_id, _epoch, length(_salt), _canonical, _raw, facts) order by _index)::text
			from (select e.*, to_json(f) facts from api.events e join vigil._facts_events f on f.id = e.id and f._received = e._received
				union all select e.*, to_json(f) from api.custom e join vigil._facts_custom f on f.id = e.id and f._received = e._received) x`)
	}
	if !json.Valid([]byte(rows[0])) || len(rows[0]) < 280*100 {
		t.Fatalf("the rows are %s", rows[0])
	}
	if rows[0] != rows[1] {
		t.Errorf("rows that were inserted one by one:\n%s\nat once:\n%s", rows[0], rows[1])
	}
}
