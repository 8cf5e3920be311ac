package segfile

import (
	"container/list"
	"fmt"
	"sync"
	"sync/atomic"
	"unsafe"

	"github.com/klauspost/compress/zstd"
)

// A Cache keeps decoded parts of any number of files, the most recently used
// ones, up to a number of bytes. It is safe for concurrent use.
type Cache struct {
	limit int64
	dec   *zstd.Decoder
	files atomic.Int64 // numbers given to files

	mu    sync.Mutex
	size  int64
	byKey map[cacheKey]*list.Element
	order list.List // of *cached, most recent first

	hits, misses atomic.Int64
}

// cacheKey names a part: a block, or one of the constants below.
type cacheKey struct {
	file  int64
	block int
	part  part
}

type part uint8

const (
	partNames part = iota
	partHead       // records without documents
	partBlock
)

type cached struct {
	key   cacheKey
	value any
	size  int64
}

// NewCache returns a cache of so many bytes. What is larger than an eighth of it
// is not kept.
func NewCache(bytes int64) (*Cache, error) {
	dec, err := zstd.NewReader(nil,
		zstd.WithDecoderConcurrency(0), // as many at once as there are processors
		zstd.WithDecodeAllCapLimit(true),
		zstd.WithDecoderMaxMemory(2*maxBlock))
	if err != nil {
		return nil, fmt.Errorf("make segment cache: %w", err)
	}
	return &Cache{limit: bytes, dec: dec, byKey: map[cacheKey]*list.Element{}}, nil
}

// Size returns the bytes that are kept.
func (c *Cache) Size() int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.size
}

// Counts returns how often something was found, and was not.
func (c *Cache) Counts() (hits, misses int64) { return c.hits.Load(), c.misses.Load() }

func (c *Cache) get(k cacheKey) (any, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	e, ok := c.byKey[k]
	if !ok {
		c.misses.Add(1)
		return nil, false
	}
	c.hits.Add(1)
	c.order.MoveToFront(e)
	return e.Value.(*cached).value, true
}

func (c *Cache) put(k cacheKey, v any, size int64) {
	if size > c.limit/8 {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, ok := c.byKey[k]; ok {
		return // somebody decoded it at the same time
	}
	c.byKey[k] = c.order.PushFront(&cached{k, v, size})
	c.size += size
	for c.size > c.limit {
		c.drop(c.order.Back())
	}
}

func (c *Cache) drop(e *list.Element) {
	v := c.order.Remove(e).(*cached)
	delete(c.byKey, v.key)
	c.size -= v.size
}

// forget drops everything of a file.
func (c *Cache) forget(file int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for e := c.order.Front(); e != nil; {
		next := e.Next()
		if e.Value.(*cached).key.file == file {
			c.drop(e)
		}
		e = next
	}
}

const recordSize = int64(unsafe.Sizeof(Record{}))
