package ledger

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// PublisherConfig is what a [Publisher] is made of.
type PublisherConfig struct {
	Log    *Log
	Signer *Signer
	Guard  *Guard // nil: none is kept
	// StoreID and Epoch say whose log this is.
	StoreID string
	Epoch   int
	// LastIDs returns the last stable id of each table; nil: none are guarded.
	// The map is the publisher's.
	LastIDs func() map[string]int64
	Outputs []Output
	Every   time.Duration         // how often the log is looked at; 0 is a second
	Now     func() time.Time      // nil is time.Now
	Logger  *slog.Logger          // nil discards
	Metrics prometheus.Registerer // nil registers nothing
}

// Publisher signs the log when it has grown. A checkpoint is remembered by the
// guard before anybody sees it, so that no crash can make two histories public.
type Publisher struct {
	c       PublisherConfig
	outputs []*outbox
	failed  prometheus.Counter
	size    prometheus.Gauge
	signed  prometheus.Gauge

	mu   sync.Mutex
	last Checkpoint // Size 0: none in this epoch
}

// NewPublisher returns a publisher that goes on from what the guard remembers:
// it fails with a [*RollbackError] if the store is older than that, or has
// forked. The remembered checkpoint is made the log's.
func NewPublisher(c PublisherConfig) (*Publisher, error) {
	if c.Every <= 0 {
		c.Every = time.Second
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.LastIDs == nil {
		c.LastIDs = func() map[string]int64 { return nil }
	}
	p := &Publisher{c: c}
	failures, err := p.register()
	if err != nil {
		return nil, err
	}
	for _, o := range c.Outputs {
		p.outputs = append(p.outputs, &outbox{
			output: o, log: c.Logger, failures: failures.WithLabelValues(o.String()),
			wake: make(chan struct{}, 1),
		})
	}
	if c.Guard == nil {
		return p, nil
	}
	s, err := c.Guard.loadFor(c.StoreID, c.Log, c.Epoch, c.LastIDs())
	if err != nil {
		return nil, fmt.Errorf("start publisher: %w", err)
	}
	if s != nil {
		p.last = Checkpoint{Origin: c.Log.Origin(), Size: s.Size, Root: s.Root}
		p.resume(s.Checkpoint)
	}
	return p, nil
}

// resume shows the remembered checkpoint again. It may be of another origin,
// when that was configured anew; then the next one is signed at once.
func (p *Publisher) resume(checkpoint []byte) {
	if _, err := OpenCheckpoint(checkpoint, p.c.Signer.Verifier()); err != nil || p.c.Log.SetCheckpoint(checkpoint) != nil {
		return
	}
	p.size.Set(float64(p.last.Size))
	for _, o := range p.outputs {
		o.offer(checkpoint)
	}
}

func (p *Publisher) register() (*prometheus.CounterVec, error) {
	p.failed = prometheus.NewCounter(prometheus.CounterOpts{
		Name: "vigil_checkpoint_failures_total", Help: "Checkpoints that could not be signed or guarded.",
	})
	p.size = prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "vigil_checkpoint_size", Help: "Entries that the latest checkpoint covers.",
	})
	p.signed = prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "vigil_checkpoint_timestamp_seconds", Help: "When the latest checkpoint was signed.",
	})
	failures := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "vigil_checkpoint_output_failures_total", Help: "Checkpoints that an output did not take.",
	}, []string{"output"})
	if p.c.Metrics == nil {
		return failures, nil
	}
	for _, c := range []prometheus.Collector{p.failed, p.size, p.signed, failures} {
		if err := p.c.Metrics.Register(c); err != nil {
			return nil, fmt.Errorf("register checkpoint metrics: %w", err)
		}
	}
	return failures, nil
}

// Run publishes until ctx ends, and once more then, so that everything which
// was acknowledged is signed. A failure is logged and counted, and tried again
// at the next turn; Run itself returns nil.
func (p *Publisher) Run(ctx context.Context) error {
	var wg sync.WaitGroup
	stop := make(chan struct{})
	outputs, cancel := context.WithCancel(context.WithoutCancel(ctx))
	for _, o := range p.outputs {
		wg.Go(func() { o.run(outputs, stop) })
	}
	defer func() {
		close(stop)
		timer := time.AfterFunc(lastAttempt, cancel)
		wg.Wait()
		timer.Stop()
		cancel()
	}()
	ticker := time.NewTicker(p.c.Every)
	defer ticker.Stop()
	for failing := false; ; {
		err := p.Now(ctx)
		if err != nil && !failing {
			p.c.Logger.ErrorContext(ctx, "cannot publish a checkpoint", "error", err)
		} else if err == nil && failing {
			p.c.Logger.InfoContext(ctx, "checkpoints are published again")
		}
		failing = err != nil
		select {
		case <-ticker.C:
		case <-ctx.Done():
			if err := p.Now(context.WithoutCancel(ctx)); err != nil {
				p.c.Logger.Error("cannot publish the last checkpoint", "error", err)
			}
			return nil
		}
	}
}

