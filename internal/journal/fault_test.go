package journal

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"syscall"
	"testing"
)

var small = Options{StoreID: [16]byte{7}, FileSize: minFileSize}

func on(d *disk) Options {
	o := small
	o.folder = d
	return o
}

// workload appends numbered frames and remembers what was promised.
type workload struct {
	rnd      *rand.Rand
	sent     []sent // all frames whose write began, in order
	acked    int    // so many of them are promised
	released int    // so many of them may be gone
}

type sent struct {
	frame []byte
	at    Position // zero if its write failed
}

func newWorkload(seed uint64) *workload {
	return &workload{rnd: rand.New(rand.NewPCG(seed, 1))}
}

// frame returns a frame that says which it is.
func (w *workload) frame() []byte {
	b := binary.LittleEndian.AppendUint64(nil, uint64(len(w.sent)))
	n := w.rnd.IntN(3000)
	switch w.rnd.IntN(12) {
	case 0:
		n = w.rnd.IntN(30000)
	case 1:
		n = minFileSize + w.rnd.IntN(9000) // larger than a file
	}
	for range n / 8 {
		b = binary.LittleEndian.AppendUint64(b, w.rnd.Uint64())
	}
	return b
}

// run appends n frames and releases now and then, until something fails.
func (w *workload) run(j *Journal, n int) error {
	for range n {
		b := w.frame()
		w.sent = append(w.sent, sent{frame: b})
		p, err := j.Append(b)
		if err != nil {
			return err
		}
		w.sent[len(w.sent)-1].at = p
		w.acked = len(w.sent)
		if w.rnd.IntN(10) == 0 {
			to := w.released + w.rnd.IntN(w.acked-w.released)
			w.released = to // from now on files may go
			if err := j.Release(w.sent[to].at); err != nil {
				return err
			}
		}
	}
	return nil
}

// check opens what is left and compares: every promised frame that was not
// released, in order, at its place; nothing else but perhaps the one in flight.
func (w *workload) check(d *disk) (*Journal, error) {
	j, err := Open("", on(d))
	if err != nil {
		return nil, err
	}
	next := -1
	var last Position
	err = j.Replay(func(p Position, b []byte) error {
		if len(b) < 8 {
			return fmt.Errorf("a frame of %d bytes", len(b))
		}
		i := int(binary.LittleEndian.Uint64(b))
		switch {
		case i >= len(w.sent) || !bytes.Equal(b, w.sent[i].frame):
			return fmt.Errorf("frame %d is not what was written", i)
		case next == -1 && i > w.released:
			return fmt.Errorf("the first frame is %d, released were only those before %d", i, w.released)
		case next != -1 && i != next:
			return fmt.Errorf("frame %d, want %d", i, next)
		case w.sent[i].at != Position{} && w.sent[i].at != p:
			return fmt.Errorf("frame %d is at %v, was at %v", i, p, w.sent[i].at)
		case !last.Before(p):
			return fmt.Errorf("position %v comes after %v", p, last)
		}
		w.sent[i].at, next, last = p, i+1, p
		return nil
	})
	if err != nil {
		return nil, err
	}
	if w.acked > w.released && next < w.acked {
		return nil, fmt.Errorf("the frames end before %d, %d were promised", next, w.acked)
	}
	// What came back is stable now; what did not never was.
	w.sent = w.sent[:max(next, w.acked)]
	w.acked = len(w.sent)
	return j, nil
}

// TestPowerCut cuts the power at every call to the disk, in several ways, opens
// what is left, goes on, cuts again, and opens again.
func TestPowerCut(t *testing.T) {
	const frames = 25
	dry := newDisk()
	w := newWorkload(1)
	j, err := w.check(dry)
	if err != nil {
		t.Fatal(err)
	}
	if err := w.run(j, frames); err != nil {
		t.Fatal(err)
	}
	step := 1
	if testing.Short() {
		step = 7 // with the race detector
	}
	for at := 1; at <= dry.calls; at += step {
		rnd := rand.New(rand.NewPCG(uint64(at), 3))
		for name, keep := range choices(rnd) {
			if err := cutTwice(at, frames, rnd, keep); err != nil {
				t.Fatalf("cut at call %d of %d, kept %s: %v", at, dry.calls, name, err)
			}
		}
	}
}

func cutTwice(at, frames int, rnd *rand.Rand, keep func() bool) error {
	d, w := newDisk(), newWorkload(1)
	powerCut(d, at, rnd)
	if j, err := w.check(d); err == nil {
		if err := w.run(j, frames); err == nil {
			return errors.New("the power was not cut")
		}
	}
	for range 2 {
		d = d.cut(keep)
		powerCut(d, 1+rnd.IntN(60), rnd)
		j, err := w.check(d)
		if err == nil {
			err = w.run(j, 20)
		}
		if err != nil && !errors.Is(err, errPowerCut) {
			return err
		}
	}
	_, err := w.check(d.cut(keep))
	return err
}

