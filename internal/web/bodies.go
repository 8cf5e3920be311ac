package web

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/klauspost/compress/gzip"

	"vigil"
)

// The buffers that are kept. A small body never holds a large buffer, since what
// is held is bounded; the largest are left to the collector.
const (
	firstBuffer = 4 << 10
	smallBuffer = 64 << 10
	largeBuffer = 4 << 20
)

// Bodies reads request bodies whole, within limits that hold for one and for all
// of them together. It is safe for concurrent use.
type Bodies struct {
	limits Limits
	held   atomic.Int64 // bytes of all buffers handed out
	small  sync.Pool    // of *buffer up to smallBuffer
	large  sync.Pool    // of *buffer up to largeBuffer
	zips   sync.Pool    // of *gzip.Reader
}

// NewBodies returns a Bodies; zero limits are those of [DefaultLimits].
func NewBodies(l Limits) *Bodies {
	return &Bodies{limits: l.orDefault()}
}

// buffer is one body. Its capacity counts as held from get to release.
type buffer struct {
	of   *Bodies
	b    []byte
	held int64
}

// Read returns the whole body of r, with a Content-Encoding of gzip undone. The
// bytes belong to the caller until release, which is never nil and is called
// once. The errors are [vigil.Error]s: TooLarge, Unsupported (any other coding),
// Invalid (the body ended early or stopped arriving), Unavailable (too many
// bytes are held; try again).
func (b *Bodies) Read(w http.ResponseWriter, r *http.Request) (body []byte, release func(), err error) {
	none := func() {}
	if r.Body == nil || r.Body == http.NoBody {
		return nil, none, nil
	}
	if r.ContentLength > b.limits.Body {
		return nil, none, b.tooLarge()
	}
	zipped, err := encoding(w, r)
	if err != nil {
		return nil, none, err
	}
	// What a client only announces takes no share of the bound: a large buffer
	// is had when so much has come that a small one is full.
	size := int64(firstBuffer)
	if !zipped {
		size = max(size, min(r.ContentLength+1, smallBuffer)) // one more, to see the end
	}
	buf := b.get(size)
	if buf == nil {
		return nil, none, busy()
	}
	src := &steady{body: http.MaxBytesReader(w, r.Body, b.limits.Body), ctl: http.NewResponseController(w), limits: b.limits}
	if zipped {
		err = buf.inflate(src)
	} else {
		err = buf.fill(src)
	}
	src.stop()
	if err != nil {
		buf.release()
		return nil, none, b.explain(err)
	}
	return buf.b, buf.release, nil
}

// Held returns how many bytes are held, for a metric.
func (b *Bodies) Held() int64 { return b.held.Load() }

// encoding reports whether the body is gzip; anything unknown is an error that
// says what is taken (RFC 9110, section 15.5.16).
func encoding(w http.ResponseWriter, r *http.Request) (zipped bool, err error) {
	switch c := strings.ToLower(strings.TrimSpace(strings.Join(r.Header["Content-Encoding"], ","))); c {
	case "", "identity":
		return false, nil
	case "gzip", "x-gzip":
		return true, nil
	default:
		w.Header().Set("Accept-Encoding", "gzip")
		return false, &vigil.Error{Kind: vigil.Unsupported, Message: "Content-Encoding not supported", Hint: "Send the body as it is or with Content-Encoding: gzip."}
	}
}

// errBig and errBusy are bounds met while a buffer grew.
var (
	errBig  = errors.New("body too large")
	errBusy = errors.New("too many bytes held")
)

// explain words what went wrong for the client.
func (b *Bodies) explain(err error) error {
	if _, ok := errors.AsType[*http.MaxBytesError](err); ok || errors.Is(err, errBig) {
		return b.tooLarge()
	}
	if errors.Is(err, errBusy) {
		return busy()
	}
	e := &vigil.Error{Kind: vigil.Invalid, Message: "The request body could not be read", Err: err}
	switch {
	case errors.Is(err, errStalled):
		e.Details = "The body stopped arriving."
	case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF):
		e.Details = "The body ended early."
	case errors.Is(err, gzip.ErrHeader), errors.Is(err, gzip.ErrChecksum):
		e.Details = "The body is not valid gzip."
	}
	return e
}

func (b *Bodies) tooLarge() error {
	return &vigil.Error{
		Kind: vigil.TooLarge, Message: "The request body is too large",
		Details: "The limit is " + strconv.FormatInt(b.limits.Body, 10) + " bytes, after decompression.",
	}
}

func busy() error {
	return &vigil.Error{Kind: vigil.Unavailable, Message: "Too many request bodies are being read", RetryAfter: time.Second}
}

