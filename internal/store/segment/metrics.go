package segment

import (
	"errors"
	"syscall"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"vigil/internal/store"
)

// metrics is what the store counts. All of it works without a registry.
type metrics struct {
	events   *prometheus.CounterVec
	perTable []prometheus.Counter // by number of the table
	bytes    prometheus.Counter
	commits  prometheus.Counter
	failed   prometheus.Counter
	seconds  prometheus.Histogram
	sync     prometheus.Histogram
	group    prometheus.Histogram
	seal     prometheus.Histogram
	queue    prometheus.Gauge
	head     prometheus.Gauge
	segments prometheus.Gauge
	refused  prometheus.Gauge
	merges   prometheus.Counter
	damage   prometheus.Counter

	registered []prometheus.Collector
}

func newMetrics(r prometheus.Registerer, tables []*store.Table, dir string) (*metrics, error) {
	gauge := func(name, help string) prometheus.Gauge {
		return prometheus.NewGauge(prometheus.GaugeOpts{Namespace: "vigil", Subsystem: "store", Name: name, Help: help})
	}
	counter := func(name, help string) prometheus.Counter {
		return prometheus.NewCounter(prometheus.CounterOpts{Namespace: "vigil", Subsystem: "store", Name: name, Help: help})
	}
	histogram := func(name, help string, buckets []float64) prometheus.Histogram {
		return prometheus.NewHistogram(prometheus.HistogramOpts{Namespace: "vigil", Subsystem: "store", Name: name, Help: help, Buckets: buckets})
	}
	m := &metrics{
		events: prometheus.NewCounterVec(prometheus.CounterOpts{
			Namespace: "vigil", Subsystem: "store", Name: "events_total", Help: "Events stored, by table.",
		}, []string{"table"}),
		bytes:    counter("journal_bytes_total", "Bytes of commits written to the journal."),
		commits:  counter("commits_total", "Commits that are on stable storage."),
		failed:   counter("commits_failed_total", "Commits that could not be written."),
		seconds:  histogram("commit_seconds", "Time to write and sync a commit.", prometheus.ExponentialBuckets(0.0001, 2, 16)),
		sync:     histogram("fsync_seconds", "Time to sync a commit that has been written.", prometheus.ExponentialBuckets(0.0001, 2, 16)),
		group:    histogram("commit_events", "Events in a commit.", prometheus.ExponentialBuckets(1, 4, 9)),
		seal:     histogram("seal_seconds", "Time to make segments of a head.", prometheus.ExponentialBuckets(0.01, 2, 12)),
		merges:   counter("merges_total", "Times that small segments were made one."),
		damage:   counter("damage_total", "Reads that met a damaged file."),
		queue:    gauge("queue_length", "Requests that wait for a commit."),
		head:     gauge("head_bytes", "Bytes of the head that takes events."),
		segments: gauge("segments", "Segment files."),
		refused:  gauge("refused_events", "Events refused since the disk became full; 0 when it is not."),
	}
	for _, t := range tables {
		m.perTable = append(m.perTable, m.events.WithLabelValues(t.Name))
	}
	free := prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Namespace: "vigil", Subsystem: "store", Name: "disk_free_bytes", Help: "Bytes that may still be written to the store's file system.",
	}, func() float64 { return freeBytes(dir) })
	return m, m.register(r, m.events, m.bytes, m.commits, m.failed, m.seconds, m.sync, m.group, m.seal,
		m.queue, m.head, m.segments, m.refused, m.merges, m.damage, free)
}

func (m *metrics) register(r prometheus.Registerer, all ...prometheus.Collector) error {
	if r == nil {
		return nil
	}
	var errs []error
	for _, c := range all {
		err := r.Register(c)
		if err == nil {
			m.registered = append(m.registered, c)
		}
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// unregister makes room for the metrics of the next store that is opened.
func (m *metrics) unregister(r prometheus.Registerer) {
	for _, c := range m.registered {
		r.Unregister(c)
	}
}

func (m *metrics) commit(events []eventAt, bytes int, took, sync time.Duration) {
	m.commits.Inc()
	m.bytes.Add(float64(bytes))
	m.seconds.Observe(took.Seconds())
	m.sync.Observe(sync.Seconds())
	m.group.Observe(float64(len(events)))
	m.refused.Set(0)
	for i := 0; i < len(events); { // runs of one table are the rule
		j := i
		for j < len(events) && events[j].table == events[i].table {
			j++
		}
		m.perTable[events[i].table].Add(float64(j - i))
		i = j
	}
}

// reserve is what must be free before a disk that was full counts as having
// space again, or a twentieth of a small one: what is left in the journal takes
// small events also on a full disk.
const reserve = 16 << 20

// roomy reports whether the file system of dir has the reserve free. One that
// does not tell is believed to.
func roomy(dir string) bool {
	var st syscall.Statfs_t
	if err := syscall.Statfs(dir, &st); err != nil {
		return true
	}
	size := int64(st.Bsize)
	return int64(st.Bavail)*size >= min(reserve, int64(st.Blocks)*size/20)
}

func freeBytes(dir string) float64 {
	var st syscall.Statfs_t
	if err := syscall.Statfs(dir, &st); err != nil {
		return -1
	}
	return float64(st.Bavail) * float64(st.Bsize)
}
