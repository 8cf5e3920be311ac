// Package telemetry is how Vigil shows how it fares: the logger, the registry of
// metrics, and the admin pages /live, /ready and /metrics.
//
// It measures nothing itself: each package registers its own metrics with the
// registry it is given. Nothing in here is about events; what Vigil did with
// whose record is in the system table.
package telemetry

import (
	"io"
	"log/slog"
	"os"
	"runtime"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"golang.org/x/term"
)

// Config says how to log. Its zero value logs from info up to standard error.
type Config struct {
	Out     io.Writer    // nil is os.Stderr
	Level   slog.Leveler // nil is slog.LevelInfo
	Format  string       // text or json; anything else is text on a terminal, else JSON
	Version string       // of the program, for vigil_build_info
}

// Telemetry is what the parts of a server log and count with.
type Telemetry struct {
	Log      *slog.Logger
	Registry *prometheus.Registry
}

// New returns a logger and a registry that has the metrics of the process and of
// the Go runtime. Nothing is global: two servers in one process do not meet.
func New(c Config) *Telemetry {
	t := &Telemetry{Log: logger(c), Registry: prometheus.NewRegistry()}
	info := prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "vigil_build_info", Help: "1, with the version of the program and of Go.",
		ConstLabels: prometheus.Labels{"version": c.Version, "go": runtime.Version()},
	})
	info.Set(1)
	t.Registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}), info)
	return t
}

func logger(c Config) *slog.Logger {
	if c.Out == nil {
		c.Out = os.Stderr
	}
	options := &slog.HandlerOptions{Level: c.Level}
	if c.Format == "text" || c.Format != "json" && isTerminal(c.Out) {
		return slog.New(slog.NewTextHandler(c.Out, options))
	}
	return slog.New(slog.NewJSONHandler(c.Out, options))
}

func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}
