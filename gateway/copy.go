package gateway

import (
	"io"
	"mime"
	"slices"
	"strings"
	"sync"
)

// A bodyCopy holds the beginning of a body. Its memory is counted against the
// gateway's, and where there is none left the copy ends there.
type bodyCopy struct {
	g         *Gateway
	b         []byte
	cut       bool
	structure string // of structureOf: the middle of what has none of it is left out
	dull      int    // bytes since there was any
	inString  bool   // of JSON, for certain
}

func (c *bodyCopy) write(p []byte) {
	if c.structure == "" {
		c.add(p)
		return
	}
	for len(p) > 0 && !c.cut {
		block := p[:min(len(p), dullBlock)]
		p = p[len(block):]
		structure := c.structure
		if c.inString {
			structure = structureString
		}
		if !dull(block, structure) {
			c.dull, c.inString = 0, c.structure == structureJSON && opensString(block)
			c.add(block)
			continue
		}
		if c.dull < dullKept {
			c.add(block)
		}
		c.dull += len(block)
	}
}

func (c *bodyCopy) add(p []byte) {
	if c.cut || len(p) == 0 {
		return
	}
	if room := c.g.c.MaxBody - len(c.b); len(p) > room {
		p, c.cut = p[:max(room, 0)], true
	}
	if need := len(c.b) + len(p); need > cap(c.b) && !c.grow(need) {
		c.cut = true
		return
	}
	c.b = append(c.b, p...)
}

// copySizes are the sizes in which memory for copies is kept for the next ones.
var copySizes = [...]int{4 << 10, 16 << 10, 64 << 10, 256 << 10, 1 << 20, 4 << 20}

// grow makes room for need bytes, where there is memory for them.
func (c *bodyCopy) grow(need int) bool {
	class, _ := slices.BinarySearch(copySizes[:], need)
	size := max(need, 2*cap(c.b))
	if class < len(copySizes) {
		size = copySizes[class]
	}
	size = max(min(size, c.g.c.MaxBody), need)
	if !c.g.take(int64(size - cap(c.b))) {
		return false
	}
	var grown []byte
	if class < len(copySizes) && size == copySizes[class] {
		if p, ok := c.g.copies[class].Get().(*[]byte); ok {
			grown = (*p)[:0]
		}
	}
	if grown == nil {
		grown = make([]byte, 0, size)
	}
	old := c.b
	c.b = append(grown, old...)
	c.g.recycle(old)
	return true
}

// drop gives the memory back.
func (c *bodyCopy) drop() {
	c.g.used.Add(-int64(cap(c.b)))
	c.g.recycle(c.b)
	c.b = nil
	c.cut = true
}

// recycle keeps memory of a usual size for other copies.
func (g *Gateway) recycle(b []byte) {
	if class, ok := slices.BinarySearch(copySizes[:], cap(b)); ok {
		g.copies[class].Put(&b)
	}
}

// take reserves n bytes for copies.
func (g *Gateway) take(n int64) bool {
	if g.used.Add(n) > g.c.MaxMemory {
		g.used.Add(-n)
		return false
	}
	return true
}

// isRead reports whether a body of this type says anything that is recorded.
func isRead(contentType string) bool {
	if contentType == "" || strings.HasPrefix(contentType, "application/fhir+json") || strings.HasPrefix(contentType, "application/json") {
		return true
	}
	media, _, err := mime.ParseMediaType(contentType)
	if err != nil {
		return true
	}
	return media == "text/plain" || media == "application/octet-stream" || media == "application/x-www-form-urlencoded" ||
		strings.HasSuffix(media, "json") || strings.HasSuffix(media, "xml")
}

// requestBody counts and copies what is read of a request's body. A transport
// may still read it when the handler has returned, hence the lock.
type requestBody struct {
	io.ReadCloser
	mu   sync.Mutex
	n    int64
	copy bodyCopy
	skip bool
	err  error // why it did not come to its end
}

func (b *requestBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if n > 0 {
		b.mu.Lock()
		b.n += int64(n)
		if !b.skip {
			b.copy.write(p[:n])
		}
		b.mu.Unlock()
	}
	if err != nil && err != io.EOF {
		b.mu.Lock()
		b.err = err
		b.mu.Unlock()
	}
	return n, err
}

// broken says why the body did not come to its end; nil if it did, or may yet.
func (b *requestBody) broken() error {
	if b == nil {
		return nil
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.err
}
