package auth

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"reflect"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// How keys that may change are followed.
const (
	fileAge   = 10 * time.Second // a file is read again when it was read this long ago
	remoteAge = 15 * time.Minute // so is a URL
	remoteGap = 10 * time.Second // a URL is asked at most once in this time, whatever tokens say
	fetchTime = 10 * time.Second // a URL answers within this time, redirects included
	waitTime  = 3 * time.Second  // a token with an unknown key waits this long for new keys
)

// source is where keys come from, with what is asked of tokens that they verify.
type source struct {
	name     string   // for logs
	issuer   string   // the iss of its tokens; empty is any that no other source has
	audience []string // any of these; empty is any
	strict   bool     // a token must name an audience
	role     *Path

	keys atomic.Pointer[[]key]

	// fetch reads the keys anew; nil for keys that never change.
	fetch    func(context.Context) ([]key, error)
	age, gap time.Duration
	now      func() time.Time
	log      *slog.Logger
	changed  func() // called after keys were replaced by others

	mu      sync.Mutex
	tried   time.Time
	running chan struct{} // closed when the fetch under way is over; nil where none is
}

// candidates appends the keys that may verify t.
func (s *source) candidates(out []candidate, t *token) []candidate {
	keys := s.keys.Load()
	if keys == nil {
		return out
	}
	for i := range *keys {
		if k := &(*keys)[i]; k.fits(t) {
			out = append(out, candidate{k, s})
		}
	}
	return out
}

// candidate is a key with where it is from.
type candidate struct {
	*key
	from *source
}

// refresh has the keys read anew in the background, unless that is under way or
// was tried within least. The result is closed when it is over; nil where
// nothing is done.
func (s *source) refresh(least time.Duration) <-chan struct{} {
	if s.fetch == nil {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.running != nil {
		return s.running
	}
	now := s.now()
	if !s.tried.IsZero() && now.Sub(s.tried) < max(least, s.gap) {
		return nil
	}
	s.tried = now
	running := make(chan struct{})
	s.running = running
	go func() {
		ctx, cancel := context.WithTimeout(context.Background(), fetchTime)
		defer cancel()
		s.read(ctx)
		s.mu.Lock()
		s.running = nil
		s.mu.Unlock()
		close(running)
	}()
	return running
}

// read reads the keys; where that fails the old ones stay.
func (s *source) read(ctx context.Context) {
	keys, err := s.fetch(ctx)
	if err != nil {
		s.log.Error("keys for tokens could not be read; those known stay in use", "from", s.name, "err", err)
		return
	}
	s.set(keys)
}

// set replaces the keys.
func (s *source) set(keys []key) {
	old := s.keys.Swap(&keys)
	if old != nil && !slices.EqualFunc(*old, keys, sameKey) {
		s.changed()
	}
}

// sameKey reports whether two keys verify the same.
func sameKey(a, b key) bool {
	return a.id == b.id && slices.Equal(a.algs, b.algs) && reflect.DeepEqual(a.public, b.public)
}

// readFile reads the JWK set in a file.
func readFile(path string) func(context.Context) ([]key, error) {
	return func(context.Context) ([]key, error) {
		f, err := os.Open(path)
		if err != nil {
			return nil, fmt.Errorf("read JWK set: %w", err)
		}
		defer f.Close()
		b, err := io.ReadAll(io.LimitReader(f, maxDocument+1))
		if err != nil {
			return nil, fmt.Errorf("read JWK set: %w", err)
		}
		if len(b) > maxDocument {
			return nil, fmt.Errorf("read JWK set: %s is larger than %d bytes", path, maxDocument)
		}
		keys, err := parseJWKs(b, true)
		if err != nil {
			return nil, fmt.Errorf("read JWK set %s: %w", path, err)
		}
		return keys, nil
	}
}