// get returns a small buffer of at least n bytes, nil where too many are held.
func (b *Bodies) get(n int64) *buffer {
	f, _ := b.small.Get().(*buffer)
	if f == nil {
		f = &buffer{of: b}
	}
	f.held = 0
	if !f.hold(max(n, int64(cap(f.b)))) {
		b.small.Put(f)
		return nil
	}
	if int64(cap(f.b)) < n {
		f.b = make([]byte, 0, n)
	}
	return f
}

// hold counts n more bytes, or reports that they are too many. Small bodies may
// go an eighth over the bound, so that a few large ones do not shut out the rest.
func (f *buffer) hold(n int64) bool {
	bound := f.of.limits.InFlight
	if f.held+n <= smallBuffer {
		bound += bound / 8
	}
	if f.of.held.Add(n) > bound {
		f.of.held.Add(-n)
		return false
	}
	f.held += n
	return true
}

// release gives the buffer back.
func (f *buffer) release() {
	f.of.held.Add(-f.held)
	size := cap(f.b)
	f.b = f.b[:0]
	switch {
	case size <= smallBuffer:
		f.of.small.Put(f)
	case size <= largeBuffer:
		f.of.large.Put(f)
	}
}

// grow makes room for n bytes in all, in a large buffer that was used before
// where there is one.
func (f *buffer) grow(n int64) bool {
	pooled, _ := f.of.large.Get().(*buffer)
	if pooled != nil && int64(cap(pooled.b)) < n {
		f.of.large.Put(pooled)
		pooled = nil
	}
	if pooled == nil {
		pooled = &buffer{of: f.of}
	}
	if !f.hold(max(n, int64(cap(pooled.b))) - int64(cap(f.b))) {
		if pooled.b != nil {
			f.of.large.Put(pooled)
		}
		return false
	}
	if pooled.b == nil {
		pooled.b = make([]byte, 0, n)
	}
	old := f.b
	f.b = append(pooled.b[:0], old...)
	if c := cap(old); c >= firstBuffer && c <= smallBuffer {
		f.of.small.Put(&buffer{of: f.of, b: old[:0]})
	}
	return true
}

// fill reads src to its end.
func (f *buffer) fill(src io.Reader) error {
	for {
		if len(f.b) == cap(f.b) {
			if int64(len(f.b)) > f.of.limits.Body {
				return errBig
			}
			if !f.grow(min(4*int64(cap(f.b)), f.of.limits.Body+1)) {
				return errBusy
			}
		}
		n, err := src.Read(f.b[len(f.b):cap(f.b)])
		f.b = f.b[:len(f.b)+n]
		if int64(len(f.b)) > f.of.limits.Body {
			return errBig
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// inflate reads src, which is gzip, to its end. What comes out is bounded like
// any body, so a bomb costs no more than one.
func (f *buffer) inflate(src io.Reader) error {
	z, _ := f.of.zips.Get().(*gzip.Reader)
	if z == nil {
		z = new(gzip.Reader)
	}
	defer f.of.zips.Put(z)
	if err := z.Reset(src); err != nil {
		return err
	}
	err := f.fill(z)
	// A Reader in the pool must not hold on to a connection.
	_ = z.Reset(bytes.NewReader(nil))
	return err
}

// errStalled is a body that came too slowly.
var errStalled = errors.New("body stopped arriving")

// steady reads a body that must keep coming: a byte at least every Stall, and
// after the first Stall at least Rate bytes a second on the whole.
type steady struct {
	body   io.Reader
	ctl    *http.ResponseController
	limits Limits
	start  time.Time
	got    int64
	set    bool // a deadline is set
}

// Read implements io.Reader.
func (s *steady) Read(p []byte) (int, error) {
	now := time.Now()
	if s.start.IsZero() {
		s.start = now
	}
	whole := s.start.Add(s.limits.Stall + time.Duration(float64(s.got)/float64(s.limits.Rate)*float64(time.Second)))
	end := now.Add(s.limits.Stall)
	if whole.Before(end) {
		end = whole
	}
	// A body that comes from no connection (tests, HTTP/2 of others) has no deadline.
	s.set = s.ctl.SetReadDeadline(end) == nil || s.set
	n, err := s.body.Read(p)
	s.got += int64(n)
	if t, ok := errors.AsType[interface {
		error
		Timeout() bool
	}](err); ok && t.Timeout() {
		err = errStalled
	}
	return n, err
}

// stop takes the deadline off again: after the body the server itself waits for
// the client to hang up, for as long as the answer takes.
func (s *steady) stop() {
	if s.set {
		_ = s.ctl.SetReadDeadline(time.Time{})
	}
}
