package remote

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"sync/atomic"

	"github.com/klauspost/compress/gzip"
)

// body is the body of a request, which the transport may still read after the
// answer has come.
type body struct {
	plain, packed []byte
	reader        bytes.Reader
	closed        atomic.Bool
}

// Read implements io.Reader.
func (b *body) Read(p []byte) (int, error) { return b.reader.Read(p) }

// Close is called by the transport when it needs the body no more.
func (b *body) Close() error {
	b.closed.Store(true)
	return nil
}

// post sends items in one request: to the node in use and, where it does not
// answer, to the others in turn. A request whose answer was lost comes twice then,
// as it would be sent again to a single server.
func (s *Sink) post(ctx context.Context, items []item) (*answer, error) {
	b := s.body
	if b == nil || !b.closed.Load() {
		b = new(body)
		s.body = b
	}
	b.closed.Store(false)
	b.plain = append(b.plain[:0], s.p.open...)
	for i := range items {
		if i > 0 {
			b.plain = append(b.plain, s.p.sep...)
		}
		if s.p.item == nil {
			b.plain = append(b.plain, items[i].line...)
		} else {
			b.plain = s.p.item(b.plain, &items[i])
		}
	}
	b.plain = append(b.plain, s.p.close...)
	var errs []error
	for tries := 1; ; tries++ {
		a, err := s.exchange(ctx, b)
		last := tries == len(s.nodes) || ctx.Err() != nil
		switch {
		case err == nil && (last || !away(a.status)):
			return a, nil
		case err == nil:
			err = waitFor(0, "%s answered %s", s.url.Host, reason(a))
		}
		errs = append(errs, err)
		s.turn()
		if last {
			return nil, noneAnswers(errs)
		}
		s.c.Logger.Warn("a node does not answer: the next one is asked", "sink", s.c.Name, "next", s.url.Host, "err", err)
		b = &body{plain: bytes.Clone(b.plain)} // the transport may still read the other
		s.body = b
	}
}

// exchange sends what is in b.plain.
func (s *Sink) exchange(ctx context.Context, b *body) (*answer, error) {
	ctx, stop := context.WithTimeout(ctx, s.c.Timeout)
	defer stop()
	sent := b.plain
	header := s.header
	if s.c.Gzip {
		if err := b.pack(); err != nil {
			return nil, err
		}
		sent = b.packed
		header = header.Clone()
		header.Set("Content-Encoding", "gzip")
	}
	b.reader.Reset(sent)
	req := (&http.Request{
		Method: http.MethodPost, URL: s.url, Host: s.url.Host, Header: header,
		Body: b, ContentLength: int64(len(sent)),
		GetBody: func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(sent)), nil },
		Proto:   "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
	}).WithContext(ctx)
	if s.user != "" || s.password != "" {
		req.SetBasicAuth(s.user, s.password)
	}
	res, err := s.client.Do(req)
	if err != nil {
		s.body = nil
		return nil, s.transportError(err)
	}
	a, err := readAnswer(res)
	if err != nil {
		return nil, s.transportError(err)
	}
	return a, nil
}

// pack compresses plain.
func (b *body) pack() error {
	out := bytes.NewBuffer(b.packed[:0])
	w, err := gzip.NewWriterLevel(out, gzip.BestSpeed)
	if err != nil {
		return err
	}
	if _, err := w.Write(b.plain); err != nil {
		return err
	}
	if err := w.Close(); err != nil {
		return err
	}
	b.packed = out.Bytes()
	return nil
}
