//go:build linux

package spool_test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"vigil"
	"vigil/internal/spool"
)

// TestFullDisk fills a small file system: nothing that was taken is lost, who
// cannot be served is told or waits, and it goes on when the destination is back.
func TestFullDisk(t *testing.T) {
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=16m"); err != nil {
		t.Skipf("left out: this machine refuses mount: %v", err)
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
		patient, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		slow := begin(t, s, "slow?")
		var want []string
		for i := 0; ; i++ {
			rec, ctx := fmt.Sprintf("%d-%d", round, i), done
			if i < 50 { // the files of the round before may go only now
				ctx = patient
			}
			if _, err := s.End(ctx, 0, []byte(rec+strings.Repeat(" ", 50_000))); err != nil {
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

// TestLittleRoom has a disk that others have nearly filled, and requests that take
// its last block: there must be a little left to begin a volume in, or nobody could
// read what waits on the disk only.
func TestLittleRoom(t *testing.T) {
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=16m"); err != nil {
		t.Skipf("left out: this machine refuses mount: %v", err)
	}
	t.Cleanup(func() { syscall.Unmount(dir, syscall.MNT_DETACH) })
	if err := os.WriteFile(filepath.Join(dir, "ballast"), make([]byte, 13<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	k := &keeper{down: true}
	s := open(t, dir, k, func(c *spool.Config) {
		c.MaxMemory = 1000
		c.Events = func(rec []byte) ([]*vigil.Event, error) { return asEvent(bytes.TrimRight(rec, " ")) }
	})
	const clients, each = 8, 200
	var writing sync.WaitGroup
	for c := range clients {
		writing.Go(func() {
			for i := range each {
				if _, err := s.End(t.Context(), 0, []byte(fmt.Sprintf("%d-%d", c, i)+strings.Repeat(" ", 3_000))); err != nil {
					t.Error(err)
				}
			}
		})
	}
	for s.Full() == nil {
		time.Sleep(time.Millisecond)
	}
	k.set(func(k *keeper) { k.down = false })
	all := make(chan struct{})
	go func() { writing.Wait(); close(all) }()
	select {
	case <-all:
	case <-time.After(2 * time.Minute):
		t.Fatalf("nobody gets on: %+v", s.Status())
	}
	flush(t, s)
	if n := len(k.got()); n != clients*each {
		t.Errorf("%d records of %d", n, clients*each)
	}
}
