package segfile

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"sort"

	"github.com/cespare/xxhash/v2"
	"github.com/klauspost/compress/zstd"
)

// A File is an open segment. It is safe for concurrent use.
//
// Records that its methods return are shared with other callers and must not be
// changed; they stay valid after Close.
type File struct {
	path     string
	f        *os.File
	cache    *Cache
	id       int64 // in the cache
	size     int64
	footerAt int64
	meta     Meta
	sections []section
	blocks   []block
}

// Open opens a file and reads its footer and its directory of blocks, each of
// which is verified. The blocks are verified when they are read. What does not
// verify is a [*CorruptError].
func Open(path string, c *Cache) (*File, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("open segment: %w", err)
	}
	s := &File{path: path, f: f, cache: c, id: c.files.Add(1)}
	if err := s.load(); err != nil {
		f.Close()
		return nil, fmt.Errorf("open segment: %w", err)
	}
	return s, nil
}

// Close lets go of the file.
func (f *File) Close() error {
	f.cache.forget(f.id)
	if err := f.f.Close(); err != nil {
		return fmt.Errorf("close segment: %w", err)
	}
	return nil
}

// Meta returns what the file says about itself.
func (f *File) Meta() Meta { return f.meta }

// Path returns the path that the file was opened with.
func (f *File) Path() string { return f.path }

// Size returns the size of the file in bytes.
func (f *File) Size() int64 { return f.size }

// Blocks returns the number of blocks. They are in order of ids.
func (f *File) Blocks() int { return len(f.blocks) }

// BlockRange returns the smallest and the largest id in block i.
func (f *File) BlockRange(i int) (firstID, lastID int64) {
	return f.blocks[i].firstID, f.blocks[i].lastID
}

// Span says between which times the records of a block lie, in microseconds
// since 1970. MinOccurred and MaxOccurred are 0 where no record has one.
type Span struct {
	Count                    int
	MinReceived, MaxReceived int64
	MinOccurred, MaxOccurred int64
}

// BlockSpan returns the span of block i.
func (f *File) BlockSpan(i int) Span {
	b := &f.blocks[i]
	return Span{b.count, b.minReceived, b.maxReceived, b.minOccurred, b.maxOccurred}
}

// Search returns the first block whose last id is not below id, Blocks() if
// there is none.
func (f *File) Search(id int64) int {
	return sort.Search(len(f.blocks), func(i int) bool { return f.blocks[i].lastID >= id })
}

// Block returns the records of block i.
func (f *File) Block(i int) ([]Record, error) {
	key := cacheKey{f.id, i, partBlock}
	if v, ok := f.cache.get(key); ok {
		return v.([]Record), nil
	}
	recs, err := f.heads(i)
	if err != nil {
		return nil, err
	}
	raw, err := f.docs(i)
	if err != nil {
		return nil, err
	}
	if !setDocs(raw, recs) {
		return nil, f.corrupt(kindDocs, f.blocks[i].docs.off, "the documents do not fill their block")
	}
	f.cache.put(key, recs, int64(cap(raw))+int64(len(recs))*recordSize)
	return recs, nil
}

// Heads returns the records of block i, not necessarily with their documents. It
// costs a seventh of Block.
func (f *File) Heads(i int) ([]Record, error) {
	key := cacheKey{f.id, i, partHead}
	if v, ok := f.cache.get(key); ok {
		return v.([]Record), nil
	}
	recs, err := f.heads(i)
	if err != nil {
		return nil, err
	}
	f.cache.put(key, recs, int64(len(recs))*recordSize)
	return recs, nil
}

// heads decodes the columns of block i.
func (f *File) heads(i int) ([]Record, error) {
	names, err := f.names()
	if err != nil {
		return nil, err
	}
	b := &f.blocks[i]
	raw, err := f.read(kindHeads, &b.head)
	if err != nil {
		return nil, err
	}
	recs := readHead(raw, b.count, names)
	if recs == nil {
		return nil, f.corrupt(kindHeads, b.head.off, "the columns do not hold the records that the directory names")
	}
	return recs, nil
}

