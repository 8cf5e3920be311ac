package ledger

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"path/filepath"
	"strings"
	"time"

	"vigil/internal/durable"
)

// An Output takes checkpoints out of the trust of this machine.
type Output interface {
	// Put hands over a checkpoint. A newer one takes the place of an older one.
	Put(ctx context.Context, checkpoint []byte) error
	// String names the output in logs and metrics. It shows no secrets.
	String() string
}

// ParseOutput reads an output: a URL with http or https, or the path of a file.
func ParseOutput(s string) (Output, error) {
	scheme, rest, ok := strings.Cut(s, "://")
	switch {
	case !ok && s != "":
		return FileOutput{Path: s}, nil
	case scheme == "file" && strings.HasPrefix(rest, "/"):
		return FileOutput{Path: rest}, nil
	case scheme == "http" || scheme == "https":
		u, err := url.Parse(s)
		if err != nil || u.Host == "" {
			return nil, errors.New("checkpoint output: not a URL with a host")
		}
		return NewURLOutput(u), nil
	}
	return nil, errors.New("checkpoint output: want a file's path or an http or https URL")
}

// FileOutput keeps the latest checkpoint in a file, which is replaced atomically.
type FileOutput struct{ Path string }

var _ Output = FileOutput{}

// Put implements [Output].
func (f FileOutput) Put(_ context.Context, checkpoint []byte) error {
	if err := durable.WriteFile(f.Path, checkpoint); err != nil {
		return fmt.Errorf("write checkpoint: %w", err)
	}
	return nil
}

func (f FileOutput) String() string { return "file " + filepath.Base(f.Path) }

// URLOutput posts each checkpoint to a URL, as text/plain.
type URLOutput struct {
	url    *url.URL
	client *http.Client
}

var _ Output = (*URLOutput)(nil)

// urlTimeout bounds a whole request of a [URLOutput].
const urlTimeout = 10 * time.Second

// NewURLOutput returns an output that posts to u. A redirect is a failure, since
// it could lead a request to addresses that only this machine can reach.
func NewURLOutput(u *url.URL) *URLOutput {
	return &URLOutput{url: u, client: &http.Client{
		Timeout:       urlTimeout,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// Put implements [Output]. Any answer but 2xx is an error.
func (o *URLOutput) Put(ctx context.Context, checkpoint []byte) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, o.url.String(), bytes.NewReader(checkpoint))
	if err != nil {
		return fmt.Errorf("post checkpoint: %w", err)
	}
	req.Header.Set("Content-Type", "text/plain; charset=utf-8")
	res, err := o.client.Do(req)
	if err != nil {
		// A *url.Error quotes the whole URL, and a token may be in it.
		if e, ok := errors.AsType[*url.Error](err); ok {
			err = e.Err
		}
		return fmt.Errorf("post checkpoint to %s: %w", o, err)
	}
	defer res.Body.Close()
	_, _ = io.Copy(io.Discard, io.LimitReader(res.Body, 4096)) // so that the connection can be used again
	if res.StatusCode/100 != 2 {
		return fmt.Errorf("post checkpoint to %s: status %d", o, res.StatusCode)
	}
	return nil
}

func (o *URLOutput) String() string { return o.url.Scheme + "://" + o.url.Host }
