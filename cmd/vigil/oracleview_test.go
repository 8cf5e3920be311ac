package main

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"vigil"
	"vigil/internal/config"
	"vigil/internal/format/oracle"
	"vigil/internal/pgtest"
	"vigil/internal/query"
	"vigil/internal/store/postgres"
)

// oracleExchanges are exchanges and what somebody might post in their place.
func oracleExchanges(t *testing.T) (docs [][]byte) {
	t.Helper()
	start := time.Date(2026, 3, 1, 12, 0, 0, 123_456_000, time.UTC)
	for i, x := range []vigil.Exchange{
		{
			ID: "e-1", RequestID: "r-1", Start: start, Duration: 15 * time.Millisecond, Method: "GET", Path: "/fhir/Patient", RawQuery: "name=x", Status: 200,
			Type: "Patient", Interaction: "search-type", Peer: []string{"192.0.2.1", "192.0.2.2"}, User: vigil.User{Subject: "u", Name: "n"},
		},
		{ID: "e-2", Start: start, Method: "POST", Path: "/fhir", User: vigil.User{Username: "basic"}},
		{ID: "e-3", Start: start.Add(time.Hour), Duration: time.Hour, Method: "PUT", Path: "/fhir/Patient/1", Status: 500, User: vigil.User{Client: "app"}, RequestBody: &vigil.Body{Text: `{"a":1}`}, ResponseBody: &vigil.Body{Binary: []byte{1, 2}}},
	} {
		doc, err := json.Marshal(x)
		if err != nil {
			t.Fatal(i, err)
		}
		docs = append(docs, doc)
	}
	return append(docs, []byte(`{"id":"odd","start":"soon","status":"200; drop table","duration":-1,"user":[],"peer":"x"}`))
}

// TestOracleView: the view in the database has the rows that the API has, one for
// every exchange, also for a document that is none.
func TestOracleView(t *testing.T) {
	address := pgtest.Postgres(t)
	cfg, err := config.Load(map[string]string{"store": address}, nil, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	cfg.Peers.HDR = ""
	if _, _, err := migrateDatabase(t.Context(), cfg, "", slog.New(slog.DiscardHandler), nil); err != nil {
		t.Fatal(err)
	}
	s, err := postgres.Open(t.Context(), postgres.Options{URL: address}, storeConfig(cfg, slog.New(slog.DiscardHandler), nil))
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	var events []*vigil.Event
	for _, doc := range oracleExchanges(t) {
		events = append(events, &vigil.Event{Table: vigil.TableExchanges, Format: vigil.FormatExchange, Doc: doc})
	}
	audit := []byte(`{"resourceType":"AuditEvent","entity":[{"what":{"identifier":{"value":"r-1"}}}]}`)
	events = append(events[:1:1], append([]*vigil.Event{{Table: vigil.TableAuditEvents, Format: vigil.FormatFHIRR4, Doc: audit}}, events[1:]...)...)
	if err := s.Write(t.Context(), events); err != nil {
		t.Fatal(err)
	}
	answer, err := s.Rows(t.Context(), &query.Query{Table: oracle.Table, Limit: -1})
	if err != nil {
		t.Fatal(err)
	}
	var want []string
	for cells, err := range answer.Seq {
		if err != nil {
			t.Fatal(err)
		}
		line := ""
		for _, c := range cells[:oracle.AuditEvent] {
			line += string(c.AppendText(nil)) + "|"
		}
		want = append(want, line)
	}
	if len(answer.Columns) != int(oracle.NumColumns) || len(want) != 4 {
		t.Fatalf("%d columns, %d rows", len(answer.Columns), len(want))
	}
	got, audits := oracleRows(t, address)
	// What is no exchange has no columns in the API; in SQL those that can be read.
	for i := range want[:3] {
		if got[i] != want[i] {
			t.Errorf("row %d\nin SQL  %s\nin Vigil %s", i+1, got[i], want[i])
		}
	}
	if fmt.Sprint(audits) != "[1 0 0 0]" {
		t.Errorf("AuditEvents of the rows: %v", audits)
	}
}

// oracleRows reads the view as an auditor with psql would, and how many of the
// rows have an AuditEvent.
func oracleRows(t *testing.T, address string) (rows []string, audits []int) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	if _, err := conn.Exec(t.Context(), "set role vigil_reader; set timezone = 'UTC'"); err != nil {
		t.Fatal(err)
	}
	text := ""
	for c := range oracle.AuditEvent {
		text += fmt.Sprintf("coalesce(%s::text, '') || '|' || ", c)
	}
	r, err := conn.Query(t.Context(), "select "+text+"'', (ATNA_AUDITEVENT is not null)::int from api."+oracle.Table)
	if err != nil {
		t.Fatal(err)
	}
	for r.Next() {
		var row string
		var n int
		if err := r.Scan(&row, &n); err != nil {
			t.Fatal(err)
		}
		rows, audits = append(rows, row), append(audits, n)
	}
	if err := r.Err(); err != nil {
		t.Fatal(err)
	}
	return rows, audits
}
