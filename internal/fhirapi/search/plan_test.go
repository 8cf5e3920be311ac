package search_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"vigil/internal/format/fhir"
	"vigil/internal/pgtest"
)

// indexed are the columns of facts that have an index each, with the id.
var indexed = []string{"_occurred", "_type", "_subtype", "_outcome", "_action", "_client"}

// TestPlans asks that PostgreSQL answers what is searched for most without
// reading whole tables.
func TestPlans(t *testing.T) {
	s, url := openPostgres(t, config())
	load(t, s, 20_000)
	script := "create schema test;"
	for _, table := range []string{"events", "audit_events"} {
		for _, c := range indexed {
			script += fmt.Sprintf("create index on vigil._facts_%s (%s, id);", table, c)
		}
	}
	exec := func(script string) error { return pgtest.Exec(t.Context(), url, script) }
	for _, part := range []string{script, "vacuum analyze"} {
		if err := exec(part); err != nil {
			t.Fatal(err)
		}
	}
	for _, q := range []string{
		"", "patient=Patient/p7", "patient=p7", "patient=p7&date=ge2026-02-01", "patient.identifier=u7", "agent=Practitioner/u3", "agent=u3", "agent.identifier=x",
		"entity=Observation/o7", "date=2026-02-10", "date=ge2026-02-10&date=lt2026-02-12&_sort=-date", "_sort=-date", "_sort=date", "_lastUpdated=ge2026-03-01&_sort=_lastUpdated",
		"type=110114&_count=5", "type=110114&date=2026-02-10", "type=nothing", "outcome=8&_count=5", "outcome=12", "action=D", "action=C&patient=p7",
	} {
		t.Run(q, func(t *testing.T) {
			if err := exec("drop table if exists test.before; create table test.before as select relid, seq_scan from pg_stat_all_tables"); err != nil {
				t.Fatal(err)
			}
			again := reopen(t, url)
			src := source(again)
			src.DateIndex = true
			page, err := follow(t, fhir.R4, q).Run(t.Context(), src)
			if err != nil {
				t.Fatal(err)
			}
			if few := strings.Contains(q, "nothing") || strings.Contains(q, "outcome=12") || strings.Contains(q, "action=") || strings.Contains(q, "=x") || strings.Contains(q, "fier=u7"); few != (len(page.Entries) == 0) {
				t.Errorf("%d events are found", len(page.Entries))
			}
			// A session counts its scans when it ends at the latest.
			if err := again.Close(); err != nil {
				t.Fatal(err)
			}
			for deadline := time.Now().Add(10 * time.Second); ; {
				err := exec(`do $$ begin if exists (select from pg_stat_activity where application_name = 'plans') then raise exception 'still there'; end if; end $$`)
				if err == nil {
					break
				}
				if time.Now().After(deadline) {
					t.Fatal(err)
				}
			}
			err = exec(`do $$ declare which text; begin
				select string_agg(relname, ', ') into which from pg_stat_all_tables a join test.before b using (relid)
					where a.seq_scan > b.seq_scan and schemaname in ('api', 'vigil') and relname ~ 'events' and pg_table_size(relid) > 1000000;
				if which is not null then raise exception 'whole tables are read: %', which; end if;
			end $$`)
			if err != nil {
				t.Error(err)
			}
		})
	}
}
