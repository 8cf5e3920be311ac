package spool

import (
	"fmt"

	"github.com/prometheus/client_golang/prometheus"
)

// register offers the metrics until Close.
func (s *Spool) register() error {
	if s.c.Metrics == nil {
		return nil
	}
	for _, m := range []struct {
		counter    bool
		name, help string
		value      func(Status) float64
	}{
		{false, "waiting_bytes", "Bytes on disk that the destination has not taken yet.", func(st Status) float64 { return float64(st.Waiting) }},
		{false, "begun_records", "Requests under way.", func(st Status) float64 { return float64(st.Begun) }},
		{false, "volumes", "Journals on disk.", func(st Status) float64 { return float64(st.Volumes) }},
		{false, "failing_seconds", "How long the destination has taken nothing; 0 while it does.", s.failingSeconds},
		{true, "sent_events_total", "Events that the destination has taken.", func(st Status) float64 { return float64(st.Events) }},
		{true, "sent_batches_total", "Batches that the destination has taken.", func(st Status) float64 { return float64(st.Batches) }},
		{true, "retries_total", "Attempts to send that failed.", func(st Status) float64 { return float64(st.Retries) }},
		{true, "refused_events_total", "Events that the destination refused for good; they went to quarantine.", func(st Status) float64 { return float64(st.Refused) }},
	} {
		value := func() float64 { return m.value(s.Status()) }
		var c prometheus.Collector = prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "vigil_spool_" + m.name, Help: m.help}, value)
		if m.counter {
			c = prometheus.NewCounterFunc(prometheus.CounterOpts{Name: "vigil_spool_" + m.name, Help: m.help}, value)
		}
		if err := s.c.Metrics.Register(c); err != nil {
			s.unregister()
			return fmt.Errorf("register metrics: %w", err)
		}
		s.collectors = append(s.collectors, c)
	}
	return nil
}

func (s *Spool) failingSeconds(st Status) float64 {
	if st.FailingAt.IsZero() {
		return 0
	}
	return s.c.Now().Sub(st.FailingAt).Seconds()
}

func (s *Spool) unregister() {
	for _, c := range s.collectors {
		s.c.Metrics.Unregister(c)
	}
	s.collectors = nil
}
