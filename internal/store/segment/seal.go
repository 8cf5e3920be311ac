package segment

import (
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"slices"
	"time"

	"vigil"
	"vigil/internal/store/segfile"
)

// sealRetry is how long the sealer waits for space on a full disk.
const sealRetry = time.Second

// seal writes frozen heads to segments until the store stops. A full disk makes
// it wait, with the heads still in memory and in the journal; anything else
// that goes wrong is the end of the store's taking events.
func (s *Store) seal() {
	defer close(s.sealerEnd)
	for done := false; !done; {
		sealed, err := s.sealOldest()
		switch {
		case noSpace(err):
			s.log.Error("the disk is full: events stay in the journal", "err", err)
			select {
			case <-time.After(sealRetry):
			case j := <-s.jobs: // which finds the disk full too, or has room again
				done = s.serve(j)
			case <-s.stop:
				return
			}
		case err != nil:
			return
		case sealed:
			// A writer without a pause always has the next head waiting.
			select {
			case j := <-s.jobs:
				done = s.serve(j)
			default:
			}
		default:
			done = s.idle()
		}
	}
}

// sealOldest seals the oldest frozen head and reports whether there was one.
// Writers that wait for it go on, or hear of the full disk. Any other error is
// the end of the store's taking events, and said so already.
func (s *Store) sealOldest() (sealed bool, err error) {
	h := s.oldestFrozen()
	if h == nil {
		return false, nil
	}
	start := time.Now()
	if err = s.sealHead(h); err != nil && !noSpace(err) {
		return false, s.fail(fmt.Errorf("seal events: %w", err))
	}
	s.setSealError(err)
	s.tellSealed()
	if err != nil {
		return false, err
	}
	s.metrics.seal.Observe(time.Since(start).Seconds())
	return true, nil
}

// idle merges segments, or waits for a head; it reports that the store stops.
func (s *Store) idle() bool {
	if s.stopping() {
		return true
	}
	again, err := s.mergeOne()
	switch {
	case err == nil:
	case noSpace(err):
		s.log.Warn("the disk is full: segments are not merged", "err", err)
		again = sealRetry
	default:
		s.fail(fmt.Errorf("merge segments: %w", err))
		return true
	}
	select {
	case <-s.toSeal:
	case <-time.After(again):
	case j := <-s.jobs:
		return s.serve(j)
	case <-s.stop:
		return true
	}
	return false
}

func (s *Store) oldestFrozen() *head {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if len(s.frozen) == 0 || s.failed() != nil {
		return nil
	}
	return s.frozen[0]
}

func (s *Store) tellSealed() {
	select {
	case s.sealed <- struct{}{}:
	default:
	}
}

func (s *Store) setSealError(err error) {
	s.mu.Lock()
	s.sealErr = err
	s.mu.Unlock()
}

// sealBlocked returns why the oldest frozen head could not be sealed.
func (s *Store) sealBlocked() error {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.sealErr
}

// sealHead makes segments of a head, names them in the manifest, and lets go of
// the head and of its part of the journal, in this order.
func (s *Store) sealHead(h *head) (err error) {
	m := s.manifest.clone()
	m.ready() // a head is sealed after the first commit of an epoch
	var made []*seg
	defer func() {
		if noSpace(err) {
			s.abandon(m, made)
		}
	}()
	for _, t := range s.Catalog.Tables() {
		if t.Number >= len(h.tables) || len(h.tables[t.Number]) == 0 {
			continue
		}
		sg, err := s.writeSegment(m, t.Name, s.headRecords(h, t.Number))
		if err != nil {
			return err
		}
		made = append(made, sg)
	}
	if err := s.sealKeys(m, h); err != nil {
		return err
	}
	s.reached("segments written")
	if err := s.tree.FlushTo(h.end.size); err != nil {
		return err
	}
	if err := s.tiles.Sync(); err != nil {
		return err
	}
	s.reached("tiles written")
	m.Size, m.Root, m.Tree, m.Epoch = h.end.size, h.end.root, h.end.state, max(m.Epoch, h.end.epoch)
	m.Journal = journalAt{h.end.journal.Generation, h.end.journal.Offset}
	for n, t := range s.Catalog.Tables() {
		if n < len(h.end.last) {
			m.LastIDs[t.Name] = max(m.LastIDs[t.Name], h.end.last[n])
		}
	}
	if err := s.install(m, change{made: made, sealed: h}); err != nil {
		return err
	}
	made = nil
	if err := s.journal.Release(h.end.journal); err != nil {
		// Its space is used again after the next head; if the journal is broken,
		// the next commit says so.
		s.log.Warn("sealed parts of the journal were not released", "err", err)
	}
	s.reached("journal released")
	return nil
}

