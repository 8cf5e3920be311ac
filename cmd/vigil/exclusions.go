package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"vigil"
	"vigil/internal/durable"
	"vigil/internal/server"
	"vigil/internal/spool"
)

// exclusionsFile has, in the directory of the spools, what was excluded last.
const exclusionsFile = "firely-excluded"

// exclusions tells the table system which requests Firely Server's settings
// exclude: at each start what is in force, what changed since the last one, and
// now and then how many requests it was.
type exclusions struct {
	peers *peers
	dir   string // of the file with what was excluded last; empty: a change cannot be told
	tell  func(server.Doing)
	told  int64
}

// exclusionsEvery is how often the number of excluded requests is told.
const exclusionsEvery = time.Minute

// begin tells what is in force, or what changed.
func (x *exclusions) begin() error {
	now, before := x.peers.exclusions(), ""
	if x.dir != "" {
		b, err := os.ReadFile(filepath.Join(x.dir, exclusionsFile))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("read what was excluded before: %w", err)
		}
		before = string(b)
	}
	switch {
	case now == "" && before == "":
		return nil
	case now == before || before == "":
		x.tell(server.Doing{Action: "execute", Message: "Firely Server's settings exclude requests", Query: now})
	default:
		x.tell(server.Doing{
			Severity: "warning", Action: "update", Query: now,
			Message: "Firely Server's settings exclude other requests than before; before: " + firstOf(before, "none"),
		})
	}
	if x.dir == "" {
		return nil
	}
	return x.note(now)
}

// note keeps what is excluded for the next start.
func (x *exclusions) note(now string) error {
	path := filepath.Join(x.dir, exclusionsFile)
	err := os.MkdirAll(x.dir, 0o700)
	if err == nil {
		err = durable.WriteFile(path, []byte(now))
	}
	if err != nil {
		return fmt.Errorf("note what is excluded: %w", err)
	}
	return nil
}

// run tells the numbers until ctx ends.
func (x *exclusions) run(ctx context.Context) {
	tick := time.NewTicker(exclusionsEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			x.count()
		case <-ctx.Done():
			return
		}
	}
}

// count tells how many requests were excluded since the last time.
func (x *exclusions) count() {
	if n := x.peers.excluded.Load(); n > x.told {
		x.tell(server.Doing{Action: "exclude", Message: "requests that Firely Server's settings exclude", Count: n - x.told})
		x.told = n
	}
}

// tellExclusions tells of the exclusions until the function that is returned is
// called, after the last request.
func (s *serving) tellExclusions(ctx context.Context) (stop func()) {
	x := &exclusions{peers: s.peers, tell: s.recorder.Record}
	if stateDir(s.cfg) != "" {
		x.dir = spoolDir(s.cfg)
	}
	if err := x.begin(); err != nil {
		s.log.Error("whether Firely Server's settings exclude other requests than before cannot be told", "err", err)
	}
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() { defer close(done); x.run(ctx) }()
	return func() { cancel(); <-done; x.count() }
}

// ownSpoolDir is where a gateway that forwards keeps what it has to tell of itself.
const ownSpoolDir = "vigil-own"

// forwardExclusions tells of the exclusions through w, which may be away for a
// while, until the function that is returned is called, after the last request.
func forwardExclusions(ctx context.Context, p *peers, name, dir string, w vigil.Writer, metrics prometheus.Registerer) (stop func() error, err error) {
	if p.firely == nil {
		return func() error { return nil }, nil
	}
	sp, err := spool.Open(spool.Config{Dir: filepath.Join(dir, ownSpoolDir), Writer: w, ByTable: true, Metrics: prometheus.WrapRegistererWith(prometheus.Labels{"gateway": ownSpoolDir}, metrics)})
	if err != nil {
		return nil, err
	}
	recorder := server.NewRecorder(server.RecorderConfig{Store: sp, Observer: name, Version: version(), Now: time.Now, Log: p.log})
	x := &exclusions{peers: p, dir: dir, tell: recorder.Record}
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	recorded, counted := make(chan error, 1), make(chan struct{})
	go func() { recorded <- recorder.Run(ctx) }()
	counting, stopCounting := context.WithCancel(ctx)
	go func() { defer close(counted); x.run(counting) }()
	stop = func() error {
		stopCounting()
		<-counted
		x.count()
		cancel()
		err := <-recorded
		flush, done := context.WithTimeout(context.WithoutCancel(ctx), flushTime)
		defer done()
		_ = sp.Flush(flush) // what is left is sent after the next start
		return errors.Join(err, sp.Close())
	}
	if err := x.begin(); err != nil {
		return nil, errors.Join(err, stop())
	}
	return stop, nil
}
