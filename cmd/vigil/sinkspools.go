package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"vigil"
	"vigil/internal/config"
	"vigil/internal/sink"
	"vigil/internal/spool"
	"vigil/internal/telemetry"
)

// spooledSinksDir is where the spools of sinks lie that have no store.
const spooledSinksDir = "vigil-sinks"

// withSinks returns w with the configured sinks before it, and what closes them.
// They come first because they know a batch that comes again.
func withSinks(cfg *config.Config, std *stdio, p *peers, tel *telemetry.Telemetry, w vigil.Writer) (vigil.Writer, func() error, error) {
	o := &outlets{cfg: cfg, std: std, log: tel.Log, peers: p, gap: func(name string, n int64) {
		tel.Log.Error("the buffer of a sink was full, and events were dropped", "sink", name, "events", n)
	}}
	s, err := openSpooled(o, filepath.Join(std.Dir, spooledSinksDir), tel.Registry)
	if err != nil {
		return nil, nil, err
	}
	return vigil.Tee(append(s.writers(), w)...), func() error { return s.close(context.Background()) }, nil
}

// spooledSinks are the sinks of a gateway without a store, each behind a spool of
// its own.
type spooledSinks struct {
	outlets *outlets
	spools  []*spool.Spool
	refused *sink.RefusedFile
}

// openSpooled opens the sinks of o with spools below dir. Lines that are refused
// for good go to a file there.
func openSpooled(o *outlets, dir string, metrics prometheus.Registerer) (s *spooledSinks, err error) {
	s = &spooledSinks{outlets: o}
	if !o.any() {
		return s, nil
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.close(context.Background()))
		}
	}()
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return s, fmt.Errorf("make a directory for the sinks: %w", err)
	}
	if s.refused, err = sink.OpenRefused(filepath.Join(dir, "sinks.refused.ndjson"), time.Now); err != nil {
		return s, err
	}
	o.setAside = s.refused.SetAside
	o.key = spoolKey
	if err := o.open(); err != nil {
		return s, err
	}
	for _, x := range o.list {
		sp, err := spool.Open(spool.Config{
			Dir: filepath.Join(dir, "sink-"+x.name), Writer: sink.Resume(x.writer, spoolKey), Log: o.log.With("sink", x.name),
			// The spools of gateways have the label gateway, and one metric has the same labels everywhere.
			Metrics: prometheus.WrapRegistererWith(prometheus.Labels{"gateway": "sink-" + x.name}, metrics),
		})
		if err != nil {
			return s, err
		}
		s.spools = append(s.spools, sp)
	}
	return s, nil
}

func spoolKey(ctx context.Context) string {
	key, _ := spool.Key(ctx)
	return key
}

// writers returns what gives each sink its events. A batch that comes again with
// the key of a late one is known to the sinks that took it.
func (s *spooledSinks) writers() []vigil.Writer {
	var all []vigil.Writer
	for i, x := range s.outlets.list {
		var seen lately
		to := s.spools[i]
		all = append(all, vigil.WriterFunc(func(ctx context.Context, events []*vigil.Event) error {
			key := spoolKey(ctx)
			if seen.has(key) {
				return nil
			}
			if kept := x.wanted(events); len(kept) > 0 {
				if err := to.Write(ctx, kept); err != nil {
					return err
				}
			}
			seen.add(key)
			return nil
		}))
	}
	return all
}

// lately remembers the keys of the last batches, of which each gateway's spool
// gives one at a time.
type lately struct {
	mu   sync.Mutex
	keys []string
}

func (l *lately) has(key string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return key != "" && slices.Contains(l.keys, key)
}

func (l *lately) add(key string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.keys = append(l.keys, key); len(l.keys) > 64 {
		l.keys = slices.Delete(l.keys, 0, 1)
	}
}

// close sends what it can in a little time, and closes all.
func (s *spooledSinks) close(ctx context.Context) error {
	ctx, stop := context.WithTimeout(context.WithoutCancel(ctx), sinkGrace)
	defer stop()
	var err error
	for _, sp := range s.spools {
		_ = sp.Flush(ctx) // what is left is on disk
		err = errors.Join(err, sp.Close())
	}
	err = errors.Join(err, s.outlets.close(ctx))
	if s.refused != nil {
		err = errors.Join(err, s.refused.Close())
	}
	return err
}

// wanted returns the events that go to the outlet.
func (o *outlet) wanted(events []*vigil.Event) []*vigil.Event {
	var kept []*vigil.Event
	for _, e := range events {
		if o.wants(e) {
			kept = append(kept, e)
		}
	}
	return kept
}
