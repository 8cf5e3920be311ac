package remote

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"vigil"
	"vigil/internal/jsonb"
)

// answerSize bounds the answer of a server. A _bulk of 10,000 lines answers 2 MiB.
const answerSize = 32 << 20

// reasonSize bounds what is repeated of an answer.
const reasonSize = 300

// answer is what a server said.
type answer struct {
	status int
	header http.Header
	body   []byte
}

// outcome is what an answer means for the items of a request.
type outcome struct {
	// err says that items from done on are to be sent again later.
	err  error
	done int
	// refused is why the server will never take the request as it is; where it has
	// several items, one of them may be the reason.
	refused string
	sure    bool      // the server speaks of lines, so it is not the one that is wrong
	items   []refusal // of those that are done, the ones that the server will never take
	count   int       // how many lines one refusal stands for; 0 is one
}

type refusal struct {
	item   int
	reason string
}

// byStatus is the judgement by the HTTP status alone.
func byStatus(_ context.Context, s *Sink, a *answer, _ []item) outcome {
	switch {
	case a.status >= 200 && a.status <= 299:
		return outcome{}
	case a.status >= 300 && a.status <= 399:
		return outcome{err: waitFor(0, "%s redirects, which is not followed: configure the address that it is to be%s", s.url.Host, location(a.header))}
	case a.status == http.StatusBadRequest, a.status == http.StatusRequestEntityTooLarge, a.status == http.StatusUnprocessableEntity:
		return outcome{refused: reason(a)}
	case a.status == http.StatusUnauthorized, a.status == http.StatusForbidden:
		return outcome{err: waitFor(0, "%s does not accept the credentials: %s", s.url.Host, reason(a))}
	}
	return outcome{err: waitFor(retryAfter(a.header, s.c.Now()), "%s answered %s", s.url.Host, reason(a))}
}

// waitFor is an error that ends when the server is well again.
func waitFor(after time.Duration, format string, args ...any) error {
	return &vigil.Error{Kind: vigil.Unavailable, Message: fmt.Sprintf(format, args...), RetryAfter: after}
}

// location names the host that a redirect leads to, no more: paths and
// parameters may hold secrets.
func location(h http.Header) string {
	u, err := url.Parse(h.Get("Location"))
	if err != nil || u.Host == "" {
		return ""
	}
	return " (it names " + clip(u.Scheme+"://"+u.Host, 100) + ")"
}

// reason is the status with the beginning of the answer.
func reason(a *answer) string {
	text := strconv.Itoa(a.status)
	if name := http.StatusText(a.status); name != "" {
		text += " " + name
	}
	if body := clip(string(a.body), reasonSize); body != "" {
		text += ": " + body
	}
	return text
}

// clip makes one printable line of at most n bytes of what a server said.
func clip(s string, n int) string {
	if len(s) > n {
		for n > 0 && !utf8.RuneStart(s[n]) {
			n--
		}
		s = s[:n] + "…"
	}
	s = strings.Map(func(r rune) rune {
		if jsonb.Hidden(r) {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(s, "\uFFFD"))
	return strings.TrimSpace(s)
}

// retryAfter reads the header of that name, seconds or a date; 0 is nothing said.
func retryAfter(h http.Header, now time.Time) time.Duration {
	s := h.Get("Retry-After")
	if n, err := strconv.ParseUint(s, 10, 32); err == nil {
		return time.Duration(n) * time.Second
	}
	if t, err := http.ParseTime(s); err == nil {
		return max(t.Sub(now), 0)
	}
	return 0
}

// transportError is why there was no answer, without the address.
func (s *Sink) transportError(err error) error {
	if u, ok := errors.AsType[*url.Error](err); ok {
		err = u.Err // the address may hold a secret
	}
	return &vigil.Error{Kind: vigil.Unavailable, Message: s.url.Host + " gave no answer", Err: err}
}

// readAnswer reads an answer within bounds.
func readAnswer(res *http.Response) (*answer, error) {
	b, err := io.ReadAll(io.LimitReader(res.Body, answerSize+1))
	if err == nil && len(b) > answerSize {
		err = errors.New("the answer is too long")
	}
	return &answer{status: res.StatusCode, header: res.Header, body: b}, errors.Join(err, res.Body.Close())
}
