// Package oracle is the audit record of Oracle Healthcare Data Repository's FHIR
// server: the twelve columns of its table OHF_HDR_FHIR_AUDIT, which are also the
// members of a line of its file audit-hdr-fhir.log, as a view of an exchange.
package oracle

import (
	"encoding/base64"
	"encoding/json"
	"strconv"
	"time"
	"unicode/utf8"

	"vigil"
	"vigil/internal/jsonb"
)

// Table is the table's name as databases fold it, and the path under which it is
// read.
const Table = "ohf_hdr_fhir_audit"

// A Column is one of the twelve.
type Column uint8

// The columns, in Oracle's order.
const (
	AuditID Column = iota
	UserID
	ResourceName
	HTTPReqType
	RequestURL
	HTTPResCode
	SourceIPAddress
	ProcessingTimeMillis
	RequestPayload
	ResponsePayload
	EventTimestamp
	AuditEvent
	NumColumns
)

var names = [NumColumns]string{
	"AUDIT_ID", "USER_ID", "RESOURCE_NAME", "HTTP_REQ_TYPE", "REQUEST_URL", "HTTP_RES_CODE",
	"SOURCE_IP_ADDRESS", "PROCESSING_TIME_MILLIS", "REQUEST_PAYLOAD", "RESPONSE_PAYLOAD",
	"EVENT_TIMESTAMP", "ATNA_AUDITEVENT",
}

var comments = [NumColumns]string{
	"Unique identifier of the audit record.",
	"Who sent the request: the subject of the token, else the name or client that it came with.",
	"FHIR resource type that was asked for.",
	"HTTP method.",
	"URL of the request.",
	"HTTP status of the response; null where there was none.",
	"Network address that it came from.",
	"Milliseconds until the response was delivered.",
	"Body of the request, where payloads are kept.",
	"Body of the response, where payloads are kept.",
	"When the request came.",
	"The record as a FHIR AuditEvent.",
}

// String returns the name of c as Oracle spells it.
func (c Column) String() string {
	if c >= NumColumns {
		return "unknown"
	}
	return names[c]
}

// Comment says what c holds.
func (c Column) Comment() string {
	if c >= NumColumns {
		return ""
	}
	return comments[c]
}

// A Record is one row or line. Empty texts are null.
type Record struct {
	AuditID         string
	UserID          string
	ResourceName    string
	Method          string
	URL             string
	Status          int // 0: null
	SourceIP        string
	ProcessingTime  time.Duration
	RequestPayload  string
	ResponsePayload string
	Timestamp       time.Time
	AuditEvent      []byte // JSON; empty is null
}

// Options says what a record has beyond the eleven columns that are always there.
type Options struct {
	// Payloads keeps the payloads that the exchange has
	// (audit.savemessagepayload.enabled).
	Payloads bool
	// MaxPayload bounds a payload, in bytes; 0 is 1 MiB.
	MaxPayload int
	// AuditEvents makes the AuditEvents of an exchange, its own first; nil leaves
	// the column null.
	AuditEvents func(*vigil.Exchange) ([]*vigil.Event, error)
}

// Of returns the record of an exchange. A request that FHIR's URLs do not tell a
// resource type of has none.
func (o *Options) Of(x *vigil.Exchange) (Record, error) {
	r := Record{
		AuditID: x.ID, UserID: user(x), ResourceName: x.Type, Method: x.Method, URL: url(x),
		Status: x.Status, ProcessingTime: x.Duration, Timestamp: x.Start,
	}
	if len(x.Peer) > 0 {
		r.SourceIP = x.Peer[0]
	}
	if o.Payloads {
		r.RequestPayload, r.ResponsePayload = o.payload(x.RequestBody), o.payload(x.ResponseBody)
	}
	if o.AuditEvents != nil {
		events, err := o.AuditEvents(x)
		if err != nil {
			return r, err
		}
		if len(events) > 0 {
			r.AuditEvent = events[0].Doc
		}
	}
	return r, nil
}

// user returns the best name that the request had of its sender.
func user(x *vigil.Exchange) string {
	for _, s := range [...]string{x.User.Subject, x.User.Username, x.User.Name, x.User.Client} {
		if s != "" {
			return s
		}
	}
	return ""
}

