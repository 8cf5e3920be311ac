package server

import (
	"context"
	"sync"

	"github.com/prometheus/client_golang/prometheus"

	"vigil"
	"vigil/internal/store"
)

// maxSources bounds the label source of a metric: the first so many sources have
// a name there, the rest are other.
const maxSources = 100

// IncompleteConfig is what [CountIncomplete] needs.
type IncompleteConfig struct {
	// Missing returns the required elements that a document lacks, Source what
	// reported it. Both may be called by many goroutines at once.
	Missing func(doc []byte) []string
	Source  func(doc []byte) string
	Metrics prometheus.Registerer
}

// CountIncomplete returns s, counting by source the documents of the table
// events that lack an element which logserver's schema requires. They are taken
// all the same; the count tells whom to ask.
func CountIncomplete(s store.Store, c IncompleteConfig) store.Store {
	i := &incomplete{Store: s, cfg: c, sources: map[string]bool{}, events: prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "vigil_events_incomplete_total", Help: "Events taken without an element that logserver's schema requires, by source and element.",
	}, []string{"source", "element"})}
	if c.Metrics != nil {
		c.Metrics.MustRegister(i.events)
	}
	return i
}

type incomplete struct {
	store.Store
	cfg    IncompleteConfig
	events *prometheus.CounterVec

	mu      sync.Mutex
	sources map[string]bool
}

// Write implements [vigil.Writer].
func (i *incomplete) Write(ctx context.Context, events []*vigil.Event) error {
	_, err := i.Append(ctx, &store.Batch{Events: events})
	return err
}

// Append implements [store.Store].
func (i *incomplete) Append(ctx context.Context, b *store.Batch) (store.Receipt, error) {
	receipt, err := i.Store.Append(ctx, b)
	if err != nil || receipt.Replayed {
		return receipt, err
	}
	for _, e := range b.Events {
		if e.Table != vigil.TableEvents || e.Format != vigil.FormatLogserver {
			continue
		}
		if missing := i.cfg.Missing(e.Doc); len(missing) > 0 {
			source := i.label(i.cfg.Source(e.Doc))
			for _, element := range missing {
				i.events.WithLabelValues(source, element).Inc()
			}
		}
	}
	return receipt, nil
}

// label bounds how many sources there are, and how long their names.
func (i *incomplete) label(source string) string {
	if len(source) > 64 {
		return "other"
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	if !i.sources[source] {
		if len(i.sources) >= maxSources {
			return "other"
		}
		i.sources[source] = true
	}
	return source
}
