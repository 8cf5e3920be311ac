package journal

import (
	"errors"
	"io"
	"io/fs"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"syscall"
)

var errPowerCut = errors.New("the power is gone")

// disk is a directory in memory that knows what would be left after a power cut:
// what was synced, and of the rest whatever the cut chooses.
type disk struct {
	mu       sync.Mutex
	names    map[string]*inode
	stable   map[string]*inode
	pending  []func(map[string]*inode) // changes of names since the last sync
	capacity int64                     // 0: endless
	calls    int
	// fault is asked before each call that changes something; with an error, a
	// write still writes the given number of bytes.
	fault func(call int, op string, n int) (part int, err error)
}

// inode is a file.
type inode struct {
	data    []byte
	stable  []byte
	pending []change // since the last sync
}

// change is a write, or with nil data a truncation.
type change struct {
	off  int64
	data []byte
}

func newDisk() *disk {
	return &disk{names: map[string]*inode{}, stable: map[string]*inode{}}
}

func (d *disk) ask(op string, n int) (int, error) {
	d.calls++
	if d.fault == nil {
		return n, nil
	}
	return d.fault(d.calls, op, n)
}

func (d *disk) List() ([]string, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Sorted(maps.Keys(d.names)), nil
}

// change applies f to the names now, and to the stable ones at the next sync.
func (d *disk) change(op string, f func(map[string]*inode)) error {
	if _, err := d.ask(op, 0); err != nil {
		return err
	}
	f(d.names)
	d.pending = append(d.pending, f)
	return nil
}

func (d *disk) Create(name string) (file, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	n := &inode{}
	if err := d.change("create", func(m map[string]*inode) { m[name] = n }); err != nil {
		return nil, err
	}
	return &handle{d, n, true}, nil
}

func (d *disk) Open(name string, write bool) (file, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	n, ok := d.names[name]
	if !ok {
		return nil, fs.ErrNotExist
	}
	return &handle{d, n, write}, nil
}

func (d *disk) Rename(from, to string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.names[from] == nil {
		return fs.ErrNotExist
	}
	return d.change("rename", func(m map[string]*inode) {
		if n, ok := m[from]; ok {
			delete(m, from)
			m[to] = n
		}
	})
}

func (d *disk) Remove(name string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.names[name] == nil {
		return fs.ErrNotExist
	}
	return d.change("remove", func(m map[string]*inode) { delete(m, name) })
}

func (d *disk) Sync() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if _, err := d.ask("syncdir", 0); err != nil {
		return err
	}
	for _, f := range d.pending {
		f(d.stable)
	}
	d.pending = nil
	return nil
}

// used returns the bytes that all files take.
func (d *disk) used() (sum int64) {
	for _, n := range d.names {
		sum += int64(len(n.data))
	}
	return sum
}

// cut returns the disk as it is after a power cut. keep says for each sector of
// what was not synced whether it got to the platter, and for each change of a
// name whether that and those before did.
func (d *disk) cut(keep func() bool) *disk {
	d.mu.Lock()
	defer d.mu.Unlock()
	after := newDisk()
	left := maps.Clone(d.stable)
	for _, f := range d.pending {
		if !keep() {
			break
		}
		f(left)
	}
	for _, name := range slices.Sorted(maps.Keys(left)) {
		data := slices.Clone(left[name].stable)
		for _, c := range left[name].pending {
			data = c.apply(data, keep)
		}
		n := &inode{data: data, stable: slices.Clone(data)}
		after.names[name], after.stable[name] = n, n
	}
	return after
}

// apply makes the change, of which keep chooses the sectors.
func (c change) apply(data []byte, keep func() bool) []byte {
	const sector = 512
	if c.data == nil {
		if keep() && c.off < int64(len(data)) {
			data = data[:c.off]
		}
		return data
	}
	for at := 0; at < len(c.data); {
		off := c.off + int64(at)
		n := min(sector-int(off%sector), len(c.data)-at)
		if keep() {
			if grow := off + int64(n) - int64(len(data)); grow > 0 {
				data = append(data, make([]byte, grow)...)
			}
			copy(data[off:], c.data[at:at+n])
		}
		at += n
	}
	return data
}

// handle is an open file of a disk.
type handle struct {
	d     *disk
	n     *inode
	write bool
}

func (h *handle) ReadAt(b []byte, off int64) (int, error) {
	h.d.mu.Lock()
	defer h.d.mu.Unlock()
	if off >= int64(len(h.n.data)) {
		return 0, io.EOF
	}
	n := copy(b, h.n.data[off:])
	if n < len(b) {
		return n, io.EOF
	}
	return n, nil
}

func (h *handle) WriteAt(b []byte, off int64) (int, error) {
	h.d.mu.Lock()
	defer h.d.mu.Unlock()
	if !h.write {
		return 0, fs.ErrPermission
	}
	n, err := h.d.ask("write", len(b))
	if grow := off + int64(n) - int64(len(h.n.data)); grow > 0 && h.d.capacity > 0 {
		if room := h.d.capacity - h.d.used(); room < grow {
			n, err = max(0, n-int(grow-room)), syscall.ENOSPC
		}
	}
	h.put(change{off, slices.Clone(b[:n])})
	return n, err
}

func (h *handle) put(c change) {
	if len(c.data) == 0 && c.data != nil {
		return
	}
	h.n.data = c.apply(h.n.data, func() bool { return true })
	h.n.pending = append(h.n.pending, c)
}

func (h *handle) Size() (int64, error) {
	h.d.mu.Lock()
	defer h.d.mu.Unlock()
	return int64(len(h.n.data)), nil
}

func (h *handle) Allocate(off, n int64) error {
	h.d.mu.Lock()
	defer h.d.mu.Unlock()
	if grow := off + n - int64(len(h.n.data)); h.d.capacity > 0 && grow > h.d.capacity-h.d.used() {
		return syscall.ENOSPC
	}
	return nil
}

func (h *handle) Truncate(size int64) error {
	h.d.mu.Lock()
	defer h.d.mu.Unlock()
	if _, err := h.d.ask("truncate", 0); err != nil {
		return err
	}
	h.put(change{off: size})
	return nil
}

func (h *handle) Sync() error {
	h.d.mu.Lock()
	defer h.d.mu.Unlock()
	if _, err := h.d.ask("sync", 0); err != nil {
		if errors.Is(err, syscall.EIO) {
			h.n.pending = nil // as Linux does: the pages are clean now, and lost
		}
		return err
	}
	h.n.stable, h.n.pending = slices.Clone(h.n.data), nil
	return nil
}

func (h *handle) Close() error { return nil }

// choices are ways for a power cut to choose.
func choices(rnd *rand.Rand) map[string]func() bool {
	return map[string]func() bool{
		"nothing": func() bool { return false },
		"all":     func() bool { return true },
		"half":    func() bool { return rnd.IntN(2) == 0 },
		"most":    func() bool { return rnd.IntN(20) != 0 },
		"few":     func() bool { return rnd.IntN(20) == 0 },
	}
}

// files returns the names with an extension.
func (d *disk) files(ext string) (names []string) {
	all, _ := d.List()
	for _, name := range all {
		if strings.HasSuffix(name, ext) {
			names = append(names, name)
		}
	}
	return names
}
