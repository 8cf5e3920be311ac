package forward

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"vigil"
)

// Config says where events go.
type Config struct {
	// URL is the other Vigil's API, such as https://audit.example.org.
	URL string
	// Token returns the bearer token of a request; nil, or an empty one, sends
	// none. See [TokenFile].
	Token func() (string, error)
	// Client sends the requests; nil is one that waits a minute for an answer.
	// It must follow no redirects (see [NewClient]).
	Client *http.Client
	// Key returns the key of the batch that a Write is called with; nil, or
	// false, sends none, and then a batch may be added twice.
	Key func(context.Context) (string, bool)
}

// Writer is a [vigil.Writer] to another Vigil. It is safe for concurrent use.
type Writer struct {
	c    Config
	base string
}

var _ vigil.Writer = (*Writer)(nil)

// New checks c. It sends nothing.
func New(c Config) (*Writer, error) {
	u, err := url.Parse(c.URL)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return nil, errors.New("forward: the URL of the other Vigil must be such as https://audit.example.org, without a password in it")
	}
	if c.Token == nil {
		c.Token = func() (string, error) { return "", nil }
	}
	if c.Key == nil {
		c.Key = func(context.Context) (string, bool) { return "", false }
	}
	if c.Client == nil {
		c.Client = NewClient(nil)
	}
	return &Writer{c: c, base: strings.TrimRight(u.String(), "/") + "/"}, nil
}

// NewClient returns a client over t that follows no redirects, so that neither
// events nor the token go where nobody configured; nil is a plain Transport
// without a proxy of the environment.
func NewClient(t http.RoundTripper) *http.Client {
	if t == nil {
		t = &http.Transport{ForceAttemptHTTP2: true, TLSHandshakeTimeout: 10 * time.Second, IdleConnTimeout: 90 * time.Second}
	}
	return &http.Client{
		Transport: t, Timeout: time.Minute,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// Write implements [vigil.Writer].
func (w *Writer) Write(ctx context.Context, events []*vigil.Event) error {
	key, _ := w.c.Key(ctx)
	for len(events) > 0 {
		table := events[0].Table
		var rest []*vigil.Event
		var body []byte
		for _, e := range events {
			if e.Table != table {
				rest = append(rest, e)
				continue
			}
			body = appendRow(body, e)
		}
		if err := w.post(ctx, table, key, body); err != nil {
			return err
		}
		events = rest
	}
	return nil
}

// appendRow appends a line of NDJSON. Line ends in the white space of a document
// become spaces.
func appendRow(b []byte, e *vigil.Event) []byte {
	b = append(b, '{')
	if e.WantID != 0 {
		b = append(strconv.AppendInt(append(b, `"id":`...), e.WantID, 10), ',')
	}
	b = append(b, `"event":`...)
	at := len(b)
	b = append(b, e.Doc...)
	for i, c := range b[at:] {
		if c == '\n' || c == '\r' { // outside of strings, since the JSON is valid
			b[at+i] = ' '
		}
	}
	return append(b, "}\n"...)
}

// post sends the rows of one table.
func (w *Writer) post(ctx context.Context, table, key string, body []byte) error {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, w.base+url.PathEscape(table), bytes.NewReader(body))
	if err != nil {
		return fmt.Errorf("forward: %w", err)
	}
	token, err := w.c.Token()
	if err != nil {
		return &vigil.Error{Kind: vigil.Unauthenticated, Message: "forward: the token cannot be read", Err: err}
	}
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	r.Header.Set("Content-Type", "application/x-ndjson")
	r.Header.Set("Prefer", "return=minimal")
	if key != "" {
		r.Header.Set("Idempotency-Key", key+"."+table)
	}
	resp, err := w.c.Client.Do(r)
	if err != nil {
		return &vigil.Error{Kind: vigil.Unavailable, Message: "forward: the other Vigil cannot be reached", Err: err}
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(io.LimitReader(resp.Body, 64<<10))
	if resp.StatusCode == http.StatusCreated || resp.StatusCode == http.StatusOK {
		return nil
	}
	if err != nil {
		text = nil
	}
	return refusal(table, resp, text)
}

// kinds has what the answers mean that another attempt will not mend, and
// [http.StatusTooManyRequests]; any other is [vigil.Unavailable].
var kinds = map[int]vigil.Kind{
	http.StatusBadRequest:            vigil.Invalid,
	http.StatusUnauthorized:          vigil.Unauthenticated,
	http.StatusForbidden:             vigil.Forbidden,
	http.StatusNotFound:              vigil.NotFound,
	http.StatusMethodNotAllowed:      vigil.NotAllowed,
	http.StatusConflict:              vigil.Conflict,
	http.StatusRequestEntityTooLarge: vigil.TooLarge,
	http.StatusUnsupportedMediaType:  vigil.Unsupported,
	http.StatusUnprocessableEntity:   vigil.Unprocessable,
	http.StatusTooManyRequests:       vigil.TooMany,
}

// refusal makes an error of an answer.
func refusal(table string, resp *http.Response, body []byte) error {
	e := &vigil.Error{Kind: vigil.Unavailable}
	if kind, ok := kinds[resp.StatusCode]; ok {
		e.Kind = kind
	}
	if s, err := strconv.Atoi(resp.Header.Get("Retry-After")); err == nil && s > 0 {
		e.RetryAfter = min(time.Duration(s)*time.Second, time.Hour)
	}
	e.Message = fmt.Sprintf("forward: the other Vigil answers %d for table %s", resp.StatusCode, table)
	if resp.StatusCode >= 300 && resp.StatusCode < 400 {
		e.Message += ": redirects are not followed; configure the URL that it names"
	}
	// PostgREST's error object. Details are left out: they may quote a document.
	var said struct{ Code, Message, Hint string }
	if json.Unmarshal(body, &said) == nil && said.Message != "" {
		e.Code = said.Code
		e.Message += ": " + said.Message
	}
	if resp.StatusCode == http.StatusUnauthorized || resp.StatusCode == http.StatusForbidden {
		e.Hint = "Give a token of the role gateway, by VIGIL_TOKEN or --token-file."
		e.Message += ": " + e.Hint
	}
	return e
}
