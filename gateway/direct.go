package gateway

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/textproto"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
	"unicode/utf8"
)

// direct carries what most requests to a FHIR server are, over HTTP/1.1, in the
// goroutine that asks: those without a body and those whose length is known.
// Transport hands each of them to two more goroutines, which costs a fifth of what
// a proxy takes; it carries all the rest.
//
// A connection is used again when its answer was read to the end, and nothing
// came behind that or while it was idle.
type direct struct {
	rest *http.Transport
	host string // of the upstream's URL
	addr string

	mu    sync.Mutex
	idle  []*upstreamConn // the one that was used last comes last
	sweep *time.Timer     // nil while none is idle

	buffers sync.Pool // *[]byte for bodies on their way
}

// newDirect returns t, with direct before it where t has no ways of its own to
// the upstream.
func newDirect(t http.RoundTripper, upstream *url.URL) http.RoundTripper {
	h, ok := t.(*http.Transport)
	if !ok || upstream.Scheme != "http" || h.Proxy != nil || h.DialContext == nil || h.DisableKeepAlives || h.Protocols != nil ||
		h.MaxConnsPerHost != 0 || !h.DisableCompression || !canPeek || strings.IndexFunc(upstream.Host, notASCII) >= 0 {
		return t
	}
	port := upstream.Port()
	if port == "" {
		port = "80"
	}
	return &direct{rest: h, host: upstream.Host, addr: net.JoinHostPort(upstream.Hostname(), port)}
}

// notASCII is true of what Transport writes in another way.
func notASCII(r rune) bool { return r >= utf8.RuneSelf }

// RoundTrip implements [http.RoundTripper]. Only its caller may read and close the
// body of the answer, and not both at once.
func (d *direct) RoundTrip(r *http.Request) (*http.Response, error) {
	if !d.carries(r) {
		return d.rest.RoundTrip(r)
	}
	if c := d.take(); c != nil {
		resp, err := c.roundTrip(r)
		if err == nil || c.heard || !repeatable(r) || r.Context().Err() != nil {
			return resp, err
		}
		// The upstream closed the connection while the request was on its way.
	}
	c, err := d.dial(r.Context())
	if err != nil {
		return nil, errors.Join(err, closeBody(r))
	}
	return c.roundTrip(r)
}

// carries reports whether r is one of the plain requests.
func (d *direct) carries(r *http.Request) bool {
	return (r.ContentLength > 0 || bodiless(r)) && len(r.Trailer) == 0 && len(r.TransferEncoding) == 0 && !r.Close &&
		r.URL.Scheme == "http" && r.URL.Host == d.host && len(r.Header["Upgrade"]) == 0 && len(r.Header["Expect"]) == 0
}

func bodiless(r *http.Request) bool {
	return r.ContentLength == 0 && (r.Body == nil || r.Body == http.NoBody)
}

// repeatable reports whether r may be sent a second time.
func repeatable(r *http.Request) bool {
	return bodiless(r) && (r.Method == http.MethodGet || r.Method == http.MethodHead)
}

func closeBody(r *http.Request) error {
	if r.Body == nil {
		return nil
	}
	return r.Body.Close()
}

// take returns an idle connection that is still good, or nil.
func (d *direct) take() *upstreamConn {
	for {
		d.mu.Lock()
		n := len(d.idle) - 1
		if n < 0 {
			d.mu.Unlock()
			return nil
		}
		c := d.idle[n]
		d.idle[n], d.idle = nil, d.idle[:n]
		d.mu.Unlock()
		if c.quiet() {
			return c
		}
		c.conn.Close()
	}
}

// put keeps a connection for the next request.
func (d *direct) put(c *upstreamConn) {
	c.since = time.Now()
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.idle) >= max(d.rest.MaxIdleConnsPerHost, 2) {
		c.conn.Close()
		return
	}
	d.idle = append(d.idle, c)
	if d.sweep == nil && d.rest.IdleConnTimeout > 0 {
		d.sweep = time.AfterFunc(d.rest.IdleConnTimeout, d.closeOld)
	}
}

