package remote

import (
	"bytes"
	"context"
	"encoding/json"
	"maps"
	"math"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"vigil/internal/jsonb"
	"vigil/internal/sink"
)

// OTLPOptions are what an OpenTelemetry collector needs beside a [Config].
type OTLPOptions struct {
	// Resource has the attributes of the resource; service.name is vigil where it is
	// not there.
	Resource map[string]string
}

// NewOTLP returns a Sink for OTLP over HTTP in its JSON encoding. A line that is
// a JSON object is the body as a map, another one is a string; the severity is
// read from lvl, level or severity, of the document where the line is an envelope.
func NewOTLP(c Config, o OTLPOptions) (*Sink, error) {
	open := `{"resourceLogs":[{"resource":{"attributes":` + attributes(o.Resource) + `},"scopeLogs":[{"scope":{"name":"vigil"},"logRecords":[`
	return newSink(c, protocol{
		path: "/v1/logs", contentType: "application/json", lines: 1000, bytes: 2 << 20,
		open: open, sep: ",", close: "]}]}]}", item: appendRecord, judge: judgeOTLP,
	})
}

func attributes(resource map[string]string) string {
	b := []byte(`[{"key":"service.name","value":{"stringValue":`)
	b = append(jsonb.AppendLineString(b, orElse(resource["service.name"], "vigil")), "}}"...)
	for _, key := range sortedKeys(resource) {
		if key != "service.name" {
			b = append(jsonb.AppendLineString(append(b, `,{"key":`...), key), `,"value":{"stringValue":`...)
			b = append(jsonb.AppendLineString(b, resource[key]), "}}"...)
		}
	}
	return string(append(b, ']'))
}

// appendRecord appends one logRecord.
func appendRecord(dst []byte, it *item) []byte {
	dst = append(dst, `{"timeUnixNano":"`...)
	dst = strconv.AppendInt(dst, otlpTime(it.at), 10)
	if !it.e.Received.IsZero() {
		dst = append(dst, `","observedTimeUnixNano":"`...)
		dst = strconv.AppendInt(dst, otlpTime(it.e.Received), 10)
	}
	dst = append(dst, '"')
	if text, number := severity(it); number > 0 {
		dst = append(dst, `,"severityNumber":`...)
		dst = strconv.AppendInt(dst, int64(number), 10)
		dst = jsonb.AppendLineString(append(dst, `,"severityText":`...), text)
	}
	dst = append(dst, `,"body":`...)
	if it.object {
		dst = appendAny(dst, it.line)
	} else {
		dst = append(jsonb.AppendLineString(append(dst, `{"stringValue":`...), it.line), '}')
	}
	dst = append(dst, `,"attributes":[{"key":"vigil.table","value":{"stringValue":`...)
	dst = append(jsonb.AppendLineString(dst, it.e.Table), '}', '}')
	if len(it.id) > 0 {
		dst = append(dst, `,{"key":"log.record.uid","value":{"stringValue":"`...)
		dst = append(append(dst, it.id...), `"}}`...)
	}
	return append(dst, ']', '}')
}

// otlpTime is t as OTLP's unsigned nanoseconds, 0 for one that they cannot say,
// which is how OTLP says that the time is not known: a collector refuses the whole
// request for one number below 0.
func otlpTime(t time.Time) int64 {
	n := unixNano(t)
	if n < 0 || n == math.MaxInt64 {
		return 0
	}
	return n
}

// severities has OTLP's numbers of the words that lines use.
var severities = map[string]int{
	"all": 1, "trace": 1, "verbose": 1, "debug": 5, "info": 9, "information": 9, "informational": 9, "notice": 10,
	"warn": 13, "warning": 13, "error": 17, "err": 17, "fatal": 21, "panic": 21, "critical": 21, "alert": 21, "emergency": 24,
}

// severity is the level that a line gives itself, or the document in it; 0 where
// there is none.
func severity(it *item) (text []byte, number int) {
	if !it.object {
		return nil, 0
	}
	text, ok := sink.LevelText(it.line)
	if !ok {
		return nil, 0
	}
	return text, severities[strings.ToLower(string(text))]
}

