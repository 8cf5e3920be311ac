package postgres

import (
	"errors"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"vigil/internal/store"
)

// metrics is what the store counts. All of it works without a registry.
type metrics struct {
	events   *prometheus.CounterVec
	perTable []prometheus.Counter // by number of the table
	commits  prometheus.Counter
	failed   prometheus.Counter
	seconds  prometheus.Histogram
	group    prometheus.Histogram
	queue    prometheus.Gauge
	stray    prometheus.Gauge
	unmade   prometheus.Gauge

	registered []prometheus.Collector
}

func newMetrics(r prometheus.Registerer, tables []*store.Table) (*metrics, error) {
	opts := func(name, help string) prometheus.Opts {
		return prometheus.Opts{Namespace: "vigil", Subsystem: "store", Name: name, Help: help}
	}
	histogram := func(name, help string, buckets []float64) prometheus.Histogram {
		return prometheus.NewHistogram(prometheus.HistogramOpts{Namespace: "vigil", Subsystem: "store", Name: name, Help: help, Buckets: buckets})
	}
	m := &metrics{
		events:  prometheus.NewCounterVec(prometheus.CounterOpts(opts("events_total", "Events stored, by table.")), []string{"table"}),
		commits: prometheus.NewCounter(prometheus.CounterOpts(opts("commits_total", "Commits that are on stable storage."))),
		failed:  prometheus.NewCounter(prometheus.CounterOpts(opts("commits_failed_total", "Commits that could not be written."))),
		seconds: histogram("commit_seconds", "Time to write and sync a commit.", prometheus.ExponentialBuckets(0.0001, 2, 16)),
		group:   histogram("commit_events", "Events in a commit.", prometheus.ExponentialBuckets(1, 4, 9)),
		queue:   prometheus.NewGauge(prometheus.GaugeOpts(opts("queue_length", "Requests that wait for a commit."))),
		stray: prometheus.NewGauge(prometheus.GaugeOpts(opts("default_partition_tables",
			"Tables with events in their default partition, where no partition is for their month."))),
		unmade: prometheus.NewGauge(prometheus.GaugeOpts(opts("partitions_missing", "Partitions of this and the next three months that could not be made."))),
	}
	for _, t := range tables {
		m.perTable = append(m.perTable, m.events.WithLabelValues(t.Name))
	}
	if r == nil {
		return m, nil
	}
	var errs []error
	for _, c := range []prometheus.Collector{m.events, m.commits, m.failed, m.seconds, m.group, m.queue, m.stray, m.unmade} {
		err := r.Register(c)
		if err == nil {
			m.registered = append(m.registered, c)
		}
		errs = append(errs, err)
	}
	return m, errors.Join(errs...)
}

// unregister makes room for the metrics of the next store that is opened.
func (m *metrics) unregister(r prometheus.Registerer) {
	for _, c := range m.registered {
		r.Unregister(c)
	}
}

// commit counts a group that was stored.
func (m *metrics) commit(s *Store, n int64, took time.Duration) {
	m.commits.Inc()
	m.seconds.Observe(took.Seconds())
	m.group.Observe(float64(n))
	for i, c := range m.perTable {
		if d := s.seq.rows[i] - s.seq.begun[i]; d > 0 {
			c.Add(float64(d))
		}
	}
}
