package web

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"
)

// ServerConfig is what a [Server] needs.
type ServerConfig struct {
	Handler http.Handler
	Limits  Limits        // zero fields are those of [DefaultLimits]
	TLS     *Certificates // nil is plain HTTP; unix sockets always are
	Grace   time.Duration // how long requests may go on once the server stops; 0 is 30 s
	Log     *slog.Logger
}

// Server serves a handler on listeners until it is told to stop, and then lets
// what has begun end.
type Server struct {
	http     *http.Server
	grace    time.Duration
	stopping chan struct{}
	once     sync.Once
}

type stoppingKey struct{}

// Stopping returns a channel that is closed when the server of a request begins
// to stop: what would go on for ever, such as a live tail, ends then. Outside a
// server the channel is nil.
func Stopping(ctx context.Context) <-chan struct{} {
	c, _ := ctx.Value(stoppingKey{}).(chan struct{})
	return c
}

// NewServer returns a server that listens to nothing yet.
func NewServer(c ServerConfig) *Server {
	l := c.Limits.orDefault()
	s := &Server{grace: c.Grace, stopping: make(chan struct{})}
	if s.grace == 0 {
		s.grace = 30 * time.Second
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	s.http = &http.Server{
		Handler:                      drained(c.Handler, l.Stall),
		DisableGeneralOptionsHandler: true,
		ReadHeaderTimeout:            l.Header,
		IdleTimeout:                  l.Idle,
		MaxHeaderBytes:               l.HeaderBytes,
		ErrorLog:                     slog.NewLogLogger(c.Log.Handler(), slog.LevelDebug),
		BaseContext: func(net.Listener) context.Context {
			return context.WithValue(context.Background(), stoppingKey{}, s.stopping)
		},
	}
	if c.TLS != nil {
		s.http.TLSConfig = c.TLS.Config()
	}
	return s
}

// drained bounds the time for what a handler left unread of a body: net/http
// reads on for a while, to use the connection again.
func drained(h http.Handler, stall time.Duration) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.ContentLength != 0 {
			ctl := http.NewResponseController(w)
			// A writer without deadlines has no connection to guard.
			defer func() { _ = ctl.SetReadDeadline(time.Now().Add(min(stall, 5*time.Second))) }()
		}
		h.ServeHTTP(w, r)
	})
}

// Serve answers on l, one of any number of listeners, until ctx ends or [Server.Stop] is called; it returns when
// the requests that had begun are over, or their grace is. It closes l. Its error
// is nil unless listening failed or requests had to be cut off.
func (s *Server) Serve(ctx context.Context, l net.Listener) error {
	served := make(chan error, 1)
	go func() {
		if _, socket := l.Addr().(*net.UnixAddr); s.http.TLSConfig != nil && !socket {
			served <- s.http.ServeTLS(l, "", "")
			return
		}
		served <- s.http.Serve(l)
	}()
	select {
	case <-ctx.Done():
	case <-s.stopping:
	case err := <-served:
		if !errors.Is(err, http.ErrServerClosed) {
			return fmt.Errorf("serve on %s: %w", l.Addr(), err)
		}
	}
	return s.Stop(context.WithoutCancel(ctx))
}

// Stop begins to stop and returns when every request is over, or with an error
// when the grace or ctx ended first and the rest was cut off. It may be called
// more than once.
func (s *Server) Stop(ctx context.Context) error {
	s.once.Do(func() { close(s.stopping) })
	ctx, cancel := context.WithTimeout(ctx, s.grace)
	defer cancel()
	if err := s.http.Shutdown(ctx); err != nil {
		return fmt.Errorf("stop: requests were cut off: %w", errors.Join(err, s.http.Close()))
	}
	return nil
}
