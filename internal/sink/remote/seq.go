package remote

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"

	"vigil/internal/jsonb"
	"vigil/internal/sink"
)

// SeqOptions are what Seq needs beside a [Config].
type SeqOptions struct {
	APIKey string // X-Seq-ApiKey; empty: none
	// EventLimit is how many bytes one event may have; 0 is Serilog's 262144. A
	// larger one is replaced by an Error event with its beginning, and set aside.
	EventLimit int
}

// seq remembers the level below which Seq wants no events.
type seq struct {
	limit int
	now   func() time.Time

	mu    sync.Mutex
	least int // of seqLevels; 0 wants all
	asked time.Time
}

// seqLevels are Serilog's levels, rising.
var seqLevels = map[string]int{
	"verbose": 1, "trace": 1, "all": 1, "debug": 2, "information": 3, "info": 3, "": 3, "notice": 3,
	"warning": 4, "warn": 4, "error": 5, "err": 5, "fatal": 6, "critical": 6, "panic": 6, "alert": 6, "emergency": 6,
}

// seqRecheck is how often Seq is asked whether its least level has changed while
// everything is below it, as Serilog's sink does.
const seqRecheck = 2 * time.Minute

// seqSample is how much of an oversized event is still sent.
const seqSample = 1024

// NewSeq returns a Sink for Seq. The lines should be CLEF; a line that has no @t
// is made CLEF. The path is /ingest/clef; older Seqs want /api/events/raw, which
// the URL may name: ?clef is added to it.
func NewSeq(c Config, o SeqOptions) (*Sink, error) {
	x := &seq{limit: orElse(o.EventLimit, 262144), now: c.Now}
	if x.now == nil {
		x.now = time.Now
	}
	p := protocol{
		path: "/ingest/clef", contentType: "application/vnd.serilog.clef", lines: 1000, bytes: 8 << 20, sep: "\n", close: "\n",
		item: x.item, skip: x.skip, judge: x.judge,
	}
	if u, err := parseURL(c.URL); err == nil && strings.HasSuffix(u.Path, "/api/events/raw") && !u.Query().Has("clef") {
		p.query = "clef"
	}
	if o.APIKey != "" {
		p.header = map[string]string{"X-Seq-ApiKey": o.APIKey}
	}
	return newSink(c, p)
}

// skip leaves out what Seq said it does not want.
func (x *seq) skip(it *item) bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.least == 0 || seqLevel(it) >= x.least {
		return false
	}
	now := x.now()
	if now.Sub(x.asked) < seqRecheck {
		return true
	}
	x.asked = now
	return false // this one asks again
}

func seqLevel(it *item) int {
	text, _ := severity(it)
	if n, ok := seqLevels[strings.ToLower(string(text))]; ok {
		return n
	}
	return seqLevels["fatal"] // what is not known is not left out
}

func (x *seq) item(dst []byte, it *item) []byte {
	start := len(dst)
	dst = appendCLEF(dst, it)
	if size := len(dst) - start; size > x.limit {
		sample := bytes.Clone(dst[start : start+min(seqSample, size)])
		dst = appendOversize(dst[:start], it, sample, size, x.limit)
	}
	return dst
}

// appendCLEF appends the line as a compact event of Serilog's.
func appendCLEF(dst []byte, it *item) []byte {
	if !it.object {
		dst = appendSeqTime(dst, it.at)
		return append(jsonb.AppendLineString(append(dst, `,"@m":`...), it.line), '}')
	}
	if _, ok := jsonb.Get(it.line, "@t"); ok {
		return append(dst, it.line...)
	}
	dst = appendSeqTime(dst, it.at)
	dst = append(dst, `,"@m":`...)
	dst = jsonb.AppendLineString(dst, messageOf(it))
	if text, number := severity(it); number > 0 {
		dst = jsonb.AppendLineString(append(dst, `,"@l":`...), text)
	}
	for key, v := range jsonb.Members(it.line) {
		if strings.HasPrefix(key, "@") {
			key = "@" + key
		}
		dst = append(jsonb.AppendLineString(append(dst, ','), key), ':')
		dst = append(dst, v...)
	}
	return append(dst, '}')
}

func appendSeqTime(dst []byte, t time.Time) []byte {
	return append(t.UTC().AppendFormat(append(dst, `{"@t":"`...), "2006-01-02T15:04:05.0000000Z07:00"), '"')
}

// messageOf is what a document, or the one in an envelope, says it is about.
func messageOf(it *item) []byte {
	for _, object := range [...][]byte{it.line, sink.Enclosed(it.line)} {
		if object == nil {
			continue
		}
		for _, key := range [...]string{"message", "msg", "ev"} {
			if v, ok := jsonb.Get(object, key); ok && jsonb.Kind(v) == '"' {
				return jsonb.AppendText(nil, v)
			}
		}
	}
	return []byte(it.e.Table)
}

// appendOversize appends what stands for an event that is too large, as
// Serilog's sink writes it.
func appendOversize(dst []byte, it *item, sample []byte, size, limit int) []byte {
	dst = appendSeqTime(dst, it.at)
	dst = append(dst, `,"@l":"Error","@mt":"Event JSON representation exceeds the body size limit {EventBodyLimitBytes}; data: {EventBodySample}","EventBodySample":`...)
	dst = jsonb.AppendLineString(dst, sample)
	return fmt.Appendf(dst, `,"EventBodyLimitBytes":%d,"EventBodyBytes":%d,"EventId":%q}`, limit, size, it.id)
}

// judge reads the least level that Seq wants, and sets oversized events aside.
func (x *seq) judge(ctx context.Context, s *Sink, a *answer, items []item) outcome {
	if a.status < 200 || a.status > 299 {
		return byStatus(ctx, s, a, items)
	}
	var got struct {
		Least *string `json:"MinimumLevelAccepted"`
	}
	if text := bytes.TrimSpace(a.body); len(text) > 0 {
		if err := json.Unmarshal(text, &got); err != nil || a.status == http.StatusNoContent {
			return outcome{err: waitFor(0, "%s answered what no Seq answers: %s", s.url.Host, reason(a))}
		}
	}
	x.mu.Lock()
	x.least = 0
	if got.Least != nil {
		x.least = seqLevels[strings.ToLower(*got.Least)]
	}
	x.asked = x.now()
	x.mu.Unlock()
	var out outcome
	for i := range items {
		if len(items[i].line) <= x.limit/2 {
			continue
		}
		if size := len(appendCLEF(nil, &items[i])); size > x.limit {
			out.items = append(out.items, refusal{i, fmt.Sprintf("%d bytes are more than the %d that Seq takes of an event; its beginning was sent", size, x.limit)})
		}
	}
	return out
}
