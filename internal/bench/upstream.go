package bench

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"strconv"
	"strings"
	"sync"
)

// patient is what the upstream answers, about 2 KB.
var patient = `{"resourceType":"Patient","id":"p-1","meta":{"versionId":"1"},"text":{"status":"generated","div":"<div xmlns=\"http://www.w3.org/1999/xhtml\">` +
	strings.Repeat("synthetic ", 185) + `</div>"}}`

// ServeUpstream answers every request with the same Patient, a POST with 201,
// with as little work as there can be, until ctx ends.
func ServeUpstream(ctx context.Context, addr string) error {
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return err
	}
	defer context.AfterFunc(ctx, func() { l.Close() })()
	for {
		conn, err := l.Accept()
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return err
		}
		go func() {
			defer conn.Close()
			_ = answerAll(conn) // the client has closed the connection
		}()
	}
}

// answerAll answers the requests on a connection until it ends.
func answerAll(conn net.Conn) error {
	response := func(status, location string) []byte {
		return []byte("HTTP/1.1 " + status + "\r\nContent-Type: application/fhir+json\r\nEtag: W/\"1\"\r\n" + location +
			"Content-Length: " + strconv.Itoa(len(patient)) + "\r\n\r\n" + patient)
	}
	ok, created := response("200 OK", ""), response("201 Created", "Location: Binary/b-1/_history/1\r\n")
	br := bufio.NewReaderSize(conn, 64<<10)
	for {
		line, err := br.ReadSlice('\n')
		if err != nil {
			return err
		}
		out := ok
		if bytes.HasPrefix(line, []byte("POST ")) {
			out = created
		}
		if err := skipMessage(br); err != nil {
			return err
		}
		if _, err := conn.Write(out); err != nil {
			return err
		}
	}
}

// ServeProxy is a plain reverse proxy to the server at to, over a Transport and
// with a pool of buffers, until ctx ends.
func ServeProxy(ctx context.Context, addr, to string, transport http.RoundTripper) error {
	u, err := url.Parse(to)
	if err != nil {
		return err
	}
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return err
	}
	s := &http.Server{Handler: &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.Out.URL.Scheme, r.Out.URL.Host, r.Out.Host = u.Scheme, u.Host, r.In.Host
			r.SetXForwarded()
		},
		Transport: transport, BufferPool: &buffers{},
	}}
	defer context.AfterFunc(ctx, func() { s.Close() })()
	if err := s.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// buffers is a pool as [httputil.BufferPool] wants it.
type buffers struct{ pool sync.Pool }

func (b *buffers) Get() []byte {
	if v, ok := b.pool.Get().(*[]byte); ok {
		return *v
	}
	return make([]byte, 32<<10)
}

func (b *buffers) Put(buf []byte) { b.pool.Put(&buf) }

// Get returns the bytes of a GET that a FHIR client with a token sends.
func Get(host, path, token string) []byte {
	return fmt.Appendf(nil, "GET %s HTTP/1.1\r\nHost: %s\r\nUser-Agent: vigil-bench\r\nAccept: application/fhir+json\r\nAuthorization: Bearer %s\r\n\r\n", path, host, token)
}

// upload returns the bytes of a create of a Binary of about 200 KB.
func upload(host, token string) []byte {
	body := []byte(`{"resourceType":"Binary","contentType":"application/octet-stream","data":"` + strings.Repeat("c3ludGhldGlj", 16_660) + `"}`)
	return Post(host, "/fhir/Binary", token, body)
}
