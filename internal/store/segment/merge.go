package segment

import (
	"errors"
	"iter"
	"path/filepath"
	"slices"
	"time"

	"vigil/internal/store/segfile"
)

// The rules of merging: mergeRun neighbours of one table, none larger than its
// tier allows, become one segment. Tiers grow by the factor mergeRun, so that an
// event is written again only a few times in its life, and a table of any age
// has few files. Larger tiers wait until heads have not been frozen for a while:
// a bulk load is not slowed down by what can be done after it.
const (
	mergeRun  = 8
	firstTier = 96 << 10 // bytes of documents
	quietTier = 6 << 20  // larger ones need quiet
	lastTier  = 48 << 20

	mergeQuiet = 5 * time.Second
	mergeLook  = time.Minute // how often an idle store looks for something to merge
)

// errBusy ends a merge that would keep a head waiting. It is tried again later.
var errBusy = errors.New("a head waits to be sealed")

// mergeRange finds the segments of one table that are to become one, in tiers
// up to the given one; nil if there are none.
func mergeRange(list []*seg, upTo int64) []*seg {
	for tier := int64(firstTier); tier <= upTo; tier *= mergeRun {
		run := 0
		for i, sg := range list {
			if run++; sg.DocBytes > tier || sg.damaged {
				run = 0
			}
			if run == mergeRun {
				return list[i+1-mergeRun : i+1]
			}
		}
	}
	return nil
}

// mergeOne merges one run of small segments if there is one, and returns when
// to look again.
func (s *Store) mergeOne() (time.Duration, error) {
	upTo := int64(quietTier)
	if s.quiet() {
		upTo = lastTier
	}
	for _, t := range s.Catalog.Tables() {
		s.mu.RLock()
		list := s.segs[t.Number]
		s.mu.RUnlock()
		run := mergeRange(list, upTo)
		if run == nil {
			continue
		}
		err := s.merge(run)
		if errors.Is(err, errBusy) || passBy(run, err) {
			err = nil
		}
		return 0, err
	}
	if upTo < lastTier {
		return mergeQuiet, nil
	}
	return mergeLook, nil
}

// passBy marks the segment whose damage ended a merge, so that it is left as it
// is from now on: the rest of the store works. It reports whether it found one.
func passBy(run []*seg, err error) bool {
	e, ok := errors.AsType[*DamageError](err)
	if !ok {
		return false
	}
	for _, sg := range run {
		if filepath.Base(e.File) == sg.File {
			sg.damaged = true
			return true
		}
	}
	return false
}

// quiet reports whether no head has been frozen for a while.
func (s *Store) quiet() bool {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return len(s.frozen) == 0 && time.Since(s.froze) > mergeQuiet
}

// merge makes one segment of several that follow each other in their table.
func (s *Store) merge(run []*seg) error {
	m := s.manifest.clone()
	var parts []iter.Seq2[*segfile.Record, error]
	for _, sg := range run {
		parts = append(parts, s.renewed(sg, s.busy))
	}
	made, err := s.writeSegment(m, run[0].Table, one(parts))
	if err != nil {
		s.abandon(m, nil)
		return err
	}
	for _, sg := range run {
		m.Segments = slices.DeleteFunc(m.Segments, func(e segmentEntry) bool { return e.File == sg.File })
	}
	if err := s.install(m, change{made: []*seg{made}, gone: run}); err != nil {
		if noSpace(err) {
			s.abandon(m, []*seg{made})
		}
		return err
	}
	s.metrics.merges.Inc()
	return nil
}

// renewed yields the records of a segment as they go into a new one: copies of
// the cache's, with when they happened as the store's mapping reads it now. stop
// is that of fileRecords.
func (s *Store) renewed(sg *seg, stop func() error) iter.Seq2[*segfile.Record, error] {
	stale := sg.file.Meta().Mapping != s.mapping()
	return func(yield func(*segfile.Record, error) bool) {
		for r, err := range s.fileRecords(sg, stop) {
			if err != nil {
				yield(nil, err)
				return
			}
			c := *r
			if stale {
				s.occurred(&c)
			}
			if !yield(&c, nil) {
				return
			}
		}
	}
}

// busy is errBusy when the sealer has something better to do than merge.
func (s *Store) busy() error {
	if s.stopping() || s.oldestFrozen() != nil {
		return errBusy
	}
	return nil
}
