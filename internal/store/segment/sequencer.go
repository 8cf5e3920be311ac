package segment

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"vigil"
	"vigil/internal/journal"
	"vigil/internal/store"
)

// chunkBytes is the usual size of a head's buffers. Frames are built in them
// and stay there until the head is sealed.
const chunkBytes = 4 << 20

// sequencer is what belongs to the goroutine that gives places in the log.
type sequencer struct {
	store.Sequence
	chunk  []byte // of the active head; frames are built at used
	used   int
	stage  staged
	leaf   []byte
	taken  []*request
	purged time.Time // when expired keys were last looked for

	refused int64 // events since the disk is full
}

var requests = sync.Pool{New: func() any { return &request{done: make(chan struct{}, 1)} }}

// Write implements [vigil.Writer].
func (s *Store) Write(ctx context.Context, events []*vigil.Event) error {
	_, err := s.Append(ctx, &store.Batch{Events: events})
	return err
}

// Append implements [store.Store].
func (s *Store) Append(ctx context.Context, b *store.Batch) (store.Receipt, error) {
	p, err := store.Prepare(s.Catalog, b)
	if err != nil {
		return store.Receipt{}, err
	}
	if err := ctx.Err(); err != nil {
		return store.Receipt{}, err
	}
	return s.submit(ctx, p)
}

// submit has a prepared batch committed, and answers as Append does.
func (s *Store) submit(ctx context.Context, p *store.Prepared) (store.Receipt, error) {
	r := requests.Get().(*request)
	r.p, r.receipt, r.err = p, store.Receipt{}, nil
	r.state.Store(waiting)
	if err := s.queue.put(r); err != nil {
		return store.Receipt{}, err
	}
	err := r.wait(ctx)
	if r.state.Load() == cancelled {
		return store.Receipt{}, err // the queue still holds r
	}
	receipt := r.receipt
	r.p = nil
	requests.Put(r)
	if err != nil {
		return store.Receipt{}, err
	}
	if !receipt.Replayed {
		p.Fill()
	}
	return receipt, nil
}

// sequence serves the queue until it is closed and empty.
func (s *Store) sequence() {
	var group []*request
	for {
		var open bool
		if group, open = s.queue.take(group, groupBytes); !open {
			return
		}
		if len(group) == 0 {
			s.freezeIfDue()
			continue
		}
		s.metrics.queue.Set(float64(s.queue.len()))
		s.commit(group)
		clear(group)
		s.freezeIfDue()
	}
}

// commit gives every request of a group its place, writes them in one frame,
// shows them to readers, and answers.
func (s *Store) commit(group []*request) {
	err := s.room(group)
	before, now := s.seq.Next, s.cfg.Now()
	if err == nil {
		s.seq.Begin()
		s.seq.taken = s.seq.taken[:0]
		for _, r := range group {
			r.receipt, r.err = s.seq.Assign(r.p, now)
			if r.err == nil && !r.receipt.Replayed {
				s.seq.taken = append(s.seq.taken, r)
			}
		}
		if len(s.seq.taken) > 0 {
			err = s.write(s.seq.taken, before)
		}
	}
	for _, r := range group {
		// A replay of what was stable before is true whatever became of this group.
		if err != nil && (!r.receipt.Replayed || r.receipt.First >= before || r.err != nil) {
			r.receipt, r.err = store.Receipt{}, err
		}
		r.answer()
	}
}

// write writes the frame of a group, and makes it visible once it is stable.
// With an error nothing of the group has happened.
func (s *Store) write(group []*request, before int64) error {
	frame := s.encode(group, before)
	start := time.Now()
	_, err := s.journal.Write(frame)
	written := time.Now()
	if err == nil {
		err = s.journal.Sync()
	}
	if err != nil {
		return s.failedCommit(group, before, err)
	}
	s.metrics.commit(s.seq.stage.events, len(frame), time.Since(start), time.Since(written))
	s.seq.used += len(frame)
	s.show(&s.seq.stage)
	if n := s.seq.refused; n > 0 && roomy(s.opts.Dir) {
		s.seq.refused = 0
		s.full.Store(nil)
		s.log.Info("the disk has space again", "refused_events", n)
		if s.opts.OnResume != nil {
			go s.opts.OnResume(n)
		}
	}
	return nil
}

