package server

import (
	"fmt"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"vigil"
	"vigil/internal/store"
)

func TestCountIncomplete(t *testing.T) {
	m, err := store.NewMemory(store.Config{})
	if err != nil {
		t.Fatal(err)
	}
	reg := prometheus.NewRegistry()
	s := CountIncomplete(m, IncompleteConfig{
		Missing: func(doc []byte) []string {
			if strings.Contains(string(doc), "action") {
				return nil
			}
			return []string{"action"}
		},
		Source:  func(doc []byte) string { return string(doc[2:8]) },
		Metrics: reg,
	})
	write := func(doc string) {
		t.Helper()
		e := &vigil.Event{Table: vigil.TableEvents, Format: vigil.FormatLogserver, Doc: []byte(doc)}
		if err := s.Write(t.Context(), []*vigil.Event{e}); err != nil {
			t.Fatal(err)
		}
		if e.ID == 0 {
			t.Error("the event was not taken")
		}
	}
	write(`{"action":"read"}`)
	for i := range maxSources + 50 {
		write(fmt.Sprintf(`{"s%05d":1}`, i))
	}
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	if len(families) != 1 {
		t.Fatalf("%d metrics, want 1", len(families))
	}
	sum, other := 0.0, 0.0
	for _, series := range families[0].Metric {
		sum += series.Counter.GetValue()
		for _, l := range series.Label {
			if l.GetName() == "source" && l.GetValue() == "other" {
				other = series.Counter.GetValue()
			}
		}
	}
	if n := len(families[0].Metric); n != maxSources+1 || sum != maxSources+50 || other != 50 {
		t.Errorf("%d series, %v events of which %v of other sources; want %d, %d and 50", n, sum, other, maxSources+1, maxSources+50)
	}
}
