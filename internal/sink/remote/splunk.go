package remote

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"vigil/internal/jsonb"
)

// SplunkOptions are what Splunk's HTTP Event Collector needs beside a [Config].
type SplunkOptions struct {
	Token      string
	Index      string // empty: the token's
	Source     string // empty is vigil
	SourceType string // empty is _json
	Host       string // empty: Splunk's choice
	// Ack waits until the indexer says that the events are on its disk; the token
	// must have indexer acknowledgement switched on.
	Ack bool
}

// splunk asks for acknowledgements.
type splunk struct {
	channel string
	pause   time.Duration // between two questions
}

// NewSplunk returns a Sink for the HTTP Event Collector.
func NewSplunk(c Config, o SplunkOptions) (*Sink, error) {
	if o.Token == "" {
		return nil, fmt.Errorf("open sink %s: Splunk needs a token", c.Name)
	}
	rest := []byte(`,"sourcetype":`)
	rest = jsonb.AppendLineString(rest, orElse(o.SourceType, "_json"))
	rest = jsonb.AppendLineString(append(rest, `,"source":`...), orElse(o.Source, "vigil"))
	for _, f := range [...]struct{ key, value string }{{`,"index":`, o.Index}, {`,"host":`, o.Host}} {
		if f.value != "" {
			rest = jsonb.AppendLineString(append(rest, f.key...), f.value)
		}
	}
	rest = append(rest, `,"event":`...)
	p := protocol{
		path: "/services/collector/event", contentType: "application/json", lines: 1000, bytes: 800 << 10, sep: "\n",
		header: map[string]string{"Authorization": "Splunk " + o.Token},
		item: func(dst []byte, it *item) []byte {
			dst = append(dst, `{"time":`...)
			dst = appendSeconds(dst, it.at)
			dst = append(dst, rest...)
			if it.object {
				dst = append(dst, it.line...)
			} else {
				dst = jsonb.AppendLineString(dst, it.line)
			}
			return append(dst, '}')
		},
		judge: judgeSplunk,
	}
	if o.Ack {
		var id [16]byte
		rand.Read(id[:]) // never fails
		id[6], id[8] = id[6]&0x0f|0x40, id[8]&0x3f|0x80
		h := hex.EncodeToString(id[:])
		x := &splunk{channel: h[:8] + "-" + h[8:12] + "-" + h[12:16] + "-" + h[16:20] + "-" + h[20:], pause: 250 * time.Millisecond}
		p.header["X-Splunk-Request-Channel"] = x.channel
		p.judge = x.judge
	}
	return newSink(c, p)
}

// appendSeconds appends t as seconds since 1970 with six decimals.
func appendSeconds(dst []byte, t time.Time) []byte {
	micro := t.UnixMicro()
	if micro < 0 {
		dst, micro = append(dst, '-'), -micro
	}
	return fmt.Appendf(dst, "%d.%06d", micro/1e6, micro%1e6)
}

// splunkAnswer is what the collector answers.
type splunkAnswer struct {
	Text  string `json:"text"`
	Code  *int   `json:"code"`
	AckID *int64 `json:"ackId"`
}

// judgeSplunk takes only the events' own faults (codes 5, 6, 12, 13 and 15, and
// a request that is too large) for a refusal; a wrong token, index or channel is
// the configuration's.
func judgeSplunk(ctx context.Context, s *Sink, a *answer, items []item) outcome {
	var got splunkAnswer
	parsed := json.Unmarshal(a.body, &got) == nil && got.Code != nil
	switch {
	case a.status == http.StatusOK && parsed && *got.Code == 0:
		return outcome{}
	case a.status == http.StatusOK && string(bytes.TrimSpace(a.body)) == `"OK"`:
		return outcome{} // older collectors of OpenTelemetry
	case a.status == http.StatusOK:
		return outcome{err: waitFor(0, "%s answered what no event collector answers: %s", s.url.Host, reason(a))}
	case a.status == http.StatusBadRequest && parsed:
		switch *got.Code {
		case 5, 6, 12, 13, 15:
			return outcome{refused: reason(a)}
		}
		return outcome{err: waitFor(0, "%s answered %s", s.url.Host, reason(a))}
	}
	return byStatus(ctx, s, a, items)
}

// judge also waits until the indexer has the events.
func (x *splunk) judge(ctx context.Context, s *Sink, a *answer, items []item) outcome {
	out := judgeSplunk(ctx, s, a, items)
	if out.err != nil || out.refused != "" {
		return out
	}
	var got splunkAnswer
	if err := json.Unmarshal(a.body, &got); err != nil || got.AckID == nil {
		return outcome{err: waitFor(0, "%s gave no ackId: switch indexer acknowledgement on for the token, or ack off", s.url.Host)}
	}
	if err := x.await(ctx, s, *got.AckID); err != nil {
		return outcome{err: err}
	}
	return outcome{}
}

func (x *splunk) await(ctx context.Context, s *Sink, id int64) error {
	u := *s.url
	u.Path, u.RawQuery = "/services/collector/ack", "channel="+x.channel
	ctx, stop := context.WithTimeout(ctx, max(s.c.Timeout, 2*time.Minute))
	defer stop()
	for {
		question := []byte(`{"acks":[` + strconv.FormatInt(id, 10) + `]}`)
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, u.String(), bytes.NewReader(question))
		if err != nil {
			return err
		}
		req.Header = s.header
		res, err := s.client.Do(req)
		if err != nil {
			return s.transportError(err)
		}
		a, err := readAnswer(res)
		if err != nil {
			return s.transportError(err)
		}
		var got struct {
			Acks map[string]bool `json:"acks"`
		}
		if a.status != http.StatusOK || json.Unmarshal(a.body, &got) != nil {
			return waitFor(0, "%s does not say what is acknowledged: %s", s.url.Host, reason(a))
		}
		if got.Acks[strconv.FormatInt(id, 10)] {
			return nil
		}
		select {
		case <-time.After(x.pause):
		case <-ctx.Done():
			return waitFor(0, "%s did not acknowledge in time", s.url.Host)
		}
	}
}