// powerCut makes every call from the given one on fail; a write at that call
// gets some of its bytes out.
func powerCut(d *disk, at int, rnd *rand.Rand) {
	d.fault = func(call int, op string, n int) (int, error) {
		if call < at {
			return n, nil
		}
		if call == at {
			return rnd.IntN(n + 1), errPowerCut
		}
		return 0, errPowerCut
	}
}

// TestKilled ends the process at every call: the page cache stays. Then it goes
// on, promises more, and the power is cut: nothing that was only in the page
// cache may have been promised.
func TestKilled(t *testing.T) {
	for at := 1; ; at++ {
		rnd := rand.New(rand.NewPCG(uint64(at), 5))
		d, w := newDisk(), newWorkload(2)
		powerCut(d, at, rnd)
		j, err := w.check(d)
		if err == nil {
			err = w.run(j, 25)
		}
		if err == nil {
			break
		}
		d.fault = nil
		if j, err = w.check(d); err != nil {
			t.Fatalf("killed at call %d: %v", at, err)
		}
		if _, err := w.check(d.cut(func() bool { return false })); err != nil {
			t.Fatalf("killed at call %d, power cut after the replay: %v", at, err)
		}
		if err := w.run(j, 3); err != nil {
			t.Fatalf("killed at call %d: %v", at, err)
		}
		if _, err := w.check(d.cut(func() bool { return false })); err != nil {
			t.Fatalf("killed at call %d, power cut later: %v", at, err)
		}
	}
}

// TestTornAtEveryByte cuts the last frame's write at each of its bytes; from the
// back, where sectors are written in another order, at some.
func TestTornAtEveryByte(t *testing.T) {
	d := newDisk()
	w := newWorkload(3)
	j, err := w.check(d)
	if err != nil {
		t.Fatal(err)
	}
	if err := w.run(j, 2); err != nil {
		t.Fatal(err)
	}
	last := bytes.Repeat([]byte{0xa5}, 4200)
	binary.LittleEndian.PutUint64(last, uint64(len(w.sent)))
	w.sent = append(w.sent, sent{frame: last})
	before := d.cut(func() bool { return true })
	at, err := j.Write(last)
	if err != nil {
		t.Fatal(err)
	}
	name := fileName(at.Generation, extJournal)
	whole := d.names[name].data
	step := int64(1)
	if testing.Short() {
		step = 31
	}
	for cut := int64(0); cut <= paddedSize(len(last)); cut += step {
		for _, front := range []bool{true, false} {
			if !front && cut%64 > 1 {
				continue
			}
			torn := before.cut(func() bool { return true })
			n := torn.names[name]
			n.data = append(n.data, make([]byte, len(whole)-len(n.data))...)
			from, end := at.Offset, at.Offset+cut
			if !front {
				from, end = end, at.Offset+paddedSize(len(last))
			}
			copy(n.data[from:end], whole[from:end])
			again := *w
			if _, err := again.check(torn); err != nil {
				t.Fatalf("torn at byte %d, front %v: %v", cut, front, err)
			}
		}
	}
}

// TestDiskFull lets every write in turn find no space: nothing of that frame
// counts, and the next one is taken.
func TestDiskFull(t *testing.T) {
	for at := 1; ; at++ {
		rnd := rand.New(rand.NewPCG(uint64(at), 7))
		d, w := newDisk(), newWorkload(4)
		hit := false
		d.fault = func(call int, op string, n int) (int, error) {
			if call >= at && !hit && (op == "write" || op == "create" || op == "rename") {
				hit = true
				return rnd.IntN(n + 1), syscall.ENOSPC
			}
			return n, nil
		}
		j, err := w.check(d)
		if err != nil {
			if !IsFull(err) {
				t.Fatalf("full at call %d: %v", at, err)
			}
			continue // the replay found no space: the journal is opened again later
		}
		err = w.run(j, 15)
		if !hit {
			break
		}
		if err != nil && !IsFull(err) {
			// Giving back a released file is not a frame: it may fail for good.
			if err2 := w.run(j, 1); !errors.Is(err2, err) {
				t.Fatalf("full at call %d: %v, then %v", at, err, err2)
			}
			w.sent = w.sent[:w.acked]
		} else if err != nil {
			w.sent = w.sent[:w.acked]
			if err := w.run(j, 15); err != nil {
				t.Fatalf("after full at call %d: %v", at, err)
			}
		}
		if _, err := w.check(d.cut(func() bool { return false })); err != nil {
			t.Fatalf("full at call %d: %v", at, err)
		}
	}
}

