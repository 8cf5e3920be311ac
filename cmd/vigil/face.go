package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/user"
	"path/filepath"
	"strings"
	"time"

	"vigil"
	"vigil/internal/auth"
	"vigil/internal/config"
	"vigil/internal/fhirapi"
	"vigil/internal/postgrest"
	"vigil/internal/server"
	"vigil/internal/store"
	"vigil/internal/store/segment"
	"vigil/internal/transfer"
	"vigil/internal/web"
)

// reach are the flags of commands that ask a server or a store.
type reach struct {
	settings
	URL   string `name:"url" help:"Running server to ask, instead of a store." placeholder:"URL"`
	Token string `help:"Bearer token for the server, or @FILE; VIGIL_TOKEN is the default." placeholder:"TOKEN"`
}

// face is the API of a server: over the network, over the socket in the
// directory of a store that a server has open, or of a store that is open here.
type face struct {
	*remote
	store store.Store  // where it is open here
	alone bool         // nobody else can add to it meanwhile
	close func() error // ends what was opened
}

// open finds the server, or opens the store. Create says that a store may be
// made where there is none.
func (r *reach) open(ctx context.Context, std *stdio, create bool) (*face, error) {
	token, rest := withoutToken(std.Env)
	if r.URL != "" {
		if r.Store != "" {
			return nil, usagef("--url and --store exclude each other")
		}
		if r.Token != "" {
			token = r.Token
		}
		token, err := textOrFile(token)
		if err != nil {
			return nil, usagef("--token: %w", err)
		}
		m := newRemote(r.URL, token)
		return &face{remote: m, close: func() error { m.client.CloseIdleConnections(); return nil }}, nil
	}
	own := *std
	own.Env = rest
	cfg, err := r.load(&own, nil)
	if err != nil {
		return nil, err
	}
	dir := storeDir(cfg)
	switch {
	case cfg.IsPostgres():
	case dir == "":
		return nil, usagef("a store in memory cannot be opened here: give a running server by --url")
	default:
		if _, err := os.Stat(filepath.Join(dir, "manifest")); errors.Is(err, fs.ErrNotExist) && !create {
			return nil, fmt.Errorf("%w in %s: name one by --store, or a server by --url", errNoStore, dir)
		}
	}
	s, err := openHere(ctx, cfg)
	switch {
	case errors.Is(err, segment.ErrLocked):
		m := newSocket(segment.SocketPath(dir))
		return &face{remote: m, close: func() error { m.client.CloseIdleConnections(); return nil }}, nil
	case err != nil:
		return nil, err
	}
	return local(ctx, s, cfg)
}

// errNoStore says that there is no store where one should be.
var errNoStore = errors.New("there is no store")

// local puts the faces before a store that is open here, so that what is asked
// of it is answered, and recorded, as a server would.
func local(ctx context.Context, s store.Store, cfg *config.Config) (*face, error) {
	edge, err := web.NewEdge(web.EdgeConfig{})
	if err != nil {
		return nil, errors.Join(err, s.Close())
	}
	recorder := server.NewRecorder(server.RecorderConfig{
		Store: s, Observer: s.Log().Origin(), Version: version(), Now: time.Now, Log: slog.New(slog.DiscardHandler),
	})
	ctx, stop := context.WithCancel(context.WithoutCancel(ctx))
	recorded := make(chan error, 1)
	go func() { recorded <- recorder.Run(ctx) }()
	who := func(*http.Request) (*auth.Principal, error) {
		return &auth.Principal{Subject: "local", Role: "admin", Roles: []string{"admin"}, Authenticated: true}, nil
	}
	all := func(*auth.Principal, string, auth.Action) error { return nil }
	api := postgrest.New(postgrest.Config{Store: s, Aggregates: cfg.Aggregates, Now: time.Now, Authenticate: who, Allow: all})
	resources := fhirConfig(cfg, s)
	resources.Authenticate, resources.Allow = who, all
	h := server.Handler(server.Config{
		API: api, Log: http.NotFoundHandler(), Edge: edge, Recorder: recorder,
		Routes: []server.Route{{Path: "/fhir/", Handler: fhirapi.New(resources).Handler()}},
	})
	return &face{
		remote: &remote{name: storeName(cfg), base: "http://vigil", client: &http.Client{Transport: inProcess{h}}},
		store:  s,
		alone:  !cfg.IsPostgres(),
		close: func() error {
			stop()
			return errors.Join(<-recorded, s.Close())
		},
	}, nil
}

