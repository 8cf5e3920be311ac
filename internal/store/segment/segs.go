package segment

import (
	"cmp"
	"os"
	"slices"
	"sort"

	"vigil/internal/store/segfile"
)

// seg is an open segment file. Nobody closes one that was merged away: readers
// may still be in it, and its descriptor goes when the last of them has let go
// of it (os.File closes itself then).
type seg struct {
	segmentEntry
	table   int
	file    *segfile.File
	damaged bool // a merge met damage in it; the sealer's
}

func sortSegments(list []segmentEntry) {
	slices.SortFunc(list, func(a, b segmentEntry) int {
		return cmp.Or(cmp.Compare(a.FirstIndex, b.FirstIndex), cmp.Compare(a.File, b.File))
	})
}

// with and without return changed copies: readers hold the old slices.
func with(list []*seg, sg *seg) []*seg {
	i := sort.Search(len(list), func(i int) bool { return list[i].FirstID > sg.FirstID })
	return slices.Insert(slices.Clone(list), i, sg)
}

func without(list []*seg, sg *seg) []*seg {
	return slices.DeleteFunc(slices.Clone(list), func(x *seg) bool { return x == sg })
}

// openSegment opens the file of an entry and compares what both say.
func (s *Store) openSegment(e segmentEntry, id [16]byte) (*seg, error) {
	path := s.dir.segment(e.File)
	f, err := segfile.Open(path, s.cache)
	if err != nil {
		return nil, &DamageError{File: path, Reason: "it cannot be opened", Err: err}
	}
	m := f.Meta()
	if m.StoreID != id || m.Table != e.Table || int64(m.Count) != e.Count ||
		m.FirstID != e.FirstID || m.LastID != e.LastID || m.FirstIndex != e.FirstIndex || m.LastIndex != e.LastIndex {
		f.Close()
		return nil, &DamageError{File: path, Reason: "it is not the file that the manifest names"}
	}
	return &seg{segmentEntry: e, table: s.Catalog.Retain(e.Table).Number, file: f}, nil
}

// removeUnnamed removes the files that old names and m does not. One that stays
// does no harm: the next opening removes it.
func (s *Store) removeUnnamed(old, m *manifest) {
	keep := m.files()
	for name := range old.files() {
		if keep[name] {
			continue
		}
		if err := os.Remove(s.dir.segment(name)); err != nil {
			s.log.Warn("a file that is no longer used stays", "err", err)
		}
	}
}
