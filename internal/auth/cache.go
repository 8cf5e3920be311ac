package auth

import (
	"crypto/sha256"
	"sync"
)

// cached is a credential that was right.
type cached struct {
	principal *Principal
	times     times  // the token's own
	until     int64  // Unix seconds after which it is verified again: its key may be gone
	era       uint64 // of the keys that verified it
}

// cache remembers credentials by their SHA-256, the most recently used ones. It
// holds no credential itself and is safe for concurrent use.
type cache struct {
	mu    sync.Mutex
	size  int
	items map[[sha256.Size]byte]*node
	root  node // ring: root.next is the one used last
}

// node is one place of the ring.
type node struct {
	prev, next *node
	sum        [sha256.Size]byte
	cached
}

func newCache(size int) *cache {
	c := &cache{size: size, items: make(map[[sha256.Size]byte]*node)}
	c.root.prev, c.root.next = &c.root, &c.root
	return c
}

// get returns what is known about a credential.
func (c *cache) get(sum *[sha256.Size]byte) (cached, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	n := c.items[*sum]
	if n == nil {
		return cached{}, false
	}
	n.unlink()
	c.link(n)
	return n.cached, true
}

// put remembers a credential and forgets the one used longest ago.
func (c *cache) put(sum *[sha256.Size]byte, v cached) {
	c.mu.Lock()
	defer c.mu.Unlock()
	n := c.items[*sum]
	if n != nil {
		n.unlink()
	} else {
		n = &node{sum: *sum}
		c.items[*sum] = n
	}
	n.cached = v
	c.link(n)
	if len(c.items) > c.size {
		c.drop(c.root.prev)
	}
}

// forget removes a credential.
func (c *cache) forget(sum *[sha256.Size]byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if n := c.items[*sum]; n != nil {
		c.drop(n)
	}
}

func (c *cache) drop(n *node) {
	n.unlink()
	delete(c.items, n.sum)
}

func (c *cache) link(n *node) {
	n.prev, n.next = &c.root, c.root.next
	n.prev.next, n.next.prev = n, n
}

func (n *node) unlink() { n.prev.next, n.next.prev = n.next, n.prev }
