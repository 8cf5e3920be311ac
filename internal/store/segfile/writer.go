package segfile

import (
	"bufio"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"

	"github.com/cespare/xxhash/v2"
	"github.com/klauspost/compress/zstd"

	"vigil/internal/durable"
)

const (
	// A block is cut at so many records or bytes of documents, whichever comes
	// first. See the package comment for the measurement.
	blockRecords = 128
	blockBytes   = 128 << 10

	// MaxDoc is the largest document in bytes.
	MaxDoc   = 256 << 20
	maxBlock = MaxDoc + 2*blockBytes

	maxSection = 1 << 40

	// TempSuffix ends the name of a file that is being written. A store removes
	// what a crash left of those.
	TempSuffix = ".tmp"
)

// Info is what has been written.
type Info struct {
	Meta Meta
	Path string
	Size int64 // of the file in bytes
	// What the parts take of it, in bytes.
	Docs, Heads, Names, Directory int64
	RawDocs                       int64 // the documents as they came
}

// Write makes the file name in dir out of the records, which are in order of
// increasing ids. When it returns without an error the file is complete and
// stable; with an error there is none. A file that exists is not touched.
func Write(dir, name string, m Meta, recs []Record) (Info, error) {
	w, err := NewWriter(dir, name, m)
	if err != nil {
		return Info{}, err
	}
	for i := range recs {
		if err := w.Add(&recs[i]); err != nil {
			w.Abort()
			return Info{}, err
		}
	}
	return w.Commit()
}

// A Writer makes one file, record by record, holding no more than a block and 33
// bytes a record in memory.
type Writer struct {
	dir, name string
	f         *os.File
	w         *bufio.Writer
	enc       *zstd.Encoder
	off       int64
	err       error // the first write error

	meta    Meta
	pending []Record
	bytes   int64 // of the pending documents
	blocks  []block
	heads   []byte
	formats codes
	senders codes
	docs    section
	docsSum xxhash.Digest

	raw, packed []byte
	ints        []int64
}

// NewWriter begins the file name in dir, aside under another name.
func NewWriter(dir, name string, m Meta) (*Writer, error) {
	if len(m.Table) > 255 {
		return nil, fmt.Errorf("write segment %s: the table's name is too long", name)
	}
	if _, err := os.Lstat(filepath.Join(dir, name)); !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("write segment %s: %w", name, errors.Join(fs.ErrExist, err))
	}
	enc, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1), zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderCRC(false))
	if err != nil {
		return nil, fmt.Errorf("write segment %s: %w", name, err)
	}
	f, err := os.OpenFile(filepath.Join(dir, name+TempSuffix), os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, fmt.Errorf("write segment %s: %w", name, err)
	}
	w := &Writer{
		dir: dir, name: name, f: f, w: bufio.NewWriterSize(f, 256<<10), enc: enc,
		meta:    Meta{StoreID: m.StoreID, Table: m.Table, Mapping: m.Mapping},
		pending: make([]Record, 0, blockRecords),
		ints:    make([]int64, blockRecords),
	}
	w.docsSum.ResetWithSeed(0)
	w.write(appendHeader(nil, m.StoreID))
	w.docs = section{kind: kindDocs, codec: codecBlocks, off: w.off}
	return w, nil
}

// Add adds a record. Its document and sender must not change until Commit.
func (w *Writer) Add(r *Record) error {
	if w.meta.Count > 0 && r.ID <= w.meta.LastID {
		return fmt.Errorf("write segment %s: id %d comes after %d", w.name, r.ID, w.meta.LastID)
	}
	if len(r.Doc) > MaxDoc || len(r.Sender) > MaxDoc || r.Epoch < 0 || r.Epoch > math.MaxInt32 {
		return fmt.Errorf("write segment %s: record %d is out of bounds", w.name, r.ID)
	}
	if len(w.pending) == blockRecords || len(w.pending) > 0 && w.bytes+int64(len(r.Doc)) > blockBytes {
		w.flush()
	}
	w.meta.add(r)
	w.pending = append(w.pending, *r)
	w.bytes += int64(len(r.Doc))
	return w.err
}

// flush writes the pending records as a block.
func (w *Writer) flush() {
	recs := w.pending
	if len(recs) == 0 {
		return
	}
	b := newBlock(recs)
	w.raw = appendDocs(w.raw[:0], recs, w.ints)
	w.packed = w.enc.EncodeAll(w.raw, w.packed[:0])
	b.docs = extent{length: int64(len(w.packed)), raw: int64(len(w.raw)), sum: xxhash.Sum64(w.packed)}
	w.docsSum.Write(w.packed)
	w.docs.raw += b.docs.raw
	w.write(w.packed)

	start := len(w.heads)
	w.heads = appendHead(w.heads, recs, &w.formats, &w.senders, w.ints)
	head := w.heads[start:]
	b.head = extent{length: int64(len(head)), sum: xxhash.Sum64(head)}
	w.blocks = append(w.blocks, b)

	clear(recs)
	w.pending, w.bytes = recs[:0], 0
	if cap(w.raw) > 4*blockBytes { // one large document must not hold its memory
		w.raw, w.packed = nil, nil
	}
}

// Commit finishes the file, makes it stable and gives it its name. The Writer is
// used up, with an error too.
func (w *Writer) Commit() (Info, error) {
	info, err := w.commit()
	if err != nil {
		w.Abort()
		return Info{}, fmt.Errorf("write segment %s: %w", w.name, err)
	}
	return info, nil
}

func (w *Writer) commit() (Info, error) {
	if w.meta.Count == 0 {
		return Info{}, errors.New("there is no record")
	}
	w.flush()
	w.docs.length, w.docs.sum = w.off-w.docs.off, w.docsSum.Sum64()
	sections := []section{
		w.docs,
		w.section(kindHeads, codecPlain, w.heads),
		w.section(kindFormats, codecZstd, w.formats.append(nil)),
		w.section(kindSenders, codecZstd, w.senders.append(nil)),
		w.section(kindBlocks, codecZstd, appendDirectory(nil, w.blocks)),
	}
	footerAt := w.off
	footer := appendFooter(nil, &w.meta, sections)
	w.write(footer)
	w.write(appendTrailer(nil, footerAt, footer))
	if w.err == nil {
		w.err = w.w.Flush()
	}
	if w.err != nil {
		return Info{}, w.err
	}
	path := filepath.Join(w.dir, w.name)
	if err := durable.Publish(w.f, path); err != nil {
		return Info{}, err
	}
	return Info{
		Meta: w.meta, Path: path, Size: w.off,
		Docs: sections[0].length, RawDocs: sections[0].raw, Heads: sections[1].length,
		Names: sections[2].length + sections[3].length, Directory: sections[4].length,
	}, nil
}

// section writes a section of one piece.
func (w *Writer) section(k kind, c codec, raw []byte) section {
	s := section{kind: k, codec: c, off: w.off, raw: int64(len(raw))}
	if c == codecZstd {
		raw = w.enc.EncodeAll(raw, nil)
	}
	s.length, s.sum = int64(len(raw)), xxhash.Sum64(raw)
	w.write(raw)
	return s
}

func (w *Writer) write(b []byte) {
	if w.err == nil {
		_, w.err = w.w.Write(b)
	}
	w.off += int64(len(b))
}

// Abort gives up and removes what was written.
func (w *Writer) Abort() {
	// What cannot be removed is a leftover that the store removes.
	_ = w.f.Close()
	_ = os.Remove(filepath.Join(w.dir, w.name+TempSuffix))
}
