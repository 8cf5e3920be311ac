package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"vigil"
	"vigil/internal/config"
	"vigil/internal/format/logserver"
	"vigil/internal/pgtest"
	"vigil/internal/store/postgres"
)

// samples returns the documents that applications sent to logservers.
func samples(t testing.TB) (docs [][]byte) {
	t.Helper()
	for _, pattern := range []string{"*.json", "*.ndjson", "generations/*.json"} {
		files, err := filepath.Glob("../../../shared/data/logserver/" + pattern)
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range files {
			b, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			for d := json.NewDecoder(bytes.NewReader(b)); d.More(); {
				var doc json.RawMessage
				if err := d.Decode(&doc); err != nil {
					t.Fatalf("%s: %v", name, err)
				}
				var list []json.RawMessage
				if json.Unmarshal(doc, &list) == nil {
					for _, e := range list {
						docs = append(docs, e)
					}
					continue
				}
				docs = append(docs, doc)
			}
		}
	}
	return docs
}

// viewTimes are spellings of times, and of what looks like one.
var viewTimes = []string{
	`"2025-01-09T01:01:53.219Z"`, `"2025-01-09 01:01:53,2195"`, `"2025-01-09 01:01"`, `"2025-01-09"`, `"2025-01-09T01:01:53+05:30"`,
	`"2025-01-09T01:01:53 -0800"`, `"2025-01-09T01:01:53+01"`, `"2025-01-09T01:01:53  UTC"`, `"2025-01-09T24:00"`, `"2025-01-09T24:00:01"`,
	`"2025-01-09T24:00:00.5"`, `"2025-06-30T23:59:60Z"`, `"2025-02-29"`, `"2024-02-29"`, `"2025-13-01"`, `"0000-01-01"`, `"0001-01-01"`, `"9999-12-31T23:59:59.9999999"`,
	`"2025-03-09 02:30:00"`, `"2025-11-02 01:30:00"`, `"2025-11-02 01:30:00-07:00"`, `"2025-01-09T01:01:53.0000005"`, `"2025-01-09T01:01:53.0000015"`, `"2025-01-09T01:01:53."`,
	`"2025-01-09T01:01:53+16:00"`, `"2025-01-09T01:01:53+15:60"`, `"2025-01-09T01:01:53z"`, `"2025-01-09t01:01:53GMT"`, `"2025-01-09T01:01:53 CET"`, `"2025-1-09"`, `"yesterday"`, `""`,
	`1736384513`, `1736384513219`, `1736384513219123`, `1736384513219123456`, `1736384513.219`, `1736384513219.5`, `1.736384513219e12`, `"1736384513219"`, `"1736384513.5e0"`,
	`99999999`, `100000000`, `99999999999`, `100000000000`, `99999999999999999`, `9223372036854775807`, `9223372036854775808`, `9.9e18`, `1e19`, `1e400`, `"1e400"`, `"1+2345678"`,
	`-1736384513`, `"0x17363845130"`, `"１７３６３８４５１３"`, `null`, `true`, `[]`, `{}`, `["2025-01-09"]`, `"2025-01-09T01:01:53.12345678901234567890123456789"`,
	`"2025-01-09T01:01:53.12345678901234567890123456789012345678901234567890"`,
}

// viewValuesOf are values of what is no time.
var viewValuesOf = []string{`"a"`, `""`, `"LTT"`, `1`, `3.0`, `"1.2.3"`, `"1.2.3-test"`, `"12345678"`, `"123456789"`, `-1`, `1e5`, `1e9`, `null`, `[]`, `["x","y"]`, `[null]`, `[{"a":1}]`, `{"userId":"u"}`, `{"userId":null}`, `true`, `"."`, `"1."`}

