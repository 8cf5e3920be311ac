//go:build linux

package spool_test

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"syscall"
	"testing"

	"vigil"
	"vigil/internal/spool"
)

// TestFullDisk fills a small file system: nothing that was taken is lost, who
// cannot be served is told or waits, and it goes on when the destination is back.
func TestFullDisk(t *testing.T) {
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=16m"); err != nil {
		t.Skipf("this test mounts a small file system, which needs root: %v", err)
	}
	t.Cleanup(func() { syscall.Unmount(dir, syscall.MNT_DETACH) })
	for round, memory := range []int64{64 << 20, 1000} { // all in memory too, or on disk only
		k := &keeper{down: true}
		s, err := spool.Open(spool.Config{
			Dir: dir, Writer: k, MaxMemory: memory, MinPause: 1e6, MaxPause: 5e6,
			Events: func(rec []byte) ([]*vigil.Event, error) {
				name, _, _ := bytes.Cut(rec, []byte(" "))
				return asEvent(name)
			},
		})
		if err != nil {
			t.Fatal(err)
		}
		done, cancel := context.WithCancel(t.Context())
		cancel()
		slow := begin(t, s, "slow?")
		var want []string
		for i := 0; ; i++ {
			rec := fmt.Sprintf("%d-%d", round, i)
			if _, err := s.End(done, 0, []byte(rec+strings.Repeat(" ", 50_000))); err != nil {
				break
			}
			want = append(want, "t "+rec)
		}
		if len(want) < 50 {
			t.Fatalf("only %d records fit", len(want))
		}
		waits := make(chan error)
		go func() {
			n, err := s.Begin(t.Context(), []byte(strings.Repeat("x", 100_000)))
			if err == nil {
				_, err = s.End(t.Context(), n, []byte("late"))
			}
			waits <- err
		}()
		k.set(func(k *keeper) { k.down = false })
		if err := <-waits; err != nil {
			t.Fatal(err)
		}
		end(t, s, slow, "slow")
		flush(t, s)
		same(t, k.got(), append(want, "t late", "t slow")...)
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
}