// Now publishes a checkpoint if the log has grown since the last one. When it
// returns nil, everything that was published in the log before is covered.
func (p *Publisher) Now(ctx context.Context) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	size, root := p.c.Log.Published()
	if _, shown := p.c.Log.Signed(); size == 0 || size == p.last.Size && shown {
		return nil
	}
	if err := p.publish(size, root); err != nil {
		p.failed.Inc()
		return fmt.Errorf("publish checkpoint: %w", err)
	}
	return nil
}

// publish signs and shows a checkpoint. The order is what makes it safe:
// sign, guard, show, hand out.
func (p *Publisher) publish(size int64, root Hash) error {
	if err := p.extends(size); err != nil {
		return err
	}
	checkpoint, err := p.c.Signer.Sign(p.c.Log.Origin(), size, root)
	if err != nil {
		return err
	}
	now := p.c.Now()
	if p.c.Guard != nil {
		if err := p.c.Guard.Save(GuardState{
			StoreID: p.c.StoreID, Epoch: p.c.Epoch, Size: size, Root: root,
			LastIDs: p.c.LastIDs(), Checkpoint: checkpoint, Saved: now.UTC(),
		}); err != nil {
			return err
		}
	}
	p.last = Checkpoint{Origin: p.c.Log.Origin(), Size: size, Root: root}
	if err := p.c.Log.SetCheckpoint(checkpoint); err != nil {
		return err
	}
	p.size.Set(float64(size))
	p.signed.Set(float64(now.UnixMilli()) / 1000)
	for _, o := range p.outputs {
		o.offer(checkpoint)
	}
	return nil
}

// ErrForked says that the log does not extend what was signed of it.
var ErrForked = errors.New("the log does not extend its last checkpoint: its tiles are damaged or were changed, run vigil verify")

// extends makes sure that nothing is signed which contradicts the last checkpoint.
func (p *Publisher) extends(size int64) error {
	if p.last.Size == 0 {
		return nil
	}
	if size < p.last.Size {
		return p.c.Log.damaged(ErrForked)
	}
	root, err := p.c.Log.RootAt(p.last.Size)
	if err != nil {
		return err
	}
	if root != p.last.Root {
		return p.c.Log.damaged(ErrForked)
	}
	return nil
}

// outbox brings the newest checkpoint to one output.
type outbox struct {
	output   Output
	log      *slog.Logger
	failures prometheus.Counter
	wake     chan struct{}

	mu     sync.Mutex
	newest []byte // nil: handed over
}

// The waits between attempts double from the first to the last. At the end an
// attempt has no longer than lastAttempt.
const (
	firstWait   = time.Second
	lastWait    = time.Minute
	lastAttempt = 2 * time.Second
)

// offer makes a checkpoint the one to be handed over. It does not wait.
func (o *outbox) offer(checkpoint []byte) {
	o.mu.Lock()
	o.newest = checkpoint
	o.mu.Unlock()
	select {
	case o.wake <- struct{}{}:
	default:
	}
}

// run hands over what is offered until stop is closed, then makes one last attempt.
func (o *outbox) run(ctx context.Context, stop <-chan struct{}) {
	for {
		select {
		case <-o.wake:
		case <-stop:
			o.put(ctx)
			return
		}
		for wait := firstWait; !o.put(ctx); wait = min(2*wait, lastWait) {
			timer := time.NewTimer(wait)
			select {
			case <-timer.C:
			case <-stop:
				timer.Stop()
				o.put(ctx)
				return
			}
		}
	}
}

// put hands over the newest checkpoint, if there is one, and reports whether
// that went well.
func (o *outbox) put(ctx context.Context) bool {
	o.mu.Lock()
	checkpoint := o.newest
	o.mu.Unlock()
	if checkpoint == nil {
		return true
	}
	if err := o.output.Put(ctx, checkpoint); err != nil {
		o.failures.Inc()
		o.log.Warn("cannot hand over a checkpoint", "output", o.output.String(), "error", err)
		return false
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if &o.newest[0] == &checkpoint[0] {
		o.newest = nil
	}
	return true
}
