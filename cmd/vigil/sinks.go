package main

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"

	"vigil"
	"vigil/internal/server"
	"vigil/internal/sink"
	"vigil/internal/store"
)

// sinkGrace is how long sinks may go on at the end, to take what is in the log.
const sinkGrace = 5 * time.Second

// sinkPause is the time after which a sink that cannot go on by itself, as where
// its cursor cannot be written, tries again.
const sinkPause = 30 * time.Second

// sinks are the running sinks of a server, each behind a follower of its log.
type sinks struct {
	outlets   *outlets
	followers []*sink.Follower
	log       *slog.Logger
	store     store.Store
	temp      string // directory of the cursors of a store that is gone at the end
	stop      context.CancelFunc
	done      sync.WaitGroup
}

// openSinks opens the sinks. They begin with start.
func (s *serving) openSinks() (err error) {
	k := &sinks{log: s.log, store: s.store}
	k.outlets = &outlets{
		cfg: s.cfg, std: s.std, log: s.log, peers: s.peers, setAside: s.setAside,
		gap: func(name string, n int64) {
			s.recorder.Record(server.Doing{Severity: "error", Action: "execute", Count: n, Message: "gap: the buffer of sink " + name + " was full, and events were dropped"})
		},
		key: func(context.Context) string { return "" },
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, k.outlets.close(context.Background()))
		}
	}()
	if err := k.outlets.open(); err != nil {
		return err
	}
	s.sinks = k
	if len(k.outlets.list) == 0 {
		return nil
	}
	dir := filepath.Clean(stateDir(s.cfg)) + ".sinks"
	if stateDir(s.cfg) == "" {
		if dir, err = os.MkdirTemp("", "vigil-sinks-"); err != nil {
			return fmt.Errorf("make a directory for the sinks: %w", err)
		}
		k.temp = dir
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("make a directory for the sinks: %w", err)
	}
	for _, o := range k.outlets.list {
		f, err := sink.NewFollower(sink.FollowerConfig{
			Name: o.name, Log: s.store, Cursor: filepath.Join(dir, o.name+".cursor"), Writer: o.writer, Tables: o.tables, Keep: o.keep,
			FromNow: o.fromNow, Linger: o.linger, BatchEvents: o.batch, Tell: s.tellOfSink, Now: time.Now, Logger: s.log, Metrics: s.tel.Registry,
		})
		if err != nil {
			return err
		}
		k.followers = append(k.followers, f)
	}
	return nil
}

// tellOfSink writes what an operator must know of a sink to the table system.
func (s *serving) tellOfSink(n sink.Notice) {
	d := server.Doing{Severity: "info", Action: "execute", Message: n.Message, Count: n.Count}
	if n.Failed {
		d.Severity = "warning"
	}
	s.recorder.Record(d)
}

// setAside writes what a destination will never take to the table quarantine,
// and that it did so to the table system.
func (s *serving) setAside(ctx context.Context, refused []sink.Refused) error {
	tell := int64(0)
	for _, r := range refused {
		// The reason may quote the document, so it is beside it in quarantine only.
		s.log.Error("a line was refused for good; the table quarantine has it with the reason", "sink", r.Sink, "table", r.Event.Table, "uid", r.Event.UID.String())
		if r.Event.Table != vigil.TableSystem && r.Event.Table != vigil.TableQuarantine { // or it would never end
			tell += int64(max(r.Count, 1))
		}
	}
	events := refusedEvents(refused, time.Now())
	if len(events) == 0 {
		return nil
	}
	// The key keeps what comes again after a crash from being set aside twice.
	key := sha256.New()
	for _, r := range refused {
		fmt.Fprintf(key, "%s %s %x\n", r.Sink, r.Event.UID, sha256.Sum256(r.Line))
	}
	id := fmt.Sprintf("%x", key.Sum(nil))
	if _, err := s.store.Append(ctx, &store.Batch{Events: events, Key: &store.Key{Scope: "sink", Key: id, Body: sha256.Sum256([]byte(id))}}); err != nil {
		return err
	}
	if tell > 0 {
		s.recorder.Record(server.Doing{
			Severity: "warning", Action: "execute", Table: vigil.TableQuarantine, Count: tell,
			Message: "sink " + refused[0].Sink + " was refused lines for good; they are in quarantine with the reason",
		})
	}
	return nil
}

// start runs the sinks until stop is called.
func (k *sinks) start(ctx context.Context) {
	ctx, k.stop = context.WithCancel(context.WithoutCancel(ctx))
	for _, f := range k.followers {
		k.done.Go(func() {
			for ctx.Err() == nil {
				err := f.Run(ctx)
				if err == nil {
					return
				}
				k.log.Error("a sink cannot go on; it is tried again", "err", err, "pause", sinkPause)
				select {
				case <-time.After(sinkPause):
				case <-ctx.Done():
				}
			}
		})
	}
}

// finish gives the sinks a little time to take what is in the log, and closes
// them. What a destination does not take now it gets after the next start.
func (k *sinks) finish() error {
	if k == nil || k.stop == nil {
		return nil
	}
	ctx, stop := context.WithTimeout(context.Background(), sinkGrace)
	defer stop()
	ended, now := context.WithCancel(ctx)
	now()
	size, _ := k.store.Wait(ended, -1) // its size, without waiting
	for i, f := range k.followers {
		if err := f.Reach(ctx, size); err != nil {
			k.log.Info("a sink is behind; it goes on after the next start", "sink", k.outlets.list[i].name)
		}
	}
	k.stop()
	k.done.Wait()
	err := k.outlets.close(ctx)
	if k.temp != "" {
		err = errors.Join(err, os.RemoveAll(k.temp))
	}
	return err
}
