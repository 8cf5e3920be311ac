package store

import (
	"context"
	"sync"
)

// Growth tells those who wait that the log has grown. The zero Growth is a log
// of size 0, ready to use.
type Growth struct {
	mu   sync.Mutex
	size int64
	more chan struct{} // closed when size grows; nil while nobody waits
}

// Set publishes a size that is not below the last one.
func (g *Growth) Set(size int64) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.size = size
	if g.more != nil {
		close(g.more)
		g.more = nil
	}
}

// Wait returns when the log has more than size entries, with its size, or with
// the error of ctx when that ends first.
func (g *Growth) Wait(ctx context.Context, size int64) (int64, error) {
	for {
		g.mu.Lock()
		now := g.size
		if now > size {
			g.mu.Unlock()
			return now, nil
		}
		if g.more == nil {
			g.more = make(chan struct{})
		}
		more := g.more
		g.mu.Unlock()
		select {
		case <-more:
		case <-ctx.Done():
			return now, ctx.Err()
		}
	}
}