// FindUID finds the record with a UID: recs[pos] of the given block. UIDs are
// nearly in order, so that it reads one block or two; it is right if they are not.
func (f *File) FindUID(uid [16]byte) (block, pos int, ok bool, err error) {
	ms := uidMillis(&uid)
	for i := range f.blocks {
		if ms < f.blocks[i].minUID || ms > f.blocks[i].maxUID {
			continue
		}
		recs, err := f.Heads(i)
		if err != nil {
			return 0, 0, false, err
		}
		for at := range recs {
			if recs[at].UID == uid {
				return i, at, true, nil
			}
		}
	}
	return 0, 0, false, nil
}

// docs returns the decoded documents of a block.
func (f *File) docs(i int) ([]byte, error) {
	b := &f.blocks[i]
	packed, err := f.read(kindDocs, &b.docs)
	if err != nil {
		return nil, err
	}
	return f.unpack(kindDocs, &b.docs, packed)
}

// names returns the formats and senders that the records refer to.
func (f *File) names() (*names, error) {
	key := cacheKey{f.id, 0, partNames}
	if v, ok := f.cache.get(key); ok {
		return v.(*names), nil
	}
	n := &names{}
	formats, size, err := f.values(kindFormats)
	if err != nil {
		return nil, err
	}
	for _, v := range formats {
		n.formats = append(n.formats, string(v))
	}
	senders, more, err := f.values(kindSenders)
	if err != nil {
		return nil, err
	}
	n.senders = senders
	f.cache.put(key, n, 2*size+more+int64(len(formats)+len(senders))*24)
	return n, nil
}

func (f *File) values(k kind) (values [][]byte, size int64, err error) {
	s := f.section(k)
	raw, err := f.piece(s)
	if err != nil {
		return nil, 0, err
	}
	if values = readValues(raw, f.meta.Count); values == nil {
		return nil, 0, f.corrupt(k, s.off, "the list of values is damaged")
	}
	return values, int64(cap(raw)), nil
}

// piece returns the decoded bytes of a section of one piece.
func (f *File) piece(s *section) ([]byte, error) {
	e := extent{s.off, s.length, s.raw, s.sum}
	b, err := f.read(s.kind, &e)
	if err != nil || s.codec == codecPlain {
		return b, err
	}
	return f.unpack(s.kind, &e, b)
}

// read returns the bytes of an extent as they are in the file.
func (f *File) read(k kind, e *extent) ([]byte, error) {
	b := make([]byte, e.length)
	if _, err := f.f.ReadAt(b, e.off); err != nil {
		if errors.Is(err, io.EOF) {
			return nil, f.corrupt(k, e.off, "the file is shorter than it was when it was opened")
		}
		return nil, fmt.Errorf("read segment: %w", err)
	}
	if xxhash.Sum64(b) != e.sum {
		return nil, f.corrupt(k, e.off, "the checksum is wrong")
	}
	return b, nil
}

// unpack decodes a zstd frame, which must have e.raw bytes.
func (f *File) unpack(k kind, e *extent, b []byte) ([]byte, error) {
	// The length is looked at before memory is taken for it. Frames of less than
	// 256 bytes may leave it out.
	var h zstd.Header
	fits := h.Decode(b) == nil && e.raw <= maxBlock && (h.FrameContentSize == uint64(e.raw) || !h.HasFCS && e.raw < 256)
	if !fits {
		return nil, f.corrupt(k, e.off, "it is not a zstd frame of the length that is claimed")
	}
	raw, err := f.cache.dec.DecodeAll(b, make([]byte, 0, e.raw))
	if err != nil {
		return nil, f.corrupt(k, e.off, err.Error())
	}
	if int64(len(raw)) != e.raw {
		return nil, f.corrupt(k, e.off, "it has another length than it should when decoded")
	}
	return raw, nil
}

func (f *File) corrupt(k kind, off int64, reason string) error {
	return &CorruptError{f.path, k.String(), off, reason}
}

func (f *File) section(k kind) *section {
	for i := range f.sections {
		if f.sections[i].kind == k {
			return &f.sections[i]
		}
	}
	return nil
}

