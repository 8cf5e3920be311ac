package segment

import (
	"context"
	"errors"
	"iter"
	"path/filepath"
	"slices"
	"time"

	"vigil"
	"vigil/internal/store"
	"vigil/internal/store/segfile"
)

// Documents are removed in these steps, all of them the sealer's. A crash
// between any two leaves the store as it was before, or the next start finishes:
//
//  1. Everything is sealed, so that the documents are in segments only, and a new
//     file of the journal is begun, so that no frame that is needed still holds them.
//  2. What stays of the segments concerned is written to new segments, and the
//     leaves of what goes to a file in log/.
//  3. The manifest names both, as a removal that is on its way.
//  4. The event that records it is committed. From here on the removal counts.
//  5. The manifest names the new files instead of the old ones, which are unlinked.
//  6. The old files of the journal are overwritten, and the manifest says so.
var _ store.Remover = (*Store)(nil)

// Erase implements [store.Remover].
func (s *Store) Erase(ctx context.Context, uids []vigil.UID, why store.Removal) (n int64, err error) {
	if err := why.Check(time.Time{}, s.cfg.Now()); err != nil {
		return 0, err
	}
	err = s.do(ctx, "the removal", func() error {
		p, err := s.beginRemoval()
		if err != nil {
			return err
		}
		for _, uid := range uids {
			if err := p.find(ctx, uid); err != nil {
				return err
			}
		}
		n, err = p.run(ctx, why)
		return err
	})
	return n, err
}

// Prune implements [store.Remover].
func (s *Store) Prune(ctx context.Context, table string, before time.Time, why store.Removal) (n int64, err error) {
	if err := why.Check(before, s.cfg.Now()); err != nil {
		return 0, err
	}
	t, view, err := s.Catalog.Lookup(table)
	if err == nil && view != nil {
		err = store.ErrNoTable(table)
	}
	if err != nil {
		return 0, err
	}
	err = s.do(ctx, "the removal", func() error {
		p, err := s.beginRemoval()
		if err != nil {
			return err
		}
		p.what.Before = before.Truncate(time.Microsecond)
		if err := p.findBefore(ctx, t, p.what.Before.UnixMicro()); err != nil {
			return err
		}
		n, err = p.run(ctx, why)
		return err
	})
	return n, err
}

// removal is a removal on its way.
type removal struct {
	s     *Store
	what  store.Removed
	goes  map[*seg]func(*segfile.Record) bool // which of its records go
	count map[*seg]int64                      // how many these are
	ids   map[*seg]map[int64]bool             // of an erasure
}

// beginRemoval seals everything, and ends what a removal before could not.
func (s *Store) beginRemoval() (*removal, error) {
	if s.manifest.Removing != nil { // the disk was full when it was given up
		if err := s.settle(); err != nil {
			return nil, err
		}
	}
	if err := s.sealAll(); err != nil {
		return nil, err
	}
	if err := s.purge(); err != nil {
		return nil, err
	}
	s.reached("all sealed")
	return &removal{
		s: s, what: store.Removed{Tables: map[string]int64{}},
		goes: map[*seg]func(*segfile.Record) bool{}, count: map[*seg]int64{}, ids: map[*seg]map[int64]bool{},
	}, nil
}

// find adds the event with a UID. One that has been removed is passed over.
func (p *removal) find(ctx context.Context, uid vigil.UID) error {
	for _, list := range p.s.segs { // the sealer alone changes it
		for _, sg := range list {
			if err := ctx.Err(); err != nil {
				return err
			}
			rec, err := p.s.findInSegment(sg, uid)
			if err != nil {
				return err
			}
			if rec != nil {
				p.add(sg, rec, uid)
				return nil
			}
		}
	}
	_, err := p.s.findLeaf(uid)
	if _, gone := errors.AsType[*store.ErasedError](err); gone {
		return nil
	}
	return err
}

func (p *removal) add(sg *seg, rec *segfile.Record, uid vigil.UID) {
	ids := p.ids[sg]
	if ids == nil {
		ids = map[int64]bool{}
		p.ids[sg] = ids
		p.goes[sg] = func(r *segfile.Record) bool { return ids[r.ID] }
	}
	if ids[rec.ID] {
		return
	}
	ids[rec.ID] = true
	p.count[sg]++
	p.what.Tables[sg.Table]++
	p.what.UIDs = append(p.what.UIDs, uid)
}

