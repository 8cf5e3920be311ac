package spool_test

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"vigil"
	"vigil/internal/spool"
)

// TestByKeyHalved has an event that is refused for good, and the process end when
// a part of the batch was taken: the rest comes as it was, though another version
// would make other events.
func TestByKeyHalved(t *testing.T) {
	dir, k := t.TempDir(), &keeper{byKey: true, down: true}
	quarantine := errDown // and so the process ends before the batch is taken
	k.refuse = func(e *vigil.Event) error {
		switch {
		case e.Table == vigil.TableQuarantine:
			return quarantine
		case string(e.Doc) == "bad":
			return vigil.Errorf(vigil.Invalid, "no good")
		}
		return nil
	}
	s := open(t, dir, k, func(c *spool.Config) { c.ByKey, c.MinPause, c.MaxPause = true, time.Millisecond, time.Millisecond })
	end(t, s, 0, "first")
	for s.Status().Retries == 0 {
		time.Sleep(time.Millisecond)
	}
	for _, rec := range []string{"1", "2", "bad", "3"} { // one batch, the one before being under way
		end(t, s, 0, rec)
	}
	k.set(func(k *keeper) { k.down = false })
	for s.Status().Refused == 0 {
		time.Sleep(time.Millisecond)
	}
	s.Close()
	same(t, k.got(), "t first", "t 1", "t 2")
	k.set(func(k *keeper) { quarantine = nil })
	s = open(t, dir, k, func(c *spool.Config) {
		c.ByKey = true
		c.Events = func(rec []byte) ([]*vigil.Event, error) { return nil, errors.New("made again") }
	})
	flush(t, s)
	same(t, k.got(), "t first", "t 1", "t 2", `quarantine {"bytes":"YmFk","for":"t","reason":"no good"}`, "t 3")
}

// TestHalvedThenTaken has a batch refused for good, and the process end when a half
// of it was taken. Afterwards the Writer refuses nothing any more: still nothing
// comes twice, and what it refused before is in quarantine.
func TestHalvedThenTaken(t *testing.T) {
	for _, byKey := range []bool{true, false} {
		dir, k := t.TempDir(), &keeper{byKey: byKey, down: true}
		broken := false
		k.refuse = func(e *vigil.Event) error {
			switch {
			case string(e.Doc) == "bad":
				return vigil.Errorf(vigil.Invalid, "no good")
			case string(e.Doc) == "3" && len(k.docs) > 0:
				broken = true // from now on it takes nothing
			}
			if broken {
				return errDown
			}
			return nil
		}
		s := open(t, dir, k, func(c *spool.Config) { c.ByKey = byKey })
		var events []*vigil.Event
		for _, doc := range []string{"1", "2", "3", "bad"} {
			events = append(events, &vigil.Event{Table: "t", Format: "f", Doc: []byte(doc)})
		}
		if err := s.Write(t.Context(), events); err != nil { // so that they are one batch
			t.Fatal(err)
		}
		k.set(func(k *keeper) { k.down = false })
		for s.Status().Retries == 0 || len(k.got()) == 0 {
			time.Sleep(time.Millisecond)
		}
		s.Close()
		same(t, k.got(), "t 1", "t 2")
		k.set(func(k *keeper) { k.refuse = nil })
		for range 2 {
			s = open(t, dir, k, func(c *spool.Config) { c.ByKey = byKey })
			flush(t, s)
			s.Close()
		}
		same(t, k.got(), "t 1", "t 2", "t 3", "t bad")
	}
}

// TestRefused has one event that will never be taken among others.
func TestRefused(t *testing.T) {
	k := &keeper{down: true}
	k.refuse = func(e *vigil.Event) error {
		if e.Table == "t" && string(e.Doc) == "bad" {
			return vigil.Errorf(vigil.Invalid, "no good")
		}
		return nil
	}
	s := open(t, t.TempDir(), k, func(c *spool.Config) {
		c.Events = func(rec []byte) ([]*vigil.Event, error) {
			if string(rec) == "unreadable" {
				return nil, errors.New("unreadable")
			}
			return asEvent(rec)
		}
	})
	for _, rec := range []string{"1", "2", "bad", "3", "unreadable", "4"} {
		end(t, s, 0, rec)
	}
	k.set(func(k *keeper) { k.down = false })
	flush(t, s)
	same(t, k.got(), "t 1", "t 2", `quarantine {"bytes":"YmFk","for":"t","reason":"no good"}`, "t 3",
		`quarantine {"bytes":"dW5yZWFkYWJsZQ==","for":"record","reason":"unreadable"}`, "t 4")
	if st := s.Status(); st.Refused != 1 {
		t.Errorf("status %+v", st)
	}
}

// TestPurge leaves nothing in files of what was taken, while a request is under way
// all along.
func TestPurge(t *testing.T) {
	dir, k := t.TempDir(), &keeper{}
	s := open(t, dir, k, func(c *spool.Config) { c.Purge = 20 * time.Millisecond })
	slow := begin(t, s, "slow?")
	holds := func(text string) bool {
		files, _ := filepath.Glob(filepath.Join(dir, "0*", "*"))
		return slices.ContainsFunc(files, func(name string) bool {
			b, err := os.ReadFile(name) // the file may be gone by now
			return err == nil && bytes.Contains(b, []byte(text))
		})
	}
	for i := range 3 {
		secret := fmt.Sprint("secret-", i)
		end(t, s, 0, secret)
		flush(t, s)
		for deadline := time.Now().Add(20 * time.Second); holds(secret); time.Sleep(time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatalf("%s is in the files still, status %+v", secret, s.Status())
			}
		}
		if !holds("slow?") {
			t.Error("a record under way is not in the files")
		}
	}
	end(t, s, slow, "slow")
	flush(t, s)
	same(t, k.got(), "t secret-0", "t secret-1", "t secret-2", "t slow")
}

// TestAwayIsToldOnce logs that the Writer takes nothing, and that it does again, once
// each, however often it was tried.
func TestAwayIsToldOnce(t *testing.T) {
	var log bytes.Buffer
	k := &keeper{down: true}
	s := open(t, t.TempDir(), k, func(c *spool.Config) { c.Log = slog.New(slog.NewTextHandler(&log, nil)) })
	end(t, s, 0, "1")
	for s.Status().Retries < 5 {
		time.Sleep(time.Millisecond)
	}
	k.set(func(k *keeper) { k.down = false })
	flush(t, s)
	s.Close()
	if got := log.String(); strings.Count(got, "\n") != 2 || strings.Count(got, "does not take events") != 1 || strings.Count(got, "takes events again") != 1 {
		t.Error(got)
	}
}
