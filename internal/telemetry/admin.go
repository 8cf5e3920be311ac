package telemetry

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// A Check says whether one part can do its work.
type Check struct {
	Name string
	// Check returns nil while the part works. It is called for each request to
	// /ready, from several goroutines at once, and must not wait for anything.
	Check func() error
}

// Handler returns the admin pages: /live answers 200 while the process serves at
// all, /ready while every check passes, else 503, naming each check and what it
// found, and /metrics has the registry in Prometheus's format.
//
// The pages ask for no token. Serve them on an address that only operators and
// their tools reach.
func (t *Telemetry) Handler(checks ...Check) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /live", func(w http.ResponseWriter, _ *http.Request) {
		answer(w, http.StatusOK, "ok\n")
	})
	mux.HandleFunc("GET /ready", func(w http.ResponseWriter, _ *http.Request) {
		status := http.StatusOK
		var b strings.Builder
		for _, c := range checks {
			if err := c.Check(); err != nil {
				status = http.StatusServiceUnavailable
				fmt.Fprintf(&b, "%s: %s\n", c.Name, strings.ReplaceAll(err.Error(), "\n", "; "))
				continue
			}
			fmt.Fprintf(&b, "%s: ok\n", c.Name)
		}
		answer(w, status, b.String())
	})
	mux.Handle("GET /metrics", promhttp.HandlerFor(t.Registry, promhttp.HandlerOpts{Registry: t.Registry, Timeout: 10 * time.Second}))
	return mux
}

func answer(w http.ResponseWriter, status int, body string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	// A client that went away is nobody's trouble.
	_, _ = w.Write([]byte(body))
}

// Probe asks the admin server at addr, such as 127.0.0.1:3001, for a page, /live
// or /ready, and returns an error unless the answer is 200. It is the health
// check of images that have no other program in them. A server that listens on
// every address is asked on the loopback.
func Probe(ctx context.Context, addr, page string) error {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return fmt.Errorf("probe %s: %w", page, err)
	}
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = "localhost"
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+net.JoinHostPort(host, port)+page, nil)
	if err != nil {
		return fmt.Errorf("probe %s: %w", page, err)
	}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}} // no proxy
	resp, err := client.Do(req)
	if err != nil {
		return fmt.Errorf("probe %s: %w", page, err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("probe %s: the server answers %s", page, resp.Status)
	}
	return nil
}