// encode builds the frame of a group at the end of the chunk, and appends its
// leaves to the log.
func (s *Store) encode(group []*request, before int64) []byte {
	q := &s.seq
	if n := frameBound(group); n > len(q.chunk)-q.used {
		q.chunk, q.used = make([]byte, max(n, chunkBytes)), 0
	}
	st := &q.stage
	st.chunk, st.events, st.keys = q.chunk, st.events[:0], st.keys[:0]
	for _, r := range group {
		if r.p.Batch.Key != nil {
			st.keys = append(st.keys, r.p.Seen())
		}
	}
	st.head = frameHead{
		epoch: q.Epoch, first: before, received: group[0].p.Received.UnixMicro(),
		count: int(q.Next - before), keys: len(st.keys),
	}
	frame := st.head.append(q.chunk[q.used:q.used])
	for _, k := range st.keys {
		frame = appendKey(frame, k)
	}
	var enc encoder
	for _, r := range group {
		for i := range r.p.Items {
			var at int
			frame, at = enc.event(frame, r.p, i)
			it := &r.p.Items[i]
			st.events = append(st.events, eventAt{id: it.ID, off: uint32(q.used + at), table: uint16(it.Table.Number)})
		}
		q.leaf = r.p.AppendLeaves(s.tree, q.leaf)
	}
	_, st.head.root = s.tree.Head()
	setRoot(frame, st.head.root)
	st.bytes = len(frame)
	return frame
}

// failedCommit takes back a group whose frame could not be written. A full disk
// passes; after anything else it is unknown what the disk holds, so the store
// stops for good: the next start finds out from the journal.
func (s *Store) failedCommit(group []*request, before int64, err error) error {
	s.metrics.failed.Inc()
	s.seq.Rollback()
	if terr := s.tree.Truncate(before); terr != nil {
		return s.fail(fmt.Errorf("take back a commit: %w", terr))
	}
	if !journal.IsFull(err) {
		return s.fail(fmt.Errorf("write journal: %w", err))
	}
	return s.refuseFull(group, err)
}

// refuseFull counts the events that a full disk turned away.
func (s *Store) refuseFull(group []*request, cause error) error {
	if s.seq.refused == 0 {
		s.log.Error("the disk is full: events are refused, reading goes on", "err", cause)
	}
	for _, r := range group {
		s.seq.refused += int64(len(r.p.Items))
	}
	s.metrics.refused.Set(float64(s.seq.refused))
	var err error = &vigil.Error{
		Kind: vigil.Full, Message: "the disk is full, nothing of this request was stored",
		Hint: "Writing resumes by itself when there is space.", RetryAfter: 10 * time.Second, Err: cause,
	}
	s.full.Store(&err)
	return err
}

// show adds a stable commit to the active head, publishes the log's new size,
// and wakes those who wait for it.
func (s *Store) show(st *staged) {
	s.mu.Lock()
	s.active.add(st)
	for _, e := range st.events {
		s.counts[e.table]++
		s.last[e.table] = e.id
	}
	size := s.active.size()
	s.mu.Unlock()
	s.tree.Publish(size)
	s.growth.Set(size)
	s.metrics.head.Set(float64(s.active.bytes))
}

// room waits until the active head can take a commit: a full one has to be
// frozen first, and that waits while too many others are being sealed.
func (s *Store) room(group []*request) error {
	for {
		if err := s.failed(); err != nil {
			return err
		}
		if s.active.bytes < s.opts.HeadBytes || s.freeze() {
			return nil
		}
		if err := s.sealBlocked(); err != nil {
			return s.refuseFull(group, err)
		}
		select {
		case <-s.sealed:
		case <-s.stop:
			return store.ErrClosed()
		}
	}
}

// freezeIfDue hands a full head to the sealer as soon as it may, or one that is
// to be cut.
func (s *Store) freezeIfDue() {
	if s.active.bytes >= s.opts.HeadBytes || s.cutAsked.Load() != nil {
		s.freeze()
	}
}

// begin begins the new file of the journal that a cut asks for.
func (s *Store) begin(c *cut) {
	if c.err = s.journal.Rotate(); c.err != nil && !journal.IsFull(c.err) {
		c.err = s.fail(fmt.Errorf("begin a new file of the journal: %w", c.err))
	}
	c.at = s.journal.End()
	// Before the head is frozen: whoever has sealed it knows that the cut is made.
	close(c.done)
}

func (s *Store) frozenFull() bool {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return len(s.frozen) >= maxFrozen
}

// freeze begins a new head, and reports whether it could.
func (s *Store) freeze() bool {
	if s.frozenFull() {
		return false
	}
	if c := s.cutAsked.Swap(nil); c != nil {
		s.begin(c)
	}
	size, root := s.tree.Head()
	end := headEnd{
		size: size, root: root, state: s.tree.State(),
		last: slices.Clone(s.seq.Last), epoch: s.seq.Epoch, journal: s.journal.End(),
	}
	s.freezeAt(end)
	if now := s.cfg.Now(); now.Sub(s.seq.purged).Abs() > time.Hour {
		s.seq.Keys.Purge(now)
		s.seq.purged = now
	}
	return true
}

// freezeAt makes the active head a frozen one that ends as given.
func (s *Store) freezeAt(end headEnd) {
	s.mu.Lock()
	s.active.end = end
	s.frozen, s.froze = append(s.frozen, s.active), time.Now()
	s.active = newHead(end.size, len(s.Catalog.Tables()))
	s.mu.Unlock()
	s.seq.chunk, s.seq.used = nil, 0
	select {
	case s.toSeal <- struct{}{}:
	default:
	}
}
