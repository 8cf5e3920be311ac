package segment

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"vigil/internal/journal"
)

// savedFrame is a frame of the journal on its way back into a head.
type savedFrame struct {
	head  frameHead
	pos   journal.Position
	chunk []byte
	at, n int // in the chunk
}

func (f *savedFrame) bytes() []byte { return f.chunk[f.at : f.at+f.n] }

// readJournal opens the journal and returns its frames past the manifest's
// size. When it returns they are on stable storage again.
func (s *Store) readJournal(why purpose) ([]savedFrame, error) {
	if why == toRecover {
		if err := s.recoverJournal(); err != nil {
			return nil, err
		}
	}
	j, err := journal.Open(s.dir.journal(), s.journalOptions())
	if err != nil {
		return nil, fmt.Errorf("%w (vigil check says more)", err)
	}
	s.journal = j
	var frames []savedFrame
	next := s.manifest.Size
	err = j.Replay(func(p journal.Position, b []byte) error {
		f, err := s.saveFrame(p, b)
		if err != nil || f.head.end() < s.manifest.Size || f.head.first < s.manifest.Size && f.head.count > 0 {
			return err // sealed already, in files that are released as a whole
		}
		if f.head.first != next {
			return s.journalDamage("place %d of the log follows %d", f.head.first, next)
		}
		next = f.head.end()
		frames = append(frames, f)
		return nil
	})
	if journal.IsFull(err) {
		// The frames could not be copied to where they are surely stable. Reading
		// goes on; the first commit that finds space does it.
		s.log.Error("the disk is full: events are refused, reading goes on", "err", err)
		err = s.syncJournal()
	}
	if err != nil {
		return nil, err
	}
	return frames, nil
}

// syncJournal makes stable what a killed process left in the page cache.
func (s *Store) syncJournal() error {
	names, err := filepath.Glob(filepath.Join(s.dir.journal(), "*.journal"))
	for _, name := range names {
		f, oerr := os.OpenFile(name, os.O_RDWR, 0)
		if oerr != nil {
			return oerr
		}
		err = errors.Join(err, f.Sync(), f.Close())
	}
	return err
}

func (s *Store) journalOptions() journal.Options {
	return journal.Options{StoreID: s.manifest.id(), FileSize: s.opts.JournalFile, Log: s.log}
}

func (s *Store) journalDamage(format string, args ...any) error {
	return &DamageError{File: s.dir.journal(), Reason: fmt.Sprintf(format, args...)}
}

// settleRecovery ends a recovery whose new epoch is in the journal, and refuses
// to serve after one that was not finished.
func (s *Store) settleRecovery(why purpose, frames []savedFrame) error {
	if s.manifest.State != stateRecovering {
		return nil
	}
	begun := slices.ContainsFunc(frames, func(f savedFrame) bool { return f.head.epoch > s.manifest.Epoch })
	switch {
	case begun && why == toCheck:
		return nil
	case begun:
		m := s.manifest.clone()
		m.ready()
		if err := m.write(s.dir.manifest()); err != nil {
			return err
		}
		s.manifest = m
		return nil
	case why == toRecover:
		s.journalLost = true
		return nil
	}
	return &DamageError{File: s.dir.manifest(), Reason: "vigil recover set the journal aside and was not finished: run it again"}
}

// saveFrame copies a frame, and makes its tables known.
func (s *Store) saveFrame(p journal.Position, b []byte) (savedFrame, error) {
	q := &s.seq
	h, err := parseFrameHead(b)
	if err != nil {
		return savedFrame{}, s.journalDamage("%v", err)
	}
	if h.end() < s.manifest.Size || h.first < s.manifest.Size && h.count > 0 {
		return savedFrame{head: h}, nil
	}
	if len(b) > len(q.chunk)-q.used {
		q.chunk, q.used = make([]byte, max(len(b), chunkBytes)), 0
	}
	f := savedFrame{head: h, pos: p, chunk: q.chunk, at: q.used, n: copy(q.chunk[q.used:], b)}
	q.used += f.n
	_, at := h.parseKeys(b)
	var e event
	for range h.count {
		if at, err = parseEvent(b, at, &e); err != nil {
			return savedFrame{}, s.journalDamage("%v", err)
		}
		s.Catalog.Retain(string(e.table))
	}
	if at != len(b) {
		return savedFrame{}, s.journalDamage("%v", errFrame)
	}
	return f, nil
}

// apply puts the frames into heads and the log, and compares the log's root
// after each of them with the one that was written with it.
func (s *Store) apply(frames []savedFrame) error {
	for i := range frames {
		f := &frames[i]
		if err := s.restage(f); err != nil {
			return err
		}
		if size, root := s.tree.Head(); size != f.head.end() || root != f.head.root {
			return s.journalDamage("the events up to place %d of the log do not give the root that was written with them", size)
		}
		s.show(&s.seq.stage)
		s.seq.Next = f.head.end()
		if s.active.bytes < s.opts.HeadBytes {
			continue
		}
		end := headEnd{
			size: s.seq.Next, root: f.head.root, state: s.tree.State(),
			last: slices.Clone(s.seq.Last), epoch: f.head.epoch, journal: s.journal.End(),
		}
		if i+1 < len(frames) {
			end.journal = frames[i+1].pos
		}
		s.freezeAt(end)
	}
	if len(frames) > 0 {
		s.log.Info("the journal was read back", "commits", len(frames), "log_size", s.seq.Next)
	}
	return nil
}

// restage parses a frame and appends its leaves to the log.
func (s *Store) restage(f *savedFrame) error {
	st, b := &s.seq.stage, f.bytes()
	st.head, st.chunk, st.bytes, st.events = f.head, f.chunk, f.n, st.events[:0]
	var at int
	st.keys, at = f.head.parseKeys(b)
	for _, k := range st.keys {
		s.seq.Keys.Add(k)
	}
	var e event
	var formats interner
	v := headView{chunks: [][]byte{f.chunk}, frames: []frameAt{{f.head.received, f.head.epoch}}, events: []eventAt{{}}}
	for range f.head.count {
		start := at
		var err error
		if at, err = parseEvent(b, at, &e); err != nil {
			return s.journalDamage("%v", err)
		}
		t := s.Catalog.Named(string(e.table))
		if e.id <= s.seq.Last[t.Number] {
			return s.journalDamage("id %d of table %s does not follow %d", e.id, t.Name, s.seq.Last[t.Number])
		}
		s.seq.Last[t.Number] = e.id
		pos := eventAt{id: e.id, off: uint32(f.at + start), table: uint16(t.Number)}
		st.events = append(st.events, pos)
		v.events[0] = pos
		rec, err := v.record(0, &formats)
		if err != nil {
			return err
		}
		s.tree.Append(s.leafHash(t.Name, &rec))
	}
	return nil
}