// sender is who hands events over by a command on this machine.
func sender() *vigil.Sender {
	s := &vigil.Sender{Listener: "import", Role: "admin", Authenticated: true}
	s.Subject = "uid " + fmt.Sprint(os.Getuid())
	if u, err := user.Current(); err == nil {
		s.Subject = "user " + u.Username // whom an officer knows
	}
	return s
}

// ask sends a GET for table?query. An answer that is no success is an error; a
// question that cannot be asked is a usageError.
func (f *face) ask(ctx context.Context, question, accept string, header http.Header) (*http.Response, error) {
	table, raw, _ := strings.Cut(question, "?")
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, f.base, nil)
	if err != nil {
		return nil, usagef("--url: %w", err)
	}
	req.URL.Path = strings.TrimRight(req.URL.Path, "/") + "/" + strings.TrimPrefix(table, "/")
	req.URL.RawQuery = encodeQuery(raw)
	for name, values := range header {
		req.Header[name] = values
	}
	req.Header.Set("Accept", accept)
	if f.token != "" {
		req.Header.Set("Authorization", "Bearer "+f.token)
	}
	res, err := f.client.Do(req)
	if err != nil {
		return nil, fmt.Errorf("reach %s: %w", f.name, err)
	}
	if res.StatusCode/100 == 2 {
		return res, nil
	}
	defer res.Body.Close()
	body, _ := io.ReadAll(io.LimitReader(res.Body, 64<<10))
	err = transfer.ErrorOf(res.StatusCode, body)
	switch res.StatusCode {
	case http.StatusBadRequest, http.StatusNotFound:
		return nil, usageError{err}
	case http.StatusUnauthorized:
		return nil, fmt.Errorf("%w; give a token by --token or VIGIL_TOKEN: vigil token makes one", err)
	}
	return nil, err
}

// encodeQuery percent-encodes what may not stand in a URL, and nothing else:
// questions are typed as people write them.
func encodeQuery(raw string) string {
	const hex = "0123456789ABCDEF"
	var b strings.Builder
	for _, c := range []byte(raw) {
		if c <= ' ' || c >= 0x7f || strings.IndexByte("\"#<>\\^`{|}", c) >= 0 {
			b.Write([]byte{'%', hex[c>>4], hex[c&15]})
			continue
		}
		b.WriteByte(c)
	}
	return b.String()
}

// inProcess is the transport to a handler in this process. To the handler the
// request comes through the socket of the store.
type inProcess struct{ h http.Handler }

// RoundTrip implements http.RoundTripper.
func (t inProcess) RoundTrip(req *http.Request) (*http.Response, error) {
	ctx := context.WithValue(req.Context(), http.LocalAddrContextKey, &net.UnixAddr{Net: "unix"})
	ctx, cancel := context.WithCancel(ctx)
	in := req.Clone(ctx)
	in.RequestURI, in.RemoteAddr = req.URL.RequestURI(), "@"
	if in.Body == nil {
		in.Body = http.NoBody
	}
	body, pipe := io.Pipe()
	w := &response{header: http.Header{}, pipe: pipe, begun: make(chan struct{})}
	go func() {
		defer cancel()
		err := errAborted
		defer func() {
			if r := recover(); r != nil && r != http.ErrAbortHandler {
				panic(r)
			}
			w.WriteHeader(http.StatusOK)
			_ = pipe.CloseWithError(err) // nil is the end of the answer
		}()
		t.h.ServeHTTP(w, in)
		err = nil
	}()
	select {
	case <-w.begun:
	case <-req.Context().Done():
		cancel()
		_ = body.Close()
		return nil, req.Context().Err()
	}
	return &http.Response{
		Status: http.StatusText(w.status), StatusCode: w.status, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: w.sent, Body: &answerBody{body, cancel}, ContentLength: -1, Request: req,
	}, nil
}

// errAborted is what the reader of an answer sees where it broke off.
var errAborted = errors.New("the answer broke off")

// answerBody ends the request when it is closed.
type answerBody struct {
	*io.PipeReader
	cancel context.CancelFunc
}

func (b *answerBody) Close() error {
	b.cancel()
	return b.PipeReader.Close()
}

// response is the writer of an inProcess answer.
type response struct {
	header, sent http.Header
	pipe         *io.PipeWriter
	status       int
	begun        chan struct{}
}

func (w *response) Header() http.Header { return w.header }

func (w *response) WriteHeader(status int) {
	if w.status == 0 && status >= 200 {
		w.status, w.sent = status, w.header.Clone()
		close(w.begun)
	}
}

func (w *response) Write(p []byte) (int, error) {
	w.WriteHeader(http.StatusOK)
	return w.pipe.Write(p)
}

// Flush implements http.Flusher: nothing is held back.
func (w *response) Flush() { w.WriteHeader(http.StatusOK) }
