package spool_test

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"vigil"
	"vigil/internal/spool"
	"vigil/internal/store"
)

// intoStore is how a spool writes into a store so that nothing comes twice: the
// key stands for the batch, which the spool has on disk as it is.
func intoStore(s store.Store) vigil.Writer {
	return vigil.WriterFunc(func(ctx context.Context, events []*vigil.Event) error {
		b := &store.Batch{Events: events}
		if key, ok := spool.Key(ctx); ok {
			b.Key = &store.Key{Scope: "spool", Key: key, Body: sha256.Sum256([]byte(key))}
		}
		_, err := s.Append(ctx, b)
		return err
	})
}

// TestStore writes into a store whose answers get lost now and then, over
// restarts of the spool.
func TestStore(t *testing.T) {
	st, err := store.NewMemory(store.Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer st.Close()
	into, n := intoStore(st), 0
	lossy := vigil.WriterFunc(func(ctx context.Context, events []*vigil.Event) error {
		if err := into.Write(ctx, events); err != nil {
			return err
		}
		if n++; n%3 != 0 {
			return errors.New("the answer is lost")
		}
		return nil
	})
	dir := t.TempDir()
	var want []string
	for round := range 10 {
		s := open(t, dir, lossy, func(c *spool.Config) {
			c.BatchEvents, c.MinPause, c.MaxPause = 3, time.Millisecond, time.Second
			c.Events = func(rec []byte) ([]*vigil.Event, error) {
				return []*vigil.Event{{Table: vigil.TableEvents, Format: vigil.FormatLogserver, Doc: slices.Clone(rec)}}, nil
			}
		})
		for i := range 10 {
			doc := fmt.Sprintf(`{"n":"%d-%d"}`, round, i)
			end(t, s, 0, doc)
			want = append(want, doc)
		}
		if round == 9 {
			flush(t, s)
		}
		s.Close()
	}
	var got []string
	for e, err := range st.Entries(t.Context(), 0) {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, string(e.Doc))
	}
	same(t, got, want...)
}