// appendAny appends a JSON value as an AnyValue. Null is the empty one.
func appendAny(dst, v []byte) []byte {
	switch jsonb.Kind(v) {
	case '{':
		dst = append(dst, `{"kvlistValue":{"values":[`...)
		first := true
		for key, member := range jsonb.Members(v) {
			if !first {
				dst = append(dst, ',')
			}
			first = false
			dst = append(jsonb.AppendLineString(append(dst, `{"key":`...), key), `,"value":`...)
			dst = append(appendAny(dst, member), '}')
		}
		return append(dst, "]}}"...)
	case '[':
		dst = append(dst, `{"arrayValue":{"values":[`...)
		first := true
		for element := range jsonb.Elements(v) {
			if !first {
				dst = append(dst, ',')
			}
			first = false
			dst = appendAny(dst, element)
		}
		return append(dst, "]}}"...)
	case '"':
		return append(append(append(dst, `{"stringValue":`...), v...), '}')
	case 't', 'f':
		return append(append(append(dst, `{"boolValue":`...), v...), '}')
	case '0':
		if _, err := strconv.ParseInt(string(v), 10, 64); err == nil {
			return append(append(append(dst, `{"intValue":"`...), v...), '"', '}')
		}
		// An integer beyond 64 bits stays exact as a text: OpenTelemetry, Mapping
		// Arbitrary Data to OTLP AnyValue.
		if _, err := strconv.ParseFloat(string(v), 64); err == nil && bytes.ContainsAny(v, ".eE") {
			return append(append(append(dst, `{"doubleValue":`...), v...), '}')
		}
		return append(append(append(dst, `{"stringValue":"`...), v...), '"', '}')
	}
	return append(dst, '{', '}')
}

// noJSON is in the answer of a server that wants protobuf, as of VictoriaLogs.
var noJSON = regexp.MustCompile(`(?i)json[^.]{0,40}(?:isn't|is not|not) supported`)

// judgeOTLP reads a partial success. The specification forbids to send again
// what was taken, and does not say which records were not, so the count is set
// aside with the batch's first event.
func judgeOTLP(ctx context.Context, s *Sink, a *answer, items []item) outcome {
	switch a.status {
	case http.StatusOK:
	case http.StatusNotFound, http.StatusMethodNotAllowed:
		return outcome{err: waitFor(0, "%s answered %s: the address wants /v1/logs", s.url.Host, reason(a))}
	default:
		if a.status == http.StatusBadRequest && noJSON.Match(a.body) {
			return outcome{err: waitFor(0, "%s takes no OTLP in JSON: %s", s.url.Host, reason(a))}
		}
		return byStatus(ctx, s, a, items)
	}
	var got struct {
		PartialSuccess struct {
			Rejected json.Number `json:"rejectedLogRecords"`
			Message  string      `json:"errorMessage"`
		} `json:"partialSuccess"`
	}
	if err := json.Unmarshal(a.body, &got); err != nil && len(strings.TrimSpace(string(a.body))) > 0 {
		return outcome{err: waitFor(0, "%s answered what no collector answers: %s", s.url.Host, reason(a))}
	}
	n, _ := strconv.Atoi(strings.Trim(got.PartialSuccess.Rejected.String(), `"`)) // 0 where there is none
	if n <= 0 {
		return outcome{}
	}
	why := clip(got.PartialSuccess.Message, reasonSize)
	if n >= len(items) {
		out := outcome{}
		for i := range items {
			out.items = append(out.items, refusal{i, why})
		}
		return out
	}
	last := items[len(items)-1].id
	return outcome{count: n, items: []refusal{{0, strconv.Itoa(n) + " of " + strconv.Itoa(len(items)) + " records, this one to " + string(last) + ": " + why}}}
}

func sortedKeys(m map[string]string) []string { return slices.Sorted(maps.Keys(m)) }
