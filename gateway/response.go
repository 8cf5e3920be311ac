package gateway

import (
	"bufio"
	"errors"
	"net"
	"net/http"
	"strconv"
	"sync/atomic"
)

// response is the ResponseWriter that handlers get: it counts, copies and, for
// strict requests, waits for the record before the last byte leaves.
type response struct {
	http.ResponseWriter
	x *exchange

	status   int
	declared int64 // Content-Length; -1: none
	n        int64
	last     int64 // bytes that are written when the record of a strict answer is stable
	copy     bodyCopy
	unread   bool
	err      error // of writing to the client

	hijacked *countingConn

	location, etag, contentType, coding, requestID string
}

// Unwrap is for [http.ResponseController].
func (w *response) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// WriteHeader keeps what the record needs of the header.
func (w *response) WriteHeader(status int) {
	if status >= 100 && status < 200 && status != http.StatusSwitchingProtocols {
		w.ResponseWriter.WriteHeader(status) // informational: the answer is still to come
		return
	}
	if w.status == 0 {
		w.begin(status)
	}
	w.ResponseWriter.WriteHeader(status)
}

func (w *response) begin(status int) {
	h := w.Header()
	w.status, w.declared = status, -1
	if v := h["Content-Length"]; len(v) == 1 {
		if n, err := strconv.ParseInt(v[0], 10, 64); err == nil {
			w.declared = n
		}
	}
	kept := func(name string) string { return clip(first(h, name), 4*maxClaim) }
	w.location, w.etag = kept("Location"), kept("Etag")
	if w.location == "" {
		w.location = kept("Content-Location")
	}
	w.contentType, w.coding, w.requestID = kept("Content-Type"), kept("Content-Encoding"), kept("X-Request-Id")
	if !w.x.c.keepResp {
		w.copy.structure = structureOf(w.contentType, w.coding)
	}
	w.unread = !w.x.c.keepResp && !isRead(w.contentType) || w.x.g.c.MaxBody < 0
	if w.bodiless() {
		w.declared = -1
	}
}

// bodiless reports whether the answer has no body whatever its header says.
func (w *response) bodiless() bool {
	return w.x.r.Method == http.MethodHead || w.status == http.StatusNoContent || w.status == http.StatusNotModified
}

func first(h http.Header, name string) string {
	if v := h[name]; len(v) > 0 {
		return v[0]
	}
	return ""
}

func (w *response) Write(p []byte) (int, error) {
	if w.status == 0 {
		w.begin(http.StatusOK)
	}
	if !w.unread {
		w.copy.write(p)
	}
	if w.x.mode == Strict {
		if err := w.x.beforeWrite(int64(len(p))); err != nil {
			w.err = err
			return 0, err
		}
	}
	n, err := w.ResponseWriter.Write(p)
	w.n += int64(n)
	if err != nil && w.err == nil && !errors.Is(err, http.ErrBodyNotAllowed) {
		w.err = err
	}
	return n, err
}

// Flush implements [http.Flusher].
func (w *response) Flush() { _ = w.FlushError() }

// FlushError is for [http.ResponseController]. The answer to a strict request
// leaves only when the request is recorded.
func (w *response) FlushError() error {
	if w.status == 0 {
		w.begin(http.StatusOK)
	}
	if w.x.mode == Strict {
		if err := w.x.recorded(); err != nil {
			w.err = err
			return err
		}
	}
	err := http.NewResponseController(w.ResponseWriter).Flush()
	if err != nil && w.err == nil && !errors.Is(err, http.ErrNotSupported) {
		w.err = err
	}
	return err
}

// Hijack implements [http.Hijacker]: the connection changes protocol, and the
// bytes are counted.
func (w *response) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	if w.x.mode == Strict {
		if err := w.x.recorded(); err != nil {
			return nil, nil, err
		}
	}
	conn, rw, err := http.NewResponseController(w.ResponseWriter).Hijack()
	if err != nil {
		return nil, nil, err
	}
	if w.status == 0 {
		w.begin(http.StatusSwitchingProtocols)
	}
	w.hijacked = &countingConn{Conn: conn}
	return w.hijacked, rw, nil
}

// countingConn counts the bytes of a connection that changed its protocol.
type countingConn struct {
	net.Conn
	read, written atomic.Int64
}

func (c *countingConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	c.read.Add(int64(n))
	return n, err
}

func (c *countingConn) Write(p []byte) (int, error) {
	n, err := c.Conn.Write(p)
	c.written.Add(int64(n))
	return n, err
}

// CloseWrite passes a half-close on, where the connection has one.
func (c *countingConn) CloseWrite() error {
	if h, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return h.CloseWrite()
	}
	return c.Conn.Close()
}