// closeOld closes the connections that nobody has used for long.
func (d *direct) closeOld() {
	d.mu.Lock()
	defer d.mu.Unlock()
	now, old := time.Now(), 0
	for old < len(d.idle) && now.Sub(d.idle[old].since) >= d.rest.IdleConnTimeout {
		d.idle[old].conn.Close()
		old++
	}
	d.idle = append(d.idle[:0:0], d.idle[old:]...)
	d.sweep = nil
	if len(d.idle) > 0 {
		d.sweep = time.AfterFunc(d.rest.IdleConnTimeout-now.Sub(d.idle[0].since), d.closeOld)
	}
}

func (d *direct) dial(ctx context.Context) (*upstreamConn, error) {
	conn, err := d.rest.DialContext(ctx, "tcp", d.addr)
	if err != nil {
		return nil, err
	}
	c := &upstreamConn{d: d, conn: conn}
	c.r, c.w = bufio.NewReaderSize(c, d.rest.ReadBufferSize), bufio.NewWriterSize(requestWriter{c}, 4<<10)
	c.abort = func() { conn.Close() }
	if s, ok := conn.(syscall.Conn); ok {
		if c.raw, err = s.SyscallConn(); err != nil {
			c.raw = nil // the connection is used once
		}
	}
	c.peek = c.peekAt
	return c, nil
}

// upstreamConn is a connection to the upstream. One request at a time has it.
type upstreamConn struct {
	d     *direct
	conn  net.Conn
	r     *bufio.Reader // of the upstreamConn, which counts
	w     *bufio.Writer
	left  int64 // bytes of a header that may still come
	heard bool  // something of the answer has come
	abort func()
	stop  func() bool // ends the wait for the request's end

	sending    chan error  // gets how it went, where a goroutine sends; else nil
	unsendable bool        // the connection takes nothing more
	headed     atomic.Bool // the header of the answer is there

	raw   syscall.RawConn // nil: it cannot be told whether it is quiet
	peek  func(fd uintptr) bool
	still bool      // what peek found
	since time.Time // when it became idle
}

var (
	errHeader   = errors.New("the header of the answer is too long")
	errUpgraded = errors.New("the upstream changed the protocol unasked")
)

// Read reads from the connection, for the buffer.
func (c *upstreamConn) Read(p []byte) (int, error) {
	if c.left <= 0 {
		return 0, errHeader
	}
	n, err := c.conn.Read(p[:min(int64(len(p)), c.left)])
	c.left -= int64(n)
	c.heard = c.heard || n > 0
	return n, err
}

// quiet reports whether nothing has come since the last answer, not even the end.
func (c *upstreamConn) quiet() bool {
	c.still = false
	return c.raw != nil && c.raw.Read(c.peek) == nil && c.still
}

// roundTrip sends r and reads the header of the answer. With an error the
// connection is closed.
func (c *upstreamConn) roundTrip(r *http.Request) (*http.Response, error) {
	ctx := r.Context()
	c.headed.Store(false)
	c.heard, c.sending, c.left = false, nil, c.d.rest.MaxResponseHeaderBytes
	if c.left <= 0 {
		c.left = 1 << 20
	}
	c.stop = context.AfterFunc(ctx, c.abort)
	resp, err := c.exchange(r)
	if err != nil {
		c.stop()
		c.conn.Close()
		if ctx.Err() != nil {
			err = ctx.Err()
		}
		return nil, err
	}
	c.left = math.MaxInt64
	b := &upstreamBody{c: c, body: resp.Body, reuse: !resp.Close}
	if resp.Body == http.NoBody || resp.ContentLength == 0 {
		b.end(true)
		return resp, nil
	}
	resp.Body = b
	return resp, nil
}

// sentAtOnce is the longest body that is sent before the answer is read: the
// system takes it even if the upstream does not.
const sentAtOnce = 8 << 10

func (c *upstreamConn) exchange(r *http.Request) (*http.Response, error) {
	if r.ContentLength > sentAtOnce {
		c.sending = make(chan error, 1)
		go func() { c.sending <- c.send(r) }()
	} else if err := c.send(r); err != nil {
		return nil, err
	}
	resp, err := c.response(r)
	if err == nil && c.d.rest.ResponseHeaderTimeout > 0 {
		c.headed.Store(true)
		err = c.conn.SetReadDeadline(time.Time{})
	}
	if err != nil {
		return nil, fmt.Errorf("read response: %w", err)
	}
	return resp, nil
}

