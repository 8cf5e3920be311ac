package remote

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"time"

	"vigil/internal/jsonb"
)

// ElasticsearchOptions are what Elasticsearch and OpenSearch need beside a [Config].
type ElasticsearchOptions struct {
	// Index is the pattern of the index's name, in Java's date syntax:
	// 'audit'-yyyy-MM-dd. It is filled in with the UTC time of each event.
	Index  string
	APIKey string // sent as Authorization: ApiKey …; empty: none
	// Nodes are further addresses of the cluster that Config.URL is of. One is used
	// until it does not answer or fails, then the next. No line is there twice for
	// it: ids are those of the cluster.
	Nodes []string
}

// NewElasticsearch returns a Sink for the _bulk API. Lines are created, never
// overwritten, under an _id made of the event's UID. A line that is no JSON
// object becomes the member message of one; @timestamp is added where it lacks.
func NewElasticsearch(c Config, o ElasticsearchOptions) (*Sink, error) {
	index, err := ParsePattern(o.Index)
	if err != nil {
		return nil, fmt.Errorf("open sink %s: index: %w", c.Name, err)
	}
	if err := checkIndex(index); err != nil {
		return nil, fmt.Errorf("open sink %s: index: %w", c.Name, err)
	}
	p := protocol{
		path: "/_bulk", others: o.Nodes,
		query:       "filter_path=errors,error,items.create.status,items.create.error.type,items.create.error.reason,items.create.error.caused_by.reason",
		contentType: "application/x-ndjson", lines: 1000, bytes: 8 << 20,
		item: (&bulk{index: index}).item, judge: judgeBulk,
	}
	if o.APIKey != "" {
		p.header = map[string]string{"Authorization": "ApiKey " + o.APIKey}
	}
	return newSink(c, p)
}

// checkIndex tries the pattern with a few times: the server refuses names that
// have upper case or certain other characters, one event at a time.
func checkIndex(p *Pattern) error {
	for month := range 12 {
		name := string(p.Append(nil, time.Date(2024, time.Month(month+1), 28, 13, 14, 15, 0, time.UTC)))
		if name == "" || len(name) > 255 || name == "." || name == ".." {
			return fmt.Errorf("%q cannot be the name of an index", name)
		}
		for i, c := range []byte(name) {
			if c <= ' ' || c >= 'A' && c <= 'Z' || i == 0 && (c == '-' || c == '_' || c == '+') || strings.IndexByte(`\/*?"<>|,#:`, c) >= 0 {
				return fmt.Errorf("%q cannot be the name of an index: want lower-case letters, digits, - and _ behind the first", name)
			}
		}
	}
	return nil
}

// bulk makes actions; it remembers the last name of an index.
type bulk struct {
	index *Pattern
	at    int64 // second that name is of
	name  []byte
}

func (b *bulk) item(dst []byte, it *item) []byte {
	if at := it.at.Unix(); at != b.at || b.name == nil {
		b.name = b.index.Append(b.name[:0], it.at.UTC())
		b.at = at
	}
	dst = append(dst, `{"create":{"_index":`...)
	dst = jsonb.AppendLineString(dst, b.name)
	if len(it.id) > 0 {
		dst = append(dst, `,"_id":"`...)
		dst = append(append(dst, it.id...), '"')
	}
	dst = append(dst, '}', '}', '\n')
	return append(appendStamped(dst, it), '\n')
}

// appendStamped appends the line as an object with @timestamp.
func appendStamped(dst []byte, it *item) []byte {
	if !it.object {
		dst = append(dst, `{"message":`...)
		dst = append(jsonb.AppendLineString(dst, it.line), `,"@timestamp":"`...)
		dst = it.at.UTC().AppendFormat(dst, time.RFC3339Nano)
		return append(dst, '"', '}')
	}
	if _, ok := jsonb.Get(it.line, "@timestamp"); ok {
		return append(dst, it.line...)
	}
	dst = append(dst, `{"@timestamp":"`...)
	dst = append(it.at.UTC().AppendFormat(dst, time.RFC3339Nano), '"')
	if len(it.line) > 2 {
		dst = append(dst, ',')
	}
	return append(dst, it.line[1:]...)
}

// bulkAnswer is the answer of _bulk.
type bulkAnswer struct {
	Errors *bool `json:"errors"`
	Items  []struct {
		Create struct {
			Status int `json:"status"`
			Error  struct {
				Type     string `json:"type"`
				Reason   string `json:"reason"`
				CausedBy struct {
					Reason string `json:"reason"`
				} `json:"caused_by"`
			} `json:"error"`
		} `json:"create"`
	} `json:"items"`
}

// judgeBulk reads the answer for each item: 409 says that it is there already,
// 429 and 5xx that it is to come again, another 4xx that it is refused for good.
// VictoriaLogs says that it cannot read a request by an empty answer with 200.
func judgeBulk(ctx context.Context, s *Sink, a *answer, items []item) outcome {
	if a.status != http.StatusOK {
		return byStatus(ctx, s, a, items)
	}
	if len(bytes.TrimSpace(a.body)) == 0 {
		return outcome{refused: reason(a) + ", and no word about the items"}
	}
	var got bulkAnswer
	if err := json.Unmarshal(a.body, &got); err != nil || got.Errors == nil {
		return outcome{err: waitFor(0, "%s answered what no _bulk answers: %s", s.url.Host, clip(string(a.body), reasonSize))}
	}
	if !*got.Errors {
		return outcome{}
	}
	if len(got.Items) != len(items) {
		return outcome{err: waitFor(0, "%s answered for %d items of %d", s.url.Host, len(got.Items), len(items))}
	}
	var out outcome
	for i := range got.Items {
		c := &got.Items[i].Create
		why := clip(c.Error.Type+": "+c.Error.Reason+" "+c.Error.CausedBy.Reason, reasonSize)
		switch {
		case c.Status >= 200 && c.Status <= 299, c.Status == http.StatusConflict:
		case c.Status >= 400 && c.Status <= 499 && c.Status != http.StatusTooManyRequests && c.Status != http.StatusRequestTimeout &&
			c.Status != http.StatusUnauthorized && c.Status != http.StatusForbidden && c.Status != http.StatusNotFound:
			out.items = append(out.items, refusal{i, fmt.Sprintf("%d %s", c.Status, why)})
		default:
			out.done, out.err = i, waitFor(retryAfter(a.header, s.c.Now()), "%s took no item: %d %s", s.url.Host, c.Status, why)
			return out
		}
	}
	return out
}