// abandon removes the files that an attempt made which a full disk ended, and
// lets the next one use other names. (After any other error the store stops, and
// the next start removes what the manifest does not name.)
func (s *Store) abandon(m *manifest, made []*seg) {
	for _, sg := range made {
		sg.file.Close()
		if err := os.Remove(s.dir.segment(sg.File)); err != nil {
			s.log.Warn("a file of unfinished work stays until the next start", "err", err)
		}
	}
	for _, k := range m.Keys {
		if slices.Contains(s.manifest.Keys, k) {
			continue
		}
		if err := os.Remove(s.dir.segment(k.File)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			s.log.Warn("a file of unfinished work stays until the next start", "err", err)
		}
	}
	s.manifest.NextFile = max(s.manifest.NextFile, m.NextFile)
}

// headRecords yields the events of one table. They point into the head, and each
// is good until the next.
func (s *Store) headRecords(h *head, table int) iter.Seq2[*segfile.Record, error] {
	return func(yield func(*segfile.Record, error) bool) {
		v := h.view(table)
		var formats interner
		for _, i := range v.rows {
			r, err := v.record(int(i), &formats)
			s.occurred(&r)
			if !yield(&r, err) || err != nil {
				return
			}
		}
	}
}

// writeSegment writes records of a table to a new file, enters it in m, and
// opens it. Their Occurred is by the store's mapping. With an error there is no file.
func (s *Store) writeSegment(m *manifest, table string, recs iter.Seq2[*segfile.Record, error]) (*seg, error) {
	sg, err := s.writeRecords(m, table, ".seg", recs)
	if err != nil {
		return nil, err
	}
	m.Segments = append(m.Segments, sg.segmentEntry)
	return sg, nil
}

// writeRecords writes records of a table to a new file, and opens it.
func (s *Store) writeRecords(m *manifest, table, suffix string, recs iter.Seq2[*segfile.Record, error]) (*seg, error) {
	meta := segfile.Meta{StoreID: m.id(), Table: table, Mapping: s.mapping()}
	e := segmentEntry{File: m.name(table + suffix), Table: table}
	w, err := segfile.NewWriter(filepath.Dir(s.dir.segment(e.File)), e.File, meta)
	if err != nil {
		return nil, fmt.Errorf("write segment %s: %w", e.File, err)
	}
	for r, err := range recs {
		if err == nil {
			err = w.Add(r)
		}
		if err != nil {
			w.Abort()
			return nil, fmt.Errorf("write segment %s: %w", e.File, err)
		}
		e.DocBytes += int64(len(r.Doc) + len(r.Sender))
	}
	info, err := w.Commit()
	if err != nil {
		return nil, fmt.Errorf("write segment %s: %w", e.File, err)
	}
	e.Bytes, e.Count = info.Size, int64(info.Meta.Count)
	e.FirstID, e.LastID = info.Meta.FirstID, info.Meta.LastID
	e.FirstIndex, e.LastIndex = info.Meta.FirstIndex, info.Meta.LastIndex
	return s.openSegment(e, m.id())
}

// occurred fills in when an event happened, as the store's mapping reads it. It
// is an index: the segment says by which mapping it was made.
func (s *Store) occurred(r *segfile.Record) {
	r.Occurred = 0
	if s.cfg.Mapping == nil {
		return
	}
	var t time.Time
	if m, ok := s.cfg.Mapping.(vigil.TimeMapping); ok {
		t = m.Occurred(vigil.Format(r.Format), r.Doc)
	} else {
		t = s.cfg.Mapping.Facts(vigil.Format(r.Format), r.Doc).Occurred
	}
	if !t.IsZero() {
		r.Occurred = t.UnixMicro()
	}
}

// mapping is the number of the store's mapping; 0 is none.
func (s *Store) mapping() uint32 {
	if s.cfg.Mapping == nil {
		return 0
	}
	return s.cfg.Mapping.Number()
}

// change is what readers see differently once a manifest is written: the
// segments made take the place of those gone, and of the sealed head if there is one.
type change struct {
	made, gone []*seg
	sealed     *head
	// Of a removal: the files of all removed events, and how many rows each table loses.
	leaves []*seg
	lost   map[int]int64
}

// install writes m and then lets readers see it.
func (s *Store) install(m *manifest, c change) error {
	sortSegments(m.Segments)
	if err := m.write(s.dir.manifest()); err != nil {
		return err
	}
	s.reached("manifest written")
	old := s.manifest
	s.manifest = m
	s.mu.Lock()
	for _, sg := range c.gone {
		s.segs[sg.table] = without(s.segs[sg.table], sg)
	}
	for _, sg := range c.made {
		s.segs[sg.table] = with(s.segs[sg.table], sg)
	}
	if c.sealed != nil {
		s.frozen = append([]*head(nil), s.frozen[1:]...)
	}
	if c.lost != nil {
		s.leaves = c.leaves
	}
	for table, n := range c.lost {
		s.counts[table] -= n
	}
	s.mu.Unlock()
	s.metrics.segments.Set(float64(len(m.Segments)))
	s.removeUnnamed(old, m)
	s.reached("old files removed")
	return nil
}
