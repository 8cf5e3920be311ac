package main

import (
	"context"
	"time"

	"vigil"
	"vigil/internal/format/aidbox"
	"vigil/internal/store"
)

// writeSizes writes the sizes of the store to the table logs, as lines of
// Aidbox's log, at the interval of aidbox.sizes, until ctx ends.
func (s *serving) writeSizes(ctx context.Context) error {
	sizer, ok := s.store.(store.Sizer)
	if s.cfg.Aidbox.Sizes <= 0 || !ok {
		return nil
	}
	tick := time.NewTicker(s.cfg.Aidbox.Sizes)
	defer tick.Stop()
	for {
		if err := s.writeSizesNow(ctx, sizer); err != nil && ctx.Err() == nil {
			s.log.Warn("the sizes of the store could not be written", "err", err)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil
		}
	}
}

func (s *serving) writeSizesNow(ctx context.Context, sizer store.Sizer) error {
	sizes, err := sizer.Sizes(ctx)
	if err != nil {
		return err
	}
	var events []*vigil.Event
	for _, line := range aidbox.Sizes(aidboxOptions(s.cfg), time.Now(), sizes.Database, sizes.Tables) {
		events = append(events, &vigil.Event{
			Table: vigil.TableLogs, Format: vigil.FormatAidbox, Doc: line,
			Sender: &vigil.Sender{Subject: "vigil", Listener: "vigil", Authenticated: true},
		})
	}
	return s.store.Write(ctx, events)
}
