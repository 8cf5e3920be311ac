package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"

	"vigil/internal/ledger"
)

// remote is a running server whose log is verified.
type remote struct {
	name   string
	base   string
	token  string
	client *http.Client
}

// The bounds of what a server may answer, so that a wrong one takes no memory.
const (
	maxAnswer = 1 << 20
	maxLine   = 1 << 28
)

// headerTime is how long a server may think before it answers.
const headerTime = 30 * time.Second

func newRemote(url, token string) *remote {
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.ResponseHeaderTimeout = headerTime
	return &remote{name: "server " + url, base: strings.TrimRight(url, "/"), token: token, client: &http.Client{Transport: t}}
}

// newSocket reaches the server that has a store open through the socket in its directory.
func newSocket(path string) *remote {
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", path)
	}
	return &remote{
		name: "server at " + path, base: "http://vigil",
		client: &http.Client{Transport: &http.Transport{DialContext: dial, ResponseHeaderTimeout: headerTime}},
	}
}

// withoutToken returns the token that the environment has for commands that ask
// a server, and the environment without it: it is no setting of the server's.
func withoutToken(env []string) (token string, rest []string) {
	for _, v := range env {
		if t, ok := strings.CutPrefix(v, "VIGIL_TOKEN="); ok {
			token = t
		} else {
			rest = append(rest, v)
		}
	}
	return token, rest
}

// evidence asks for the checkpoint, and presents what it covers.
func (r *remote) evidence(ctx context.Context) (*evidence, error) {
	checkpoint, err := r.get(ctx, "/log/checkpoint")
	if err != nil {
		return nil, err
	}
	c, err := ledger.ReadCheckpoint(checkpoint)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", r.name, err)
	}
	key, err := r.get(ctx, "/log/key")
	if err != nil {
		return nil, err
	}
	return &evidence{
		name: r.name, size: c.Size, checkpoint: checkpoint, key: strings.TrimSpace(string(key)),
		tile: func(level int, n int64, width int) ([]byte, error) {
			return r.get(ctx, "/log/tile/"+ledger.TilePath{Level: level, N: n, Width: width}.String())
		},
		entries: func(ctx context.Context) iter.Seq2[*ledger.Entry, error] { return r.entries(ctx, c.Size) },
		close:   func() error { r.client.CloseIdleConnections(); return nil },
	}, nil
}

// entries streams the entries up to size. Where the connection breaks it goes
// on from there, as long as it gets on at all.
func (r *remote) entries(ctx context.Context, size int64) iter.Seq2[*ledger.Entry, error] {
	return func(yield func(*ledger.Entry, error) bool) {
		for at := int64(0); at < size; {
			from := at
			err := r.stream(ctx, from, func(e *ledger.Entry) bool {
				at++
				return yield(e, nil) && at < size
			})
			if errors.Is(err, errStopped) {
				return
			}
			if at == from { // no progress: what there is no more of is for the verifier to say
				if err != nil {
					yield(nil, err)
				}
				return
			}
		}
	}
}

// unreachableError says that a server could not be asked, which says nothing
// about its log.
type unreachableError struct{ error }

func (e *unreachableError) Unwrap() error { return e.error }

// errStopped says that a stream was left, not that it ended.
var errStopped = errors.New("stopped")

// stream reads entries from a place on until yield returns false.
func (r *remote) stream(ctx context.Context, from int64, yield func(*ledger.Entry) bool) error {
	res, err := r.do(ctx, "/log/entries?from="+strconv.FormatInt(from, 10))
	if err != nil {
		return err
	}
	defer res.Body.Close()
	lines := bufio.NewScanner(res.Body)
	lines.Buffer(make([]byte, 64<<10), maxLine)
	for lines.Scan() {
		e, err := ledger.ParseEntry(lines.Bytes())
		if err != nil {
			return err
		}
		if !yield(e) {
			return errStopped
		}
	}
	if err := lines.Err(); err != nil {
		return &unreachableError{fmt.Errorf("read entries of %s: %w", r.name, err)}
	}
	return nil
}

// get asks for a short answer.
func (r *remote) get(ctx context.Context, path string) ([]byte, error) {
	res, err := r.do(ctx, path)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	b, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer))
	if err != nil {
		return nil, fmt.Errorf("get %s: %w", path, err)
	}
	return b, nil
}

// do asks, and returns an answer with status 200.
func (r *remote) do(ctx context.Context, path string) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, r.base+path, nil)
	if err != nil {
		return nil, usagef("--url: %w", err)
	}
	if r.token != "" {
		req.Header.Set("Authorization", "Bearer "+r.token)
	}
	res, err := r.client.Do(req)
	if err != nil {
		return nil, &unreachableError{fmt.Errorf("reach %s: %w", r.name, err)}
	}
	if res.StatusCode == http.StatusOK {
		return res, nil
	}
	defer res.Body.Close()
	b, _ := io.ReadAll(io.LimitReader(res.Body, 1000))
	hint := ""
	if res.StatusCode == http.StatusUnauthorized || res.StatusCode == http.StatusForbidden {
		hint = "; verifying needs a role that may read all tables: give --token from vigil token --role auditor"
	}
	return nil, &unreachableError{fmt.Errorf("get %s from %s: %s: %s%s", path, r.name, res.Status, bytes.TrimSpace(b), hint)}
}