// send sends a request whole. Where the body cannot be read to its end, nobody
// waits for an answer. Where the upstream takes no more of it, it may have answered.
func (c *upstreamConn) send(r *http.Request) error {
	err := r.Write(c.w)
	if err == nil {
		err = c.w.Flush()
	}
	switch {
	case err == nil:
		return c.await()
	case c.unsendable && !bodiless(r):
		return nil // reading says what is wrong
	}
	c.conn.Close()
	return fmt.Errorf("write request: %w", err)
}

// await bounds the time until the header of the answer, if it is not there yet.
func (c *upstreamConn) await() error {
	limit := c.d.rest.ResponseHeaderTimeout
	if limit <= 0 {
		return nil
	}
	err := c.conn.SetReadDeadline(time.Now().Add(limit))
	if err == nil && c.headed.Load() {
		err = c.conn.SetReadDeadline(time.Time{})
	}
	if err != nil {
		return fmt.Errorf("write request: %w", err)
	}
	return nil
}

// sent reports whether the request was sent whole. The answer may be there before
// the goroutine that sends has seen that its last bytes went.
func (c *upstreamConn) sent() bool {
	if c.sending == nil {
		return !c.unsendable
	}
	select {
	case err := <-c.sending:
		return err == nil && !c.unsendable
	case <-time.After(50 * time.Millisecond):
		return false
	}
}

// requestWriter writes to the connection and notes when that fails.
type requestWriter struct{ c *upstreamConn }

// Write implements [io.Writer].
func (w requestWriter) Write(p []byte) (int, error) {
	n, err := w.c.conn.Write(p)
	if err != nil {
		w.c.unsendable = true
	}
	return n, err
}

// ReadFrom implements [io.ReaderFrom], with a buffer that others use too.
func (w requestWriter) ReadFrom(r io.Reader) (int64, error) {
	buf, ok := w.c.d.buffers.Get().(*[]byte)
	if !ok {
		b := make([]byte, 128<<10)
		buf = &b
	}
	defer w.c.d.buffers.Put(buf)
	return io.CopyBuffer(struct{ io.Writer }{w}, r, *buf)
}

// response reads headers until one is not just informational.
func (c *upstreamConn) response(r *http.Request) (*http.Response, error) {
	for {
		resp, err := http.ReadResponse(c.r, r)
		switch {
		case err != nil:
			return nil, err
		case resp.StatusCode == http.StatusSwitchingProtocols:
			return nil, errUpgraded
		case resp.StatusCode >= 200:
			return resp, nil
		}
		if t := httptrace.ContextClientTrace(r.Context()); t != nil && t.Got1xxResponse != nil {
			if err := t.Got1xxResponse(resp.StatusCode, textproto.MIMEHeader(resp.Header)); err != nil {
				return nil, err
			}
		}
	}
}

// upstreamBody gives the connection back at its end.
type upstreamBody struct {
	c     *upstreamConn // nil: given back
	body  io.Reader
	reuse bool  // the upstream takes another request
	err   error // how the body ended
}

// Read implements [io.Reader].
func (b *upstreamBody) Read(p []byte) (int, error) {
	if b.err != nil {
		return 0, b.err
	}
	n, err := b.body.Read(p)
	if err != nil {
		b.err = err
		b.end(err == io.EOF)
	}
	return n, err
}

// Close implements [io.Closer]. What was not read is not waited for.
func (b *upstreamBody) Close() error {
	if b.err == nil {
		b.err = http.ErrBodyReadAfterClose
	}
	b.end(false)
	return nil
}

func (b *upstreamBody) end(whole bool) {
	c := b.c
	if b.c = nil; c == nil {
		return
	}
	if c.stop() && whole && b.reuse && c.r.Buffered() == 0 && c.sent() {
		c.d.put(c)
		return
	}
	c.conn.Close()
}
