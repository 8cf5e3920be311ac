package postgres_test

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"vigil"
	"vigil/internal/format"
	"vigil/internal/pgtest"
	"vigil/internal/query"
	"vigil/internal/store"
	"vigil/internal/store/postgres"
)

// sample returns an event of about 400 bytes with the facts of real ones.
func sample(i int) *vigil.Event {
	return &vigil.Event{
		Table: vigil.TableEvents, Format: vigil.FormatLogserver, Sender: &vigil.Sender{Subject: "bench", Listener: "http"},
		Doc: fmt.Appendf(nil, `{"asctime":"2026-08-%02d %02d:%02d:26,731","name":"sof_wrapper","level":"INFO","message":"viewed the record of patient %d","tags":["auth","login","t%d"],`+
			`"subject":"Patient/%d","patient":"p %d","agent":{"who":"Practitioner/%d","type":"user","ip_address":"192.0.2.%d"},"action":"read","source":{"type":"app%d","observer":"https://app.example"},"version":"2"}`,
			i%28+1, i%24, i%60, i, i%500, i%40_000, i%39_000, i%3000, i%250, i%5),
	}
}

// durable returns an empty store in a cluster that syncs.
func durable(b *testing.B) (*postgres.Store, string) {
	b.Helper()
	cluster, err := pgtest.Start("", pgtest.Options{Fsync: true})
	if err != nil {
		b.Skip(err)
	}
	b.Cleanup(func() { _ = cluster.Stop() })
	c := store.Config{Mapping: format.New(time.UTC)}
	url := cluster.URI("postgres")
	if err := postgres.Migrate(context.Background(), url, c, postgres.Grants{}); err != nil {
		b.Fatal(err)
	}
	s, err := postgres.Open(context.Background(), postgres.Options{URL: url}, c)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = s.Close() })
	return s, url
}

func BenchmarkAppend(b *testing.B) {
	for _, c := range []struct{ clients, batch int }{{1, 1}, {8, 1}, {64, 1}, {1, 16}, {1, 32}, {1, 64}, {1, 1000}, {4, 1000}} {
		b.Run(fmt.Sprintf("clients=%d/batch=%d", c.clients, c.batch), func(b *testing.B) {
			s, _ := durable(b)
			b.ResetTimer()
			b.SetParallelism(max(1, c.clients/2)) // times GOMAXPROCS, which is 2 where this was measured
			if c.clients == 1 {
				for i := range b.N {
					appendSample(b, s, i*c.batch, c.batch)
				}
			} else {
				var n atomic.Int64
				b.RunParallel(func(pb *testing.PB) {
					for pb.Next() {
						appendSample(b, s, int(n.Add(1))*c.batch, c.batch)
					}
				})
			}
			b.ReportMetric(float64(b.N*c.batch)/b.Elapsed().Seconds(), "events/s")
		})
	}
}

func appendSample(b *testing.B, s store.Store, from, n int) {
	events := make([]*vigil.Event, n)
	for i := range events {
		events[i] = sample(from + i)
	}
	if _, err := s.Append(context.Background(), &store.Batch{Events: events}); err != nil {
		b.Error(err)
	}
}

func BenchmarkQuery(b *testing.B) {
	s, url := durable(b)
	const n = 200_000
	for i := 0; i < n; i += 1000 {
		appendSample(b, s, i, 1000)
	}
	if err := pgtest.Exec(context.Background(), url, "analyze"); err != nil {
		b.Fatal(err)
	}
	text := func(keys ...string) query.Path {
		p := query.Path{Column: "event"}
		for i, k := range keys {
			p.Steps = append(p.Steps, query.Step{Key: k, Text: i == len(keys)-1})
		}
		return p
	}
	desc := []query.Order{{Path: query.Path{Column: "id"}, Desc: true}}
	for name, q := range map[string]*query.Query{
		"subject": {Where: query.Test{Path: text("subject"), Op: query.Eq, Value: "Patient/417"}, Limit: -1},
		"patient": {Where: query.Test{Path: text("patient"), Op: query.Eq, Value: "p 417"}, Limit: -1},
		"fact":    {Where: query.Test{Path: query.Path{Column: "_patient"}, Op: query.Eq, Value: "Patient/417"}, Limit: -1},
		"tagdate": {Where: query.And{query.Test{Path: query.Path{Column: "event", Steps: []query.Step{{Key: "tags"}}}, Op: query.Cs, Value: `["t17"]`}, query.Test{Path: text("asctime"), Op: query.Gte, Value: "2026-08-20"}}, Limit: 25},
		"source":  {Where: query.Test{Path: text("source", "type"), Op: query.Eq, Value: "app3"}, Order: desc, Limit: 25},
		"newest":  {Order: desc, Limit: 25},
		"groups":  {Select: []query.Item{{Path: query.Path{Column: "_action"}}, {Agg: query.AggCount}}, Limit: -1},
		"all":     {Limit: -1},
	} {
		q.Table = vigil.TableEvents
		b.Run(name, func(b *testing.B) {
			rows := 0
			for b.Loop() {
				rows = 0
				answer, err := s.Rows(context.Background(), q)
				if err != nil {
					b.Fatal(err)
				}
				for _, err := range answer.Seq {
					if err != nil {
						b.Fatal(err)
					}
					rows++
				}
			}
			b.ReportMetric(float64(rows), "rows")
		})
	}
}
