package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"vigil"
	"vigil/internal/config"
	"vigil/internal/spool"
)

// TestSpooledSinks gives a batch again and again, as the spool of a gateway does
// while the other Vigil is away: each sink has each event once, at last also a
// server that was away itself, and what that refuses is in the file.
func TestSpooledSinks(t *testing.T) {
	es := newBulkServer(t)
	es.setAway(true)
	dir := t.TempDir()
	cfg, err := config.Load(nil, []string{
		`VIGIL_SINKS=[{type: file, path: audit.log, format: document, where: "event->>n=neq.skip"}, {type: elasticsearch, url: "` + es.URL + `", format: document, tables: [exchanges]}]`,
	}, dir)
	if err != nil {
		t.Fatal(err)
	}
	o := &outlets{cfg: cfg, std: &stdio{Dir: dir, Out: os.Stdout, Err: os.Stderr}, log: slog.New(slog.DiscardHandler), gap: func(string, int64) {}}
	sinks, err := openSpooled(o, filepath.Join(dir, "sinks"), prometheus.NewRegistry())
	if err != nil {
		t.Fatal(err)
	}
	tries := 0
	forward := vigil.WriterFunc(func(context.Context, []*vigil.Event) error {
		if tries++; tries < 5 {
			return errors.New("the other Vigil is away")
		}
		return nil
	})
	gateway, err := spool.Open(spool.Config{Dir: filepath.Join(dir, "gateway"), Writer: vigil.Tee(append(sinks.writers(), forward)...), MinPause: time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	var events []*vigil.Event
	for _, n := range []string{"one", "two", "skip", "refuse me"} {
		events = append(events, &vigil.Event{Table: vigil.TableExchanges, Format: vigil.FormatExchange, Doc: fmt.Appendf(nil, `{"n":%q}`, n)})
	}
	events = append(events, &vigil.Event{Table: vigil.TableEvents, Format: vigil.FormatLogserver, Doc: []byte(`{"n":"three"}`)})
	if err := gateway.Write(t.Context(), events); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithTimeout(t.Context(), 20*time.Second)
	defer stop()
	if err := errors.Join(gateway.Flush(ctx), gateway.Close()); err != nil || tries != 5 {
		t.Fatalf("after %d tries: %v", tries, err)
	}
	es.setAway(false)
	for _, s := range sinks.spools {
		if err := s.Flush(ctx); err != nil {
			t.Fatal(err)
		}
	}
	if err := sinks.close(ctx); err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(filepath.Join(dir, "audit.log"))
	if want := "{\"n\":\"one\"}\n{\"n\":\"two\"}\n{\"n\":\"refuse me\"}\n{\"n\":\"three\"}\n"; err != nil || string(got) != want {
		t.Errorf("file %q %v, want %q", got, err, want)
	}
	if len(es.docs) != 3 || es.count("one") != 1 || es.count("skip") != 1 {
		t.Errorf("server %v", es.docs)
	}
	refused, err := os.ReadFile(filepath.Join(dir, "sinks", "sinks.refused.ndjson"))
	if err != nil || strings.Count(string(refused), "\n") != 1 || !strings.Contains(string(refused), `"reason":"400 test: so"`) {
		t.Errorf("refused %s %v", refused, err)
	}
}
