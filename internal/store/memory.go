package store

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"iter"
	"slices"
	"sort"
	"sync"
	"time"

	"vigil"
	"vigil/internal/ledger"
	"vigil/internal/query"
)

// Memory is the store that keeps everything in memory: slices, and queries
// evaluated over them one row after the other. It is meant to be obviously right.
type Memory struct {
	*Reader
	now     func() time.Time
	mapping vigil.Mapping
	log     *ledger.Log
	growth  Growth

	mu     sync.RWMutex
	closed bool
	seq    Sequence
	rows   [][]*Row // of each table, by id
	all    []*Row   // in the log's order
	byUID  map[vigil.UID]*Row
	leaf   []byte
}

var _ Store = (*Memory)(nil)

// NewMemory returns an empty memory store.
func NewMemory(c Config) (*Memory, error) {
	cat, err := NewCatalog(c)
	if err != nil {
		return nil, fmt.Errorf("open memory store: %w", err)
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	var id [16]byte
	rand.Read(id[:])
	m := &Memory{
		now:     c.Now,
		mapping: c.Mapping,
		log:     ledger.NewLog(Origin(c, id, 1), new(ledger.MemoryTiles)),
		seq:     Sequence{Epoch: 1, Last: make([]int64, len(cat.Tables()))},
		rows:    make([][]*Row, len(cat.Tables())),
		byUID:   map[vigil.UID]*Row{},
	}
	m.Reader = &Reader{
		Catalog: cat,
		Now:     c.Now,
		Source:  func(t *Table) query.Source { return memorySource{m, t.Number} },
		Size:    func(t *Table) int64 { return int64(len(m.snapshot(t.Number))) },
	}
	return m, nil
}

// Origin returns the log's name: what c gives, else one made of the store's id.
// Each epoch after the first has a name of its own, so that a checkpoint of one
// is never taken for another's.
func Origin(c Config, id [16]byte, epoch int) string {
	origin := c.Origin
	if origin == "" {
		origin = "vigil/" + hex.EncodeToString(id[:])
	}
	if epoch > 1 {
		origin = fmt.Sprintf("%s/e%d", origin, epoch)
	}
	return origin
}

// Write implements [vigil.Writer].
func (m *Memory) Write(ctx context.Context, events []*vigil.Event) error {
	_, err := m.Append(ctx, &Batch{Events: events})
	return err
}

// Append implements [Store].
func (m *Memory) Append(ctx context.Context, b *Batch) (Receipt, error) {
	p, err := Prepare(m.Catalog, b)
	if err != nil {
		return Receipt{}, err
	}
	if err := ctx.Err(); err != nil {
		return Receipt{}, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.append(p)
}

// append stores what Prepare made. The caller holds mu.
func (m *Memory) append(p *Prepared) (Receipt, error) {
	if m.closed {
		return Receipt{}, ErrClosed()
	}
	m.seq.Begin()
	r, err := m.seq.Assign(p, m.now())
	if err != nil || r.Replayed {
		return r, err
	}
	m.leaf = p.AppendLeaves(m.log, m.leaf)
	for i := range p.Items {
		row := &Row{Mapping: m.mapping}
		p.Row(i, row)
		t := p.Items[i].Table.Number
		m.rows[t] = append(m.rows[t], row)
		m.all = append(m.all, row)
		m.byUID[row.Stored.UID] = row
	}
	p.Fill()
	m.log.Publish(m.seq.Next)
	m.growth.Set(m.seq.Next)
	return r, nil
}

// ErrClosed is what a store that has been closed answers.
func ErrClosed() error {
	return &vigil.Error{Kind: vigil.Unavailable, Message: "the store is being closed", RetryAfter: time.Second}
}

// snapshot returns the rows of a table as they are now. Slices only grow, or are
// replaced, so what it returns does not change.
func (m *Memory) snapshot(table int) []*Row {
	m.mu.RLock()
	defer m.mu.RUnlock()
	return m.rows[table]
}

// Entries implements [Store].
func (m *Memory) Entries(ctx context.Context, from int64) iter.Seq2[*vigil.Event, error] {
	m.mu.RLock()
	all := m.all
	m.mu.RUnlock()
	return func(yield func(*vigil.Event, error) bool) {
		for i := max(from, 0); i < int64(len(all)); i++ {
			if err := ctx.Err(); err != nil {
				yield(nil, err)
				return
			}
			e, err := all[i].Event()
			if !yield(e, err) || err != nil {
				return
			}
		}
	}
}

// ByUID implements [Store].
func (m *Memory) ByUID(_ context.Context, uid vigil.UID) (*vigil.Event, error) {
	m.mu.RLock()
	row := m.byUID[uid]
	m.mu.RUnlock()
	if row == nil {
		return nil, ErrNoUID()
	}
	e, err := row.Event()
	if err == nil && e.Erased {
		err = ErrErased(e)
	}
	if err != nil {
		return nil, err
	}
	return e, nil
}

// ErrNoUID is what ByUID answers where there is no such event.
func ErrNoUID() error { return vigil.Errorf(vigil.NotFound, "there is no event with this uid") }

// Schemas implements [Store].
func (m *Memory) Schemas() []*query.Schema { return m.Catalog.Schemas() }

// Log implements [Store].
func (m *Memory) Log() *ledger.Log { return m.log }

// Wait implements [Store].
func (m *Memory) Wait(ctx context.Context, size int64) (int64, error) {
	return m.growth.Wait(ctx, size)
}

// Err implements [Store].
func (m *Memory) Err() error {
	m.mu.RLock()
	defer m.mu.RUnlock()
	if m.closed {
		return ErrClosed()
	}
	return nil
}

// Close implements [Store]. What was in the store is still there to be read.
func (m *Memory) Close() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.closed = true
	return nil
}

// memorySource is one table of a Memory.
type memorySource struct {
	m     *Memory
	table int
}

// Scan implements [query.Source].
func (s memorySource) Scan(ctx context.Context, r query.Range, match func(query.Row) (bool, error)) iter.Seq2[query.Row, error] {
	rows := s.m.snapshot(s.table)
	from := sort.Search(len(rows), func(i int) bool { return rows[i].Stored.ID >= r.From })
	to := from + sort.Search(len(rows)-from, func(i int) bool { return rows[from+i].Stored.ID > r.To })
	rows = rows[from:to]
	ordered := slices.All(rows)
	if r.Desc {
		ordered = slices.Backward(rows)
	}
	return func(yield func(query.Row, error) bool) {
		for _, stored := range ordered {
			if err := ctx.Err(); err != nil {
				yield(nil, err)
				return
			}
			row := *stored // scans share the stored row, which must not learn its facts
			ok, err := match(&row)
			if err != nil {
				yield(nil, err)
				return
			}
			if ok && !yield(&row, nil) {
				return
			}
		}
	}
}

// Fetch implements [query.Source].
func (s memorySource) Fetch(ctx context.Context, ids []int64) iter.Seq2[query.Row, error] {
	rows := s.m.snapshot(s.table)
	return func(yield func(query.Row, error) bool) {
		for _, id := range ids {
			if err := ctx.Err(); err != nil {
				yield(nil, err)
				return
			}
			i := sort.Search(len(rows), func(i int) bool { return rows[i].Stored.ID >= id })
			if i == len(rows) || rows[i].Stored.ID != id {
				continue
			}
			row := *rows[i]
			if !yield(&row, nil) {
				return
			}
		}
	}
}
