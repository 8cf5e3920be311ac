package search_test

import (
	"slices"
	"testing"

	"pgregory.net/rapid"

	"vigil"
	"vigil/internal/format"
	"vigil/internal/format/convert"
	"vigil/internal/format/fhir"
	"vigil/internal/query"
	"vigil/internal/store"
)

// TestNarrowingLosesNothing asks, for many searches of one parameter, whether the
// tables' conditions select every event whose AuditEvent matches, once, and where
// they are exact no other one.
func TestNarrowingLosesNothing(t *testing.T) {
	events := samples(300)
	converter, mapping := convert.New(convert.Config{}), format.New(nil)
	for _, v := range []fhir.Version{fhir.R4, fhir.R5} {
		rows := make([]*store.Row, len(events))
		nodes := make([]*fhir.Node, len(events))
		for i, e := range events {
			e.Received, e.Index, e.ID = start, int64(i), int64(i+1)
			var err error
			if nodes[i], err = converter.AuditEvent(e, v); err != nil {
				t.Fatal(err)
			}
			rows[i] = &store.Row{Stored: *e, Mapping: mapping}
		}
		parameters := rapid.Custom(func(t *rapid.T) [2]string {
			name, value := genParameter(t, v == fhir.R5, nil)
			return [2]string{name, value}
		})
		narrowed, matches := 0, 0
		for i := range 1500 {
			p := parameters.Example(i)
			s := parse(t, v, p)
			for _, table := range []string{vigil.TableEvents, vigil.TableAuditEvents, vigil.TableLogs} {
				var programs []*query.Program
				parts := s.Queries(table)
				for _, q := range parts {
					program, err := query.Compile(&q.Query, store.EventSchema(table), start)
					if err != nil {
						t.Fatal(err)
					}
					programs = append(programs, program)
				}
				for i, row := range rows {
					if row.Stored.Table != table {
						continue
					}
					selected := 0
					exact := false
					for j, program := range programs {
						if ok, _ := program.Match(row); ok {
							selected++
							exact = exact || parts[j].Exact
						}
					}
					match := s.Match(nodes[i])
					if selected > 1 || match && selected == 0 || exact && !match && invalid([]*vigil.Event{events[i]}) == 0 {
						t.Fatalf("%v %v: %d times selected, exactly %v, matches %v: %s", v, p, selected, exact, match, row.Stored.Doc)
					}
					if match {
						matches++
					}
					if selected == 0 {
						narrowed++
					}
				}
			}
		}
		if matches < 10_000 || narrowed < 50_000 {
			t.Errorf("%v: %d matches, %d narrowed away: the searches say too little", v, matches, narrowed)
		}
	}
	if !slices.ContainsFunc(events, func(e *vigil.Event) bool { return invalid([]*vigil.Event{e}) > 0 }) {
		t.Error("no event is invalid")
	}
}
