package spool

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"time"

	"vigil"
)

// sendEvents tries until the Writer takes the events, which are some of b, or ctx
// ends. What it refuses for good is halved until one event is left, and that goes
// to quarantine. That it did is on disk before a part is sent: after a crash the
// Writer, which may take by then what it refused, is given the same parts.
func (s *Spool) sendEvents(ctx context.Context, b *batch, events []*vigil.Event, key string) error {
	if len(events) == 0 {
		return nil
	}
	for wait := s.c.MinPause; ; wait = min(2*wait, s.c.MaxPause) {
		err := s.refused[key]
		if err == nil {
			err = s.c.Writer.Write(context.WithValue(ctx, keyKey{}, key), events)
			s.sent(err)
			if err == nil {
				return nil
			}
			if ctx.Err() != nil {
				return ctx.Err()
			}
			if vigil.ForGood(err) {
				if err := s.noteRefused(ctx, b, key, err); err != nil {
					return err
				}
			}
		}
		switch {
		case vigil.ForGood(err) && len(events) > 1:
			half := len(events) / 2
			if err := s.sendEvents(ctx, b, events[:half], key+".0"); err != nil {
				return err
			}
			return s.sendEvents(ctx, b, events[half:], key+".1")
		case vigil.ForGood(err) && events[0].Table != vigil.TableQuarantine:
			s.c.Log.Error("the destination refused an event for good; it goes to quarantine", "table", events[0].Table, "err", err)
			s.mu.Lock()
			s.stats.Refused++
			s.mu.Unlock()
			return s.sendEvents(ctx, b, []*vigil.Event{quarantined(events[0].Table, events[0].Doc, err)}, key+".q")
		case vigil.KindOf(err) == vigil.TooLarge && len(events[0].Doc) > shortened:
			s.c.Log.Error("an event is too large even for the quarantine; its digest and its beginning are kept", "bytes", len(events[0].Doc))
			return s.sendEvents(ctx, b, []*vigil.Event{shortQuarantined(events[0].Doc, err)}, key+".s")
		}
		s.tellAway(err)
		pause(ctx, max(wait, retryAfter(err)))
	}
}

// noteRefused notes that the batch b, or the part of it with that key, was refused
// for good.
func (s *Spool) noteRefused(ctx context.Context, b *batch, key string, reason error) error {
	if !b.planned {
		if err := s.writePlan(ctx, b); err != nil {
			return err
		}
	}
	body := append(appendField(nil, key), byte(vigil.KindOf(reason)))
	return s.note(ctx, &entry{kind: kindRefused, body: append(body, reason.Error()...)})
}

// readRefused is what noteRefused noted.
func readRefused(f frame) error {
	return vigil.Errorf(vigil.Kind(f.body[0]), "%s", f.body[1:])
}

// tellEvery is how often it is logged that the destination takes nothing.
const tellEvery = 10 * time.Minute

// tellAway logs that the destination takes nothing, now and then.
func (s *Spool) tellAway(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.c.Now()
	if !s.told.IsZero() && now.Sub(s.told) < tellEvery {
		return
	}
	s.told = now
	s.c.Log.Warn("the destination of the spool does not take events; they are kept and tried again",
		"since", s.failing.UTC().Format(time.RFC3339), "waiting_bytes", s.bytes, "err", err)
}

// sent notes how an attempt went.
func (s *Spool) sent(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sendErr = err
	if err == nil || vigil.ForGood(err) {
		if !s.told.IsZero() {
			s.c.Log.Info("the destination of the spool takes events again", "after", s.c.Now().Sub(s.failing).Round(time.Second), "waiting_bytes", s.bytes)
		}
		s.told, s.failing, s.sendErr = time.Time{}, time.Time{}, nil
		return
	}
	s.stats.Retries++
	if s.failing.IsZero() {
		s.failing = s.c.Now()
	}
}

// quarantined wraps what could not become an event, or what was refused.
func quarantined(table string, doc []byte, reason error) *vigil.Event {
	return vigil.Quarantined(table, doc, reason, &vigil.Sender{Listener: "spool", Authenticated: true})
}

// shortened is what is kept of an event that no table takes, in bytes.
const shortened = 32 << 10

// shortQuarantined is what is left of an event that is too large for every table.
func shortQuarantined(doc []byte, reason error) *vigil.Event {
	short := quarantined(vigil.TableQuarantine, doc[:shortened/2], reason)
	sum := sha256.Sum256(doc)
	short.Doc = append(short.Doc[:len(short.Doc)-1], fmt.Sprintf(`,"cut":true,"length":%d,"sha256":"%x"}`, len(doc), sum)...)
	return short
}

// retryAfter is how long the destination asks to wait, a minute at most.
func retryAfter(err error) time.Duration {
	if e, ok := errors.AsType[*vigil.Error](err); ok {
		return min(e.RetryAfter, time.Minute)
	}
	return 0
}