// load reads header, footer and directory.
func (f *File) load() error {
	st, err := f.f.Stat()
	if err != nil {
		return err
	}
	f.size = st.Size()
	if f.size < headerSize+trailerSize {
		return &CorruptError{f.path, "header", 0, "the file is too short to be a segment"}
	}
	if err := f.loadFooter(); err != nil {
		return err
	}
	head := make([]byte, headerSize)
	if _, err := f.f.ReadAt(head, 0); err != nil {
		return fmt.Errorf("read segment: %w", err)
	}
	if !bytes.Equal(head, appendHeader(nil, f.meta.StoreID)) {
		return &CorruptError{f.path, "header", 0, "it is not the header that belongs to the footer"}
	}
	return f.loadDirectory()
}

func (f *File) loadFooter() error {
	wrong := func(off int64, reason string) error { return &CorruptError{f.path, "footer", off, reason} }
	at := f.size - trailerSize
	t := make([]byte, trailerSize)
	if _, err := f.f.ReadAt(t, at); err != nil {
		return fmt.Errorf("read segment: %w", err)
	}
	if string(t[24:]) != magic {
		return wrong(at, "the file does not end as a segment does: it was cut off, or is none")
	}
	if v := le.Uint32(t[12:]); v != version {
		return wrong(at, fmt.Sprintf("version %d is not known to this program", v))
	}
	f.footerAt = int64(le.Uint64(t))
	n := int64(le.Uint32(t[8:]))
	if n > maxFooter || f.footerAt < headerSize || f.footerAt != at-n {
		return wrong(at, "the footer's place is wrong")
	}
	b := make([]byte, n, n+16)
	if _, err := f.f.ReadAt(b, f.footerAt); err != nil {
		return fmt.Errorf("read segment: %w", err)
	}
	if xxhash.Sum64(append(b, t[:16]...)) != le.Uint64(t[16:]) {
		return wrong(f.footerAt, "the checksum is wrong")
	}
	if f.meta, b = decodeMeta(b); len(b) < 4 {
		return wrong(f.footerAt, "it is too short")
	}
	count := int64(le.Uint32(b))
	if b = b[4:]; count*entrySize != int64(len(b)) {
		return wrong(f.footerAt, "it has room for another number of sections")
	}
	for ; len(b) > 0; b = b[entrySize:] {
		f.sections = append(f.sections, decodeSection(b))
	}
	return nil
}

// loadDirectory checks that the sections fill the file and reads the blocks.
func (f *File) loadDirectory() error {
	at := int64(headerSize)
	for _, s := range f.sections {
		if s.off != at || s.length < 0 || s.length > f.footerAt-at || s.raw < 0 || s.raw > maxSection {
			return f.corrupt(s.kind, s.off, "the section is not where the one before ends")
		}
		at += s.length
	}
	if at != f.footerAt {
		return &CorruptError{f.path, "footer", at, "the sections do not fill the file"}
	}
	for _, need := range []struct {
		kind  kind
		codec codec
	}{
		{kindDocs, codecBlocks},
		{kindHeads, codecPlain},
		{kindFormats, codecZstd},
		{kindSenders, codecZstd},
		{kindBlocks, codecZstd},
	} {
		s := f.section(need.kind)
		if s == nil {
			return f.corrupt(need.kind, f.footerAt, "the section is missing")
		}
		if s.codec != need.codec || s.keyID != 0 {
			return f.corrupt(need.kind, s.off, "the section is encoded or encrypted in a way that this program does not know")
		}
	}
	heads, dir := f.section(kindHeads), f.section(kindBlocks)
	if n := int64(f.meta.Count); n <= 0 || n > heads.length/(saltSize+uidTail) {
		return f.corrupt(kindHeads, heads.off, "the section is too short for the number of records")
	}
	raw, err := f.piece(dir)
	if err != nil {
		return err
	}
	if f.blocks = readDirectory(raw, f.section(kindDocs), heads, f.meta.Count); f.blocks == nil {
		return f.corrupt(kindBlocks, dir.off, "the directory does not fit the sections")
	}
	if f.blocks[0].firstID != f.meta.FirstID || f.blocks[len(f.blocks)-1].lastID != f.meta.LastID {
		return f.corrupt(kindBlocks, dir.off, "the directory has other ids than the footer")
	}
	return nil
}

// Forget lets go of what is cached of the file. It goes on working.
func (f *File) Forget() { f.cache.forget(f.id) }

// Reader returns a reader of the whole file, which works where it was unlinked, too.
func (f *File) Reader() io.Reader { return io.NewSectionReader(f.f, 0, f.size) }