// findBefore adds the events of a table that were received before a time.
func (p *removal) findBefore(ctx context.Context, t *store.Table, before int64) error {
	old := func(r *segfile.Record) bool { return r.Received < before }
	for _, sg := range p.s.segs[t.Number] {
		if err := ctx.Err(); err != nil {
			return err
		}
		m := sg.file.Meta()
		n := int64(0)
		switch {
		case m.MinReceived >= before:
			continue
		case m.MaxReceived < before:
			n = sg.Count
		default:
			for r, err := range p.s.fileRecords(sg, ctx.Err) {
				if err != nil {
					return err
				}
				if old(r) {
					n++
				}
			}
		}
		p.goes[sg], p.count[sg] = old, n
		p.what.Tables[t.Name] += n
	}
	return nil
}

// run removes what was found, and returns how many events that were.
func (p *removal) run(ctx context.Context, why store.Removal) (int64, error) {
	s, n := p.s, p.what.Count()
	if n == 0 {
		return 0, nil
	}
	e, err := why.Event(p.what, s.cfg.Now())
	if err != nil {
		return 0, err
	}
	record, err := store.Prepare(s.Catalog, &store.Batch{Events: []*vigil.Event{e}})
	if err != nil {
		return 0, err
	}
	m := s.manifest.clone()
	r := &removing{From: s.manifest.Size, Event: record.Leaf(0).Commitment}
	made, err := p.write(ctx, m, r)
	if err == nil {
		s.reached("files of a removal written")
		plan := s.manifest.clone()
		plan.NextFile, plan.Removing = m.NextFile, r
		if err = plan.write(s.dir.manifest()); err == nil {
			s.manifest = plan
		}
	}
	if err != nil {
		s.abandon(m, made)
		return 0, err
	}
	for _, sg := range made { // settle opens them again
		sg.file.Close()
	}
	s.reached("removal planned")
	if err := s.record(ctx, record); err != nil {
		if s.failed() != nil { // nobody knows: the next start finds out
			return 0, err
		}
		return 0, errors.Join(err, s.settle())
	}
	s.reached("removal recorded")
	if err := s.finish(); err != nil {
		return 0, err
	}
	if names, _ := filepath.Glob(s.dir.journal() + ".damaged-*"); len(names) > 0 {
		s.log.Warn("documents were removed, but a damaged journal that was set aside may hold them still", "file", names[0], "files", len(names))
	}
	return n, nil
}

// write writes what stays of the segments concerned, and the leaves of what
// goes, and enters all that in r. It returns the files made, with an error too.
func (p *removal) write(ctx context.Context, m *manifest, r *removing) (made []*seg, err error) {
	s := p.s
	leaves := map[int][]iter.Seq2[*segfile.Record, error]{} // by table
	count := map[int]int64{}
	for _, list := range s.segs {
		for _, sg := range list { // in the order of ids
			n := p.count[sg]
			if n == 0 {
				continue
			}
			r.Gone = append(r.Gone, sg.File)
			count[sg.table] += n
			leaves[sg.table] = append(leaves[sg.table], p.part(ctx, sg, true))
			if n == sg.Count {
				continue
			}
			rest, err := s.writeRecords(m, sg.Table, ".seg", p.part(ctx, sg, false))
			if err != nil {
				return made, err
			}
			made = append(made, rest)
			r.Made = append(r.Made, rest.segmentEntry)
		}
	}
	r.Leaves = slices.Clone(s.manifest.Removed)
	for table, lists := range leaves {
		all := []iter.Seq2[*segfile.Record, error]{one(lists)}
		for _, old := range absorbed(s.leaves, table, count[table]) {
			all = append(all, s.fileRecords(old, nil))
			r.Leaves = slices.DeleteFunc(r.Leaves, func(e segmentEntry) bool { return e.File == old.File })
		}
		f, err := s.writeRecords(m, s.Catalog.Tables()[table].Name, leavesSuffix, byID(all))
		if err != nil {
			return made, err
		}
		made = append(made, f)
		r.Leaves = append(r.Leaves, f.segmentEntry)
	}
	return made, nil
}

// one yields the records of sequences that follow each other.
func one(lists []iter.Seq2[*segfile.Record, error]) iter.Seq2[*segfile.Record, error] {
	return func(yield func(*segfile.Record, error) bool) {
		for _, list := range lists {
			for r, err := range list {
				if !yield(r, err) || err != nil {
					return
				}
			}
		}
	}
}

// part yields the records of a segment that stay, or the leaves of those that go.
func (p *removal) part(ctx context.Context, sg *seg, gone bool) iter.Seq2[*segfile.Record, error] {
	stop := func() error {
		if p.s.stopping() {
			return store.ErrClosed()
		}
		return ctx.Err()
	}
	return func(yield func(*segfile.Record, error) bool) {
		for r, err := range p.s.renewed(sg, stop) {
			if err == nil && p.goes[sg](r) != gone {
				continue
			}
			if err == nil && gone {
				*r = leafRecord(r)
			}
			if !yield(r, err) {
				return
			}
		}
	}
}