// TestFullAndRoom fills a small disk, frees some of it, and goes on.
func TestFullAndRoom(t *testing.T) {
	d, w := newDisk(), newWorkload(5)
	d.capacity = 150 << 10
	j, err := w.check(d)
	if err != nil {
		t.Fatal(err)
	}
	for w.released = 0; err == nil; {
		b := w.frame()
		w.sent = append(w.sent, sent{frame: b})
		if w.sent[len(w.sent)-1].at, err = j.Append(b); err == nil {
			w.acked++
		}
	}
	if !IsFull(err) {
		t.Fatal(err)
	}
	if _, err := j.Append(make([]byte, 100<<10)); !IsFull(err) {
		t.Fatalf("a second frame: %v", err)
	}
	w.sent = w.sent[:w.acked]
	if d.used() > d.capacity {
		t.Fatalf("%d bytes are used of %d", d.used(), d.capacity)
	}
	d.capacity = 0
	if err := w.run(j, 5); err != nil {
		t.Fatal(err)
	}
	if _, err := w.check(d.cut(func() bool { return false })); err != nil {
		t.Fatal(err)
	}
}

// TestSyncFails lets every sync in turn fail: the journal takes nothing more,
// does not sync that file again, and what was promised is there afterwards.
func TestSyncFails(t *testing.T) {
	for at := 1; ; at++ {
		d, w := newDisk(), newWorkload(6)
		syncs, after := 0, 0
		d.fault = func(call int, op string, n int) (int, error) {
			if op == "sync" || op == "syncdir" {
				if syncs++; syncs == at {
					return 0, syscall.EIO
				}
			}
			if syncs >= at && op != "truncate" && op != "remove" {
				after++
			}
			return n, nil
		}
		j, err := w.check(d)
		if err == nil {
			err = w.run(j, 15)
			if err == nil {
				break
			}
			for _, again := range []error{j.Sync(), j.Release(Position{99, 0}), j.Purge(), w.run(j, 1)} {
				if !errors.Is(again, syscall.EIO) {
					t.Fatalf("sync %d failed, a later call says %v", at, again)
				}
			}
		}
		if !errors.Is(err, syscall.EIO) {
			t.Fatalf("sync %d failed, the answer is %v", at, err)
		}
		if after > 0 {
			t.Fatalf("sync %d failed, but the disk was written afterwards", at)
		}
		again := *w
		if _, err := again.check(d.cut(func() bool { return false })); err != nil {
			t.Fatalf("sync %d failed, then power cut: %v", at, err)
		}
		d.fault = nil
		if _, err := w.check(d); err != nil { // the page cache still shows the frame
			t.Fatalf("sync %d failed: %v", at, err)
		}
		if _, err := w.check(d.cut(func() bool { return false })); err != nil {
			t.Fatalf("sync %d failed, opened, power cut: %v", at, err)
		}
	}
}

// TestSpool writes many frames for each sync. After a power cut all synced ones
// are there, then some of the others without a gap, and that is no damage.
func TestSpool(t *testing.T) {
	for seed := range uint64(200) {
		rnd := rand.New(rand.NewPCG(seed, 9))
		d, w := newDisk(), newWorkload(seed)
		for range 3 {
			j, err := w.check(d)
			if err != nil {
				t.Fatalf("seed %d: %v", seed, err)
			}
			for range rnd.IntN(30) {
				b := w.frame()
				w.sent = append(w.sent, sent{frame: b})
				if w.sent[len(w.sent)-1].at, err = j.Write(b); err != nil {
					t.Fatal(err)
				}
				if rnd.IntN(5) == 0 {
					if err := j.Sync(); err != nil {
						t.Fatal(err)
					}
					w.acked = len(w.sent)
				}
			}
			d = d.cut(func() bool { return rnd.IntN(4) != 0 })
		}
		if _, err := w.check(d); err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
	}
}

// TestFullReplay opens a journal on a full disk: the frames are shown, and made
// stable as soon as there is space.
func TestFullReplay(t *testing.T) {
	d, w := newDisk(), newWorkload(8)
	j, err := w.check(d)
	if err != nil {
		t.Fatal(err)
	}
	if err := w.run(j, 8); err != nil {
		t.Fatal(err)
	}
	for _, name := range d.files(extFree) {
		delete(d.names, name)
	}
	d.capacity = d.used() + 5000
	if j, err = Open("", on(d)); err != nil {
		t.Fatal(err)
	}
	n := 0
	err = j.Replay(func(Position, []byte) error { n++; return nil })
	if !IsFull(err) || n == 0 {
		t.Fatalf("%d frames, %v", n, err)
	}
	if err := w.run(j, 1); !IsFull(err) {
		t.Fatalf("an append: %v", err)
	}
	w.sent = w.sent[:w.acked]
	d.capacity = 0
	if err := w.run(j, 3); err != nil {
		t.Fatal(err)
	}
	if _, err := w.check(d.cut(func() bool { return false })); err != nil {
		t.Fatal(err)
	}
}
