package segfile

import "github.com/cespare/xxhash/v2"

// Check reads the whole file past the cache and verifies every checksum, every
// record, and that the directory and the footer say what the records do. The
// first damage is returned as a [*CorruptError].
func (f *File) Check() error {
	for i := range f.sections {
		if err := f.checkSum(&f.sections[i]); err != nil {
			return err
		}
	}
	got := Meta{StoreID: f.meta.StoreID, Table: f.meta.Table, Mapping: f.meta.Mapping}
	for i := range f.blocks {
		if err := f.checkBlock(i, &got); err != nil {
			return err
		}
	}
	if got != f.meta {
		return &CorruptError{f.path, "footer", f.footerAt, "it does not say what the records do"}
	}
	return nil
}

// checkSum verifies a section without holding all of it.
func (f *File) checkSum(s *section) error {
	var d xxhash.Digest
	d.ResetWithSeed(0)
	b := make([]byte, 256<<10)
	for at := s.off; at < s.off+s.length; {
		n, err := f.f.ReadAt(b[:min(int64(len(b)), s.off+s.length-at)], at)
		if n == 0 && err != nil {
			return f.corrupt(s.kind, at, err.Error())
		}
		d.Write(b[:n])
		at += int64(n)
	}
	if d.Sum64() == s.sum {
		return nil
	}
	// The blocks have sums of their own: say which it is.
	for i := range f.blocks {
		e := &f.blocks[i].docs
		if s.kind == kindHeads {
			e = &f.blocks[i].head
		}
		if s.kind == kindDocs || s.kind == kindHeads {
			if _, err := f.read(s.kind, e); err != nil {
				return err
			}
		}
	}
	return f.corrupt(s.kind, s.off, "the checksum is wrong")
}

// checkBlock verifies a block and adds its records to got.
func (f *File) checkBlock(i int, got *Meta) error {
	b := &f.blocks[i]
	recs, err := f.heads(i)
	if err != nil {
		return err
	}
	raw, err := f.docs(i)
	if err != nil {
		return err
	}
	if !setDocs(raw, recs) {
		return f.corrupt(kindDocs, b.docs.off, "the documents do not fill their block")
	}
	want := newBlock(recs)
	want.head, want.docs = b.head, b.docs
	if want != *b {
		return f.corrupt(kindBlocks, b.head.off, "the directory does not say what the records do")
	}
	for j := range recs {
		if got.Count > 0 && recs[j].ID <= got.LastID {
			return f.corrupt(kindHeads, b.head.off, "the ids do not increase")
		}
		got.add(&recs[j])
	}
	return nil
}