func (s *Store) stopping() bool {
	select {
	case <-s.stop:
		return true
	default:
		return false
	}
}

// record commits the event of a removal, and seals meanwhile what its commit may
// have to wait for.
func (s *Store) record(ctx context.Context, p *store.Prepared) error {
	done := make(chan error, 1)
	go func() {
		_, err := s.submit(context.WithoutCancel(ctx), p)
		done <- err
	}()
	for len(done) == 0 {
		sealed, err := s.sealOldest()
		switch {
		case err != nil && !noSpace(err):
			return err
		case sealed:
			continue
		}
		select {
		case err := <-done:
			return err
		case <-s.toSeal:
		case <-time.After(sealRetry): // a seal that found no space is tried again
		}
	}
	return <-done
}

// settleRemoval ends at a start what a crash interrupted.
func (s *Store) settleRemoval() error {
	if s.rollback != nil {
		return nil // the files are named, so they stay until the store takes events
	}
	if s.manifest.Removing != nil {
		if err := s.settle(); err != nil {
			return err
		}
	}
	err := s.purge()
	if noSpace(err) {
		s.log.Error("the disk is full: old files of the journal are overwritten at the next start", "err", err)
		return nil
	}
	return err
}

// settle finishes a removal that is recorded in the log, and gives up one that is not.
func (s *Store) settle() error {
	recorded, err := s.recorded(s.manifest.Removing)
	if err != nil {
		return err
	}
	if recorded {
		return s.finish()
	}
	m := s.manifest.clone()
	m.Removing = nil
	return s.install(m, change{})
}

// recorded reports whether the log has the event of a removal.
func (s *Store) recorded(r *removing) (bool, error) {
	for row, err := range s.entries(context.Background(), r.From, s.tree.Size()) {
		if err != nil {
			return false, err
		}
		if row.Stored.Table == vigil.TableSystem && store.LeafOfRow(row).Commitment == r.Event {
			return true, nil
		}
	}
	return false, nil
}

// finish makes a recorded removal true.
func (s *Store) finish() error {
	m := s.manifest.clone()
	r := m.Removing
	c := change{lost: map[int]int64{}}
	for _, list := range s.segs {
		for _, sg := range list {
			if slices.Contains(r.Gone, sg.File) {
				c.gone = append(c.gone, sg)
				c.lost[sg.table] += sg.Count
			}
		}
	}
	for _, e := range r.Made {
		sg, err := s.openSegment(e, m.id())
		if err != nil {
			return err
		}
		c.made = append(c.made, sg)
		c.lost[sg.table] -= e.Count
	}
	for _, e := range r.Leaves {
		at := slices.IndexFunc(s.leaves, func(sg *seg) bool { return sg.File == e.File })
		if at >= 0 {
			c.leaves = append(c.leaves, s.leaves[at])
			continue
		}
		sg, err := s.openSegment(e, m.id())
		if err != nil {
			return err
		}
		c.leaves = append(c.leaves, sg)
	}
	r.apply(m)
	if err := s.install(m, c); err != nil {
		return err
	}
	for _, sg := range c.gone {
		sg.file.Forget()
	}
	return s.purge()
}

// purge overwrites what the journal no longer needs, if something in it was
// removed. All that was removed is sealed, and its part of the journal released.
func (s *Store) purge() error {
	if !s.manifest.Purge {
		return nil
	}
	if err := s.journal.Purge(); err != nil {
		return err
	}
	m := s.manifest.clone()
	m.Purge = false
	if err := m.write(s.dir.manifest()); err != nil {
		return err
	}
	s.manifest = m
	s.reached("journal purged")
	return nil
}

// findLeaf returns what is left of the event with a UID, as the error that says
// so, or that there is none.
func (s *Store) findLeaf(uid vigil.UID) (*vigil.Event, error) {
	s.mu.RLock()
	leaves := s.leaves
	s.mu.RUnlock()
	for _, sg := range leaves {
		rec, err := s.findInSegment(sg, uid)
		if err != nil {
			return nil, err
		}
		if rec == nil {
			continue
		}
		var row store.Row
		if err := fillLeaf(&row, sg.Table, rec); err != nil {
			return nil, err
		}
		return nil, store.ErrErased(&row.Stored)
	}
	return nil, store.ErrNoUID()
}
