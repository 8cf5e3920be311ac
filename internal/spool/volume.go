package spool

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"

	"vigil/internal/durable"
	"vigil/internal/journal"
)

// volumeFile is the size of a journal's files. They are used again, so there are
// two or three while the Writer keeps up.
const volumeFile = 32 << 20

func (s *Spool) options() journal.Options {
	return journal.Options{StoreID: [16]byte([]byte("vigil/spool/v1\x00\x00")), FileSize: volumeFile, Reserve: true, Log: s.c.Log}
}

// open locks the directory, looks through the volumes that are there, and
// begins a new one.
func (s *Spool) open() error {
	if err := s.find(); err != nil {
		return err
	}
	if err := s.survey(); err != nil {
		return err
	}
	var err error
	if s.cur, err = s.tryVolume(); journal.IsFull(err) {
		s.cur, err = s.reservedVolume(err)
	}
	if err != nil {
		return err
	}
	s.purged = s.c.Now()
	s.reserve()
	return s.interrupted()
}

// find locks the directory and lists its volumes.
func (s *Spool) find() error {
	if err := os.MkdirAll(s.c.Dir, 0o700); err != nil {
		return err
	}
	f, err := os.OpenFile(filepath.Join(s.c.Dir, "lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		f.Close()
		return fmt.Errorf("lock %s: another process has this spool: %w", s.c.Dir, err)
	}
	s.lock = f
	names, err := os.ReadDir(s.c.Dir)
	if err != nil {
		return err
	}
	for _, e := range names {
		n, err := strconv.ParseUint(e.Name(), 16, 64)
		if err == nil && e.IsDir() && len(e.Name()) == 8 {
			s.old = append(s.old, &volume{n: n, dir: filepath.Join(s.c.Dir, e.Name()), cold: true})
			s.nextVol = max(s.nextVol, n)
		}
	}
	slices.SortFunc(s.old, func(a, b *volume) int { return cmp.Compare(a.n, b.n) })
	return nil
}

// Inspect says what waits in the spool in dir, which no process may have open.
func Inspect(dir string) (Status, error) {
	if _, err := os.Stat(dir); err != nil {
		return Status{}, fmt.Errorf("inspect spool: %w", err)
	}
	s := &Spool{c: Config{Dir: dir}, begun: map[uint64]*began{}, refused: map[string]error{}}
	s.c.defaults()
	err := s.find()
	if err == nil {
		err = s.survey()
	}
	if cerr := s.closeFiles(); err == nil {
		err = cerr
	}
	if err != nil {
		return Status{}, fmt.Errorf("inspect spool: %w", err)
	}
	return Status{Waiting: s.stats.Waiting, Records: s.stats.Records, Begun: len(s.begun), Volumes: len(s.old)}, nil
}

// reserveSize is what is kept on the disk for the moment in which it is full:
// enough to begin a volume, so that the one before it can be emptied.
const reserveSize = 4 << 20

func (s *Spool) reservePath() string { return filepath.Join(s.c.Dir, "reserve") }

// leastReserve is kept where there is not so much: enough to begin a volume in which
// nothing is yet.
const leastReserve = 64 << 10

// reserve takes the space, where there is any. The caller holds the pen where
// somebody writes, who would take all of it.
func (s *Spool) reserve() {
	var had int64
	if st, err := os.Stat(s.reservePath()); err == nil {
		had = st.Size()
	}
	for _, size := range [...]int64{reserveSize, leastReserve} {
		if had == size {
			return
		}
		err := os.WriteFile(s.reservePath(), make([]byte, size), 0o600)
		if err == nil {
			return
		}
		s.c.Log.Warn("no space can be kept for a full disk", "bytes", size, "err", err)
		os.Remove(s.reservePath())
		had = 0
	}
}

// reservedVolume begins the next journal in the space that was kept. Full is why
// there is no other. The caller holds the pen, as of [Spool.reserve].
func (s *Spool) reservedVolume(full error) (*volume, error) {
	if os.Remove(s.reservePath()) != nil {
		return nil, full
	}
	v, err := s.tryVolume()
	if err != nil {
		s.reserve()
	}
	return v, err
}

func (s *Spool) tryVolume() (_ *volume, err error) {
	s.nextVol++
	dir := filepath.Join(s.c.Dir, fmt.Sprintf("%08x", s.nextVol))
	j, err := journal.Open(dir, s.options())
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			j.Close()
			os.RemoveAll(dir) // nothing is in it
		}
	}()
	if err := j.Replay(func(journal.Position, []byte) error { return nil }); err != nil {
		return nil, err
	}
	if err := durable.SyncDir(s.c.Dir); err != nil {
		return nil, err
	}
	return &volume{n: s.nextVol, dir: dir, j: j}, nil
}

