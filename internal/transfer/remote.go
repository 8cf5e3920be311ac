package transfer

import (
	"bytes"
	"cmp"
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
)

// Remote is the target that is a table of a running server.
//
// The documents go as NDJSON, so line ends in the white space of a document
// become spaces.
type Remote struct {
	Client *http.Client
	Base   string // URL of the server
	Table  string
	Token  string // bearer token, may be empty
	// Attempts is how often a chunk is sent while the server cannot be reached
	// or asks to wait; 0 is 6. Nothing is added twice.
	Attempts int
	// Pause waits between attempts; nil waits.
	Pause func(context.Context, time.Duration) error
}

var _ Finder = (*Remote)(nil)

// Append implements [Target].
func (r *Remote) Append(ctx context.Context, key string, records []Record) (merged bool, err error) {
	body := lines(records)
	err = r.retry(ctx, func() (wait time.Duration, err error) {
		merged, wait, err = r.send(ctx, key, body)
		return wait, err
	})
	return merged, err
}

// retry tries until it works, or there is no use in another attempt.
func (r *Remote) retry(ctx context.Context, try func() (wait time.Duration, err error)) error {
	attempts := cmp.Or(r.Attempts, 6)
	for i := 1; ; i++ {
		wait, err := try()
		if err == nil || wait < 0 || i == attempts {
			return err
		}
		if wait == 0 {
			wait = 250 * time.Millisecond << min(i, 6)
		}
		pause := r.Pause
		if pause == nil {
			pause = sleep
		}
		if err := pause(ctx, wait); err != nil {
			return err
		}
	}
}

// final is the wait of what another attempt will not mend.
const final = time.Duration(-1)

// send makes one attempt. The wait is what the server asks for, final where
// there is no use in another attempt.
func (r *Remote) send(ctx context.Context, key string, body []byte) (merged bool, wait time.Duration, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, strings.TrimRight(r.Base, "/")+"/"+url.PathEscape(r.Table), bytes.NewReader(body))
	if err != nil {
		return false, final, fmt.Errorf("import: %w", err)
	}
	req.Header.Set("Content-Type", "application/x-ndjson")
	req.Header.Set("Prefer", "return=minimal")
	req.Header.Set("Idempotency-Key", key)
	req.Header.Set("Vigil-Import", "1")
	if r.Token != "" {
		req.Header.Set("Authorization", "Bearer "+r.Token)
	}
	res, err := r.Client.Do(req)
	if err != nil {
		if ctx.Err() != nil {
			wait = final
		}
		return false, wait, fmt.Errorf("import: %w", err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(io.LimitReader(res.Body, 64<<10))
	switch {
	case res.StatusCode/100 == 2:
		return res.Header.Get("Idempotency-Replayed") == "true", 0, nil
	case err != nil:
		return false, 0, fmt.Errorf("import: %w", err)
	}
	err = ErrorOf(res.StatusCode, text)
	switch res.StatusCode {
	case http.StatusBadRequest, http.StatusConflict, http.StatusRequestEntityTooLarge, http.StatusUnprocessableEntity:
		return false, final, &Refusal{Err: err, KeyUsed: res.StatusCode == http.StatusUnprocessableEntity}
	}
	return false, waitOf(res), err
}

// waitOf is how long to wait until the next attempt after an error.
func waitOf(res *http.Response) time.Duration {
	switch res.StatusCode {
	case http.StatusTooManyRequests, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		if s, err := strconv.Atoi(res.Header.Get("Retry-After")); err == nil && s > 0 {
			return min(time.Duration(s)*time.Second, time.Minute)
		}
		return 0
	}
	return final
}

// ErrorOf makes an error of a server's answer: of PostgREST's error object, or
// of the status alone.
func ErrorOf(status int, body []byte) error {
	var e struct{ Message, Details, Hint, Code string }
	text := fmt.Sprintf("the server answers %d %s", status, http.StatusText(status))
	if json.Unmarshal(body, &e) == nil {
		for _, s := range []string{e.Message, e.Details, e.Hint} {
			if s != "" {
				text += ": " + s
			}
		}
	}
	return errors.New(text)
}

// lines writes the rows as NDJSON.
func lines(records []Record) []byte {
	size := 0
	for _, r := range records {
		size += len(r.Doc) + 40
	}
	b := make([]byte, 0, size)
	for _, r := range records {
		b = append(b, '{')
		if r.HasID {
			b = strconv.AppendInt(append(b, `"id":`...), r.ID, 10)
			b = append(b, ',')
		}
		b = append(b, `"event":`...)
		at := len(b)
		b = append(b, r.Doc...)
		for i, c := range b[at:] {
			if c == '\n' || c == '\r' { // outside of strings, since the JSON is valid
				b[at+i] = ' '
			}
		}
		b = append(b, "}\n"...)
	}
	return b
}

// sleep waits for d or the end of ctx.
func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
