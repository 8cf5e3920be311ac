package segfile

import "encoding/binary"

// block is what the directory knows about one.
type block struct {
	count                    int
	head, docs               extent
	firstID, lastID          int64
	minReceived, maxReceived int64
	minOccurred, maxOccurred int64 // 0: none has one
	minUID, maxUID           int64 // milliseconds
}

// extent is where a part of a block is.
type extent struct {
	off    int64 // in the file
	length int64 // in the file
	raw    int64 // decoded
	sum    uint64
}

// directoryColumns lists the integers of a block in the order of the directory.
func (b *block) directoryColumns() []*int64 {
	return []*int64{
		&b.head.length, &b.docs.length, &b.docs.raw, &b.firstID, &b.lastID,
		&b.minReceived, &b.maxReceived, &b.minOccurred, &b.maxOccurred, &b.minUID, &b.maxUID,
	}
}

// newBlock describes the records of a block.
func newBlock(recs []Record) block {
	first := &recs[0]
	b := block{
		count: len(recs), firstID: first.ID, lastID: recs[len(recs)-1].ID,
		minReceived: first.Received, maxReceived: first.Received,
		minUID: uidMillis(&first.UID), maxUID: uidMillis(&first.UID),
	}
	for i := range recs {
		r := &recs[i]
		b.minReceived, b.maxReceived = min(b.minReceived, r.Received), max(b.maxReceived, r.Received)
		ms := uidMillis(&r.UID)
		b.minUID, b.maxUID = min(b.minUID, ms), max(b.maxUID, ms)
		b.minOccurred, b.maxOccurred = spanOccurred(b.minOccurred, b.maxOccurred, r.Occurred, r.Occurred)
	}
	return b
}

// spanOccurred widens the span lo to hi by that of from and to; 0 is none.
func spanOccurred(lo, hi, from, to int64) (int64, int64) {
	switch {
	case from == 0 && to == 0:
		return lo, hi
	case lo == 0 && hi == 0:
		return from, to
	}
	return min(lo, from), max(hi, to)
}

// appendDirectory appends number and sums of the blocks, then their columns.
func appendDirectory(dst []byte, blocks []block) []byte {
	dst = binary.AppendUvarint(dst, uint64(len(blocks)))
	for i := range blocks {
		dst = le.AppendUint64(dst, blocks[i].head.sum)
		dst = le.AppendUint64(dst, blocks[i].docs.sum)
	}
	vals := make([]int64, len(blocks))
	for i := range blocks {
		vals[i] = int64(blocks[i].count)
	}
	dst = appendInts(dst, vals)
	for c := range (&block{}).directoryColumns() {
		for i := range blocks {
			vals[i] = *blocks[i].directoryColumns()[c]
		}
		differences(vals)
		dst = appendInts(dst, vals)
	}
	return dst
}

// readDirectory undoes appendDirectory and lays the blocks out in the two
// sections. It returns nil if they do not fill them exactly, or anything else is
// wrong.
func readDirectory(b []byte, docs, heads *section, total int) []block {
	n, used := binary.Uvarint(b)
	if used <= 0 || n > uint64(len(b)-used)/16 {
		return nil
	}
	b = b[used:]
	blocks := make([]block, n)
	for i := range blocks {
		blocks[i].head.sum, blocks[i].docs.sum = le.Uint64(b[16*i:]), le.Uint64(b[16*i+8:])
	}
	vals := make([]int64, n)
	if b = readInts(b[16*n:], vals); b == nil {
		return nil
	}
	left := int64(total)
	for i, v := range vals {
		if v <= 0 || v > left {
			return nil
		}
		blocks[i].count = int(v)
		left -= v
	}
	for c := range (&block{}).directoryColumns() {
		if b = readInts(b, vals); b == nil {
			return nil
		}
		sums(vals)
		for i, v := range vals {
			*blocks[i].directoryColumns()[c] = v
		}
	}
	if left != 0 || len(b) != 0 || !layOut(blocks, docs, heads) {
		return nil
	}
	return blocks
}

// layOut sets the offsets of the blocks' parts.
func layOut(blocks []block, docs, heads *section) bool {
	headAt, docsAt := heads.off, docs.off
	raw := int64(0)
	last := int64(0)
	for i := range blocks {
		b := &blocks[i]
		if b.head.length < 0 || b.head.length > heads.off+heads.length-headAt ||
			b.docs.length < 0 || b.docs.length > docs.off+docs.length-docsAt ||
			b.docs.raw < 0 || b.docs.raw > docs.raw-raw || b.docs.raw > maxBlock ||
			b.lastID < b.firstID || i > 0 && b.firstID <= last ||
			int64(b.count) > b.head.length/(saltSize+uidTail) {
			return false
		}
		b.head.off, b.docs.off, b.head.raw = headAt, docsAt, b.head.length
		headAt += b.head.length
		docsAt += b.docs.length
		raw += b.docs.raw
		last = b.lastID
	}
	return headAt == heads.off+heads.length && docsAt == docs.off+docs.length && raw == docs.raw
}