// survey reads every frame once: what is taken already, what was about to be
// sent, what never ended, and how much there is.
func (s *Spool) survey() error {
	type size struct {
		number uint64
		bytes  int64
	}
	var sizes []size
	for _, v := range s.old {
		err := s.read(v, func(f frame, n int64) error {
			s.number = max(s.number, f.number)
			switch f.kind {
			case kindBegin:
				s.begun[f.number] = &began{record: slices.Clone(f.body)}
			case kindEnd:
				delete(s.begun, f.begun)
				sizes = append(sizes, size{f.number, n})
			case kindEvents:
				sizes = append(sizes, size{f.number, n})
			case kindPlan, kindKey:
				s.acked = max(s.acked, f.after)
				if s.plan == nil || f.upTo >= s.plan.upTo {
					f.body = slices.Clone(f.body)
					s.plan = &f
				}
			case kindRefused:
				s.refused[f.key] = readRefused(f)
			case kindAck:
				s.acked = max(s.acked, f.number)
				clear(s.refused)
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	sent := s.acked
	if s.plan != nil && s.plan.upTo <= s.acked {
		s.plan = nil
	} else if s.plan != nil && s.plan.kind == kindPlan {
		sent = s.plan.upTo
	}
	for _, z := range sizes {
		if s.last = max(s.last, z.number); z.number > sent {
			s.bytes += z.bytes
		}
		if z.number > s.acked { // what is planned is not taken yet
			s.stats.Waiting += z.bytes
			s.stats.Records++
		}
	}
	return nil
}

// read gives the frames of a volume that is not being written to yield; none of one
// in which nothing waits.
func (s *Spool) read(v *volume, yield func(f frame, size int64) error) error {
	if v.spent {
		return nil
	}
	j, err := journal.Open(v.dir, s.options())
	if err != nil {
		return err
	}
	err = j.Replay(func(_ journal.Position, b []byte) error {
		return eachFrame(b, yield)
	})
	if journal.IsFull(err) {
		err = nil // every frame was given
	}
	if cerr := j.Close(); err == nil {
		err = cerr
	}
	return err
}

// interrupted ends the records that a process began and did not end. They come
// after everything that ended.
func (s *Spool) interrupted() error {
	begun := s.begun
	s.begun = map[uint64]*began{}
	var numbers []uint64
	for n := range begun {
		numbers = append(numbers, n)
	}
	slices.Sort(numbers)
	for _, n := range numbers {
		rec := begun[n].record
		e := &entry{kind: kindEnd, begun: n, body: rec}
		at, size, err := s.put(e)
		if err != nil {
			return err
		}
		s.taken(e, at, size)
	}
	if len(numbers) > 0 {
		s.c.Log.Warn("requests were under way when the process ended; they are recorded as such", "requests", len(numbers))
		signal(s.dirty)
	}
	return nil
}

// roll begins a new volume, so that the one that was written so far can be read, or
// removed where nothing in it waits.
func (s *Spool) roll() error {
	s.rolling.Lock()
	defer s.rolling.Unlock()
	s.mu.Lock()
	s.purged = s.c.Now() // not again at once if it fails
	s.mu.Unlock()
	next, err := s.tryVolume()
	full := journal.IsFull(err)
	if err != nil && !full {
		return err
	}
	s.pen.Lock()
	defer s.pen.Unlock()
	if full {
		if next, err = s.reservedVolume(err); err != nil {
			return err
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	forget := func() error {
		err := errors.Join(next.j.Close(), s.remove(next))
		s.reserve()
		return err
	}
	old := s.cur
	if len(s.hot) > 0 { // they came meanwhile, and go first
		return forget()
	}
	old.spent = !old.cold && s.acked >= s.last
	before := map[uint64]journal.Position{}
	for n, b := range s.begun {
		before[n] = b.at
	}
	s.cur = next
	if err := s.carry(func(*began) bool { return true }); err != nil {
		s.cur = old
		for n, b := range s.begun {
			b.at = before[n]
		}
		if !journal.IsFull(err) {
			s.fail(fmt.Errorf("change volume: %w", err))
		}
		return errors.Join(err, forget())
	}
	if err := old.j.Close(); err != nil {
		s.fail(fmt.Errorf("sync spool: %w", err))
		return err
	}
	if err := next.j.Sync(); err != nil {
		s.fail(fmt.Errorf("sync spool: %w", err))
		return err
	}
	old.j = nil
	s.old = append(s.old, old)
	s.noSpace, s.rolled = false, s.written
	s.announceStable(s.written)
	return nil
}

// carry writes records that began and that move wants moved to the end of the
// current volume, under the number that they have. The caller holds the pen and mu.
func (s *Spool) carry(move func(*began) bool) error {
	for n, b := range s.begun {
		if !move(b) {
			continue
		}
		f := append(appendHead(make([]byte, 0, frameHead+len(b.record)), kindBegin, n), b.record...)
		at, err := s.cur.j.Write(f)
		if err != nil {
			return err
		}
		b.at = at
	}
	return nil
}

// remove deletes a volume that is not needed any more.
func (s *Spool) remove(v *volume) error {
	if err := os.RemoveAll(v.dir); err != nil {
		return err
	}
	return durable.SyncDir(s.c.Dir)
}

func (s *Spool) closeFiles() error {
	var err error
	if s.cur != nil && s.cur.j != nil {
		err = s.cur.j.Close()
	}
	if s.lock != nil {
		// A child that is between fork and exec has the file open too.
		err = errors.Join(err, syscall.Flock(int(s.lock.Fd()), syscall.LOCK_UN), s.lock.Close())
	}
	if err != nil {
		return fmt.Errorf("close spool: %w", err)
	}
	return nil
}