// url returns what the client asked for. The scheme that it used is not known
// behind a proxy, so the URL begins with the path.
func url(x *vigil.Exchange) string {
	if x.RawQuery == "" {
		return x.Path
	}
	return x.Path + "?" + x.RawQuery
}

// payload returns a body as text: what is no text in base64 behind a mark, and of
// a long one the beginning before a mark.
func (o *Options) payload(b *vigil.Body) string {
	if b == nil {
		return ""
	}
	limit := o.MaxPayload
	if limit <= 0 {
		limit = 1 << 20
	}
	text, cut := b.Text, b.Cut
	if len(b.Binary) > 0 {
		if raw := limit / 4 * 3; len(b.Binary) > raw {
			return "base64:" + base64.StdEncoding.EncodeToString(b.Binary[:raw/3*3]) + CutMark
		}
		text = "base64:" + base64.StdEncoding.EncodeToString(b.Binary)
	} else if len(text) > limit {
		for limit > 0 && !utf8.RuneStart(text[limit]) {
			limit--
		}
		text, cut = text[:limit], true
	}
	if cut {
		text += CutMark
	}
	return text
}

// CutMark follows a payload of which only the beginning is kept.
const CutMark = " [cut]"

// AppendLine appends r as a line of audit-hdr-fhir.log: a JSON object with the
// columns' names, in their order, and a line feed. Control characters are escaped.
func (r *Record) AppendLine(dst []byte) []byte {
	dst = append(dst, `{"AUDIT_ID":`...)
	dst = appendText(dst, r.AuditID)
	dst = r.text(dst, UserID, r.UserID)
	dst = r.text(dst, ResourceName, r.ResourceName)
	dst = r.text(dst, HTTPReqType, r.Method)
	dst = r.text(dst, RequestURL, r.URL)
	dst = key(dst, HTTPResCode)
	if r.Status == 0 {
		dst = append(dst, "null"...)
	} else {
		dst = strconv.AppendInt(dst, int64(r.Status), 10)
	}
	dst = r.text(dst, SourceIPAddress, r.SourceIP)
	dst = strconv.AppendInt(key(dst, ProcessingTimeMillis), r.ProcessingTime.Milliseconds(), 10)
	dst = r.text(dst, RequestPayload, r.RequestPayload)
	dst = r.text(dst, ResponsePayload, r.ResponsePayload)
	dst = append(key(dst, EventTimestamp), '"')
	dst = append(r.Timestamp.UTC().AppendFormat(dst, Time), '"')
	dst = key(dst, AuditEvent)
	if len(r.AuditEvent) == 0 {
		dst = append(dst, "null"...)
	} else {
		dst = append(dst, r.AuditEvent...)
	}
	return append(dst, '}', '\n')
}

// Time is the layout of EVENT_TIMESTAMP in a line, in UTC.
const Time = "2006-01-02T15:04:05.000Z"

func key(dst []byte, c Column) []byte {
	dst = append(dst, `,"`...)
	dst = append(dst, names[c]...)
	return append(dst, `":`...)
}

func (r *Record) text(dst []byte, c Column, s string) []byte {
	dst = key(dst, c)
	if s == "" {
		return append(dst, "null"...)
	}
	return appendText(dst, s)
}

// appendText appends a JSON string in which nothing can break a line or hide text.
func appendText(dst []byte, s string) []byte {
	dst = append(dst, '"')
	for i := 0; i < len(s); {
		r, n := utf8.DecodeRuneInString(s[i:])
		switch {
		case r == '"' || r == '\\':
			dst = append(dst, '\\', byte(r))
		case jsonb.Hidden(r):
			dst = jsonb.AppendEscape(dst, r)
		default:
			dst = utf8.AppendRune(dst, r)
		}
		i += n
	}
	return append(dst, '"')
}

// Lines returns the line format: the line of each exchange, nothing for other
// events and for documents that cannot be read.
func (o *Options) Lines() func(dst []byte, e *vigil.Event) []byte {
	return func(dst []byte, e *vigil.Event) []byte {
		if e.Format != vigil.FormatExchange {
			return dst
		}
		var x vigil.Exchange
		if json.Unmarshal(e.Doc, &x) != nil {
			return dst
		}
		r, err := o.Of(&x)
		if err != nil {
			r.AuditEvent = nil // the rest is still true
		}
		return r.AppendLine(dst)
	}
}
