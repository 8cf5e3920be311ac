package sink

import (
	"errors"

	"github.com/prometheus/client_golang/prometheus"
)

// metrics are the numbers of one follower. The lag in events is
// vigil_sink_log_size - vigil_sink_next.
type metrics struct {
	size, next, received, failing prometheus.Gauge
	events, failures              prometheus.Counter
}

// newMetrics registers the numbers of the sink called name; a nil Registerer
// keeps them to itself.
func newMetrics(r prometheus.Registerer, name string) (metrics, error) {
	labels := prometheus.Labels{"sink": name}
	gauge := func(metric, help string) prometheus.Gauge {
		return prometheus.NewGauge(prometheus.GaugeOpts{Name: "vigil_sink_" + metric, Help: help, ConstLabels: labels})
	}
	counter := func(metric, help string) prometheus.Counter {
		return prometheus.NewCounter(prometheus.CounterOpts{Name: "vigil_sink_" + metric, Help: help, ConstLabels: labels})
	}
	m := metrics{
		size:     gauge("log_size", "Entries of the log that the sink follows, as last seen."),
		next:     gauge("next", "Place in the log of the event that the sink gets next."),
		received: gauge("last_received_seconds", "When the last event that the sink took was received, in seconds since 1970."),
		failing:  gauge("failing", "1 while the sink takes no events."),
		events:   counter("events_total", "Events that the sink took."),
		failures: counter("failures_total", "Attempts that failed."),
	}
	if r == nil {
		return m, nil
	}
	var err error
	for _, c := range []prometheus.Collector{m.size, m.next, m.received, m.failing, m.events, m.failures} {
		err = errors.Join(err, r.Register(c))
	}
	return m, err
}