// viewDocs returns made-up documents with the members that the view looks at.
func viewDocs(n int) (docs [][]byte) {
	r := rand.New(rand.NewPCG(4, 2))
	times := []string{"event_time", "occurred", "created_at", "asctime", "timestamp", "time"}
	others := []string{"source_system", "schema_version", "version", "subject", "user_id", "userId", "authDetails", "action", "event_type", "type", "operationType", "message", "tags"}
	for _, v := range viewTimes {
		docs = append(docs, []byte(`{"timestamp":`+v+`}`))
	}
	for _, name := range others {
		for _, v := range viewValuesOf {
			docs = append(docs, []byte(fmt.Sprintf(`{%q:%s}`, name, v)))
		}
	}
	for range n {
		var members []string
		for range r.IntN(6) {
			members = append(members, fmt.Sprintf("%q:%s", times[r.IntN(len(times))], viewTimes[r.IntN(len(viewTimes))]))
			members = append(members, fmt.Sprintf("%q:%s", others[r.IntN(len(others))], viewValuesOf[r.IntN(len(viewValuesOf))]))
		}
		docs = append(docs, []byte("{"+strings.Join(members, ",")+"}"))
	}
	return append(docs, []byte(`"text"`), []byte(`[{"action":"x"}]`), []byte(`null`), []byte(`7`))
}

// TestEventsView makes sure that the view in the database says what the API
// says, of samples and of made-up documents, in several zones.
func TestEventsView(t *testing.T) {
	docs := append(samples(t), viewDocs(2000)...)
	for _, zone := range []string{"UTC", "America/Los_Angeles", "Asia/Kolkata"} {
		address := pgtest.Postgres(t)
		cfg, err := config.Load(map[string]string{"store": address, "zone": zone}, nil, t.TempDir())
		if err != nil {
			t.Fatal(err)
		}
		for range 2 { // again changes nothing
			if _, _, err := migrateDatabase(t.Context(), cfg, "", slog.New(slog.DiscardHandler), nil); err != nil {
				t.Fatal(err)
			}
		}
		s, err := postgres.Open(t.Context(), postgres.Options{URL: address}, storeConfig(cfg, slog.New(slog.DiscardHandler), nil))
		if err != nil {
			t.Fatal(err)
		}
		var events []*vigil.Event
		for _, doc := range docs {
			events = append(events, &vigil.Event{Table: vigil.TableEvents, Format: vigil.FormatLogserver, Doc: doc})
		}
		if err := s.Write(t.Context(), events); err != nil {
			t.Fatal(err)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		compareView(t, address, cfg.Zone, events)
	}
}

func compareView(t *testing.T, address string, zone *time.Location, events []*vigil.Event) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	if _, err := conn.Exec(t.Context(), "set role vigil_reader; set timezone = 'Asia/Tokyo'"); err != nil { // which must not matter
		t.Fatal(err)
	}
	// In two parts, since extract gave a number with too few digits before PostgreSQL 14.
	rows, err := conn.Query(t.Context(), "select id, schema_version, extract(epoch from date_trunc('second', occurred_at))::bigint * 1000000 + extract(microseconds from occurred_at)::bigint % 1000000, user_id, event_type from api.events_view order by id")
	if err != nil {
		t.Fatal(err)
	}
	show := func(s *string) string {
		if s == nil {
			return "null"
		}
		return "'" + *s + "'"
	}
	n := 0
	var id int64
	var got logserver.Row
	var micros *int64
	_, err = pgx.ForEachRow(rows, []any{&id, &got.SchemaVersion, &micros, &got.UserID, &got.EventType}, func() error {
		e := events[n]
		want := logserver.ViewRow(e.Doc, zone)
		n++
		at := "null"
		if micros != nil {
			at = time.UnixMicro(*micros).UTC().String()
		}
		wantAt := "null"
		if !want.OccurredAt.IsZero() {
			wantAt = want.OccurredAt.UTC().String()
		}
		if id != e.ID || got.SchemaVersion != want.SchemaVersion || at != wantAt || show(got.UserID) != show(want.UserID) || show(got.EventType) != show(want.EventType) {
			t.Errorf("%s, %.300s:\ngot  %s %s %s %s\nwant %s %s %s %s", zone, e.Doc, got.SchemaVersion, at, show(got.UserID), show(got.EventType),
				want.SchemaVersion, wantAt, show(want.UserID), show(want.EventType))
		}
		return nil
	})
	if err != nil || n != len(events) {
		t.Errorf("%d rows of %d, %v", n, len(events), err)
	}
}
