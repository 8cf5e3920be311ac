package gateway

import (
	"encoding/binary"
	"errors"
	"time"

	"vigil"
)

// A capture is what was seen of one exchange: what a record holds. Tokens and
// passwords are not in it.
type capture struct {
	id, requestID, correlation, connection string
	start                                  time.Time
	duration                               time.Duration
	method, host, proto                    string
	path, query, base                      string
	peer, forwarded, purpose, notes        []string
	userAgent                              string
	user                                   vigil.User
	headers                                [][2]string
	audit                                  []byte // JSON object

	contentType, contentEncoding, ifNoneExist string // of the request

	ended                 bool // the handler has returned
	status                int
	reqBytes, respBytes   int64
	complete              bool
	failure               string
	location, etag        string
	respType, respCoding  string
	respRequestID         string
	reqBody, respBody     []byte
	reqCut, respCut       bool
	reqUnread, respUnread bool // not captured, because its type is none that is read

	gateway, upstream string
	keepReq, keepResp bool     // the body is part of the exchange
	redact            []string // what is not recorded as it is (rules.texts)
	doing             []byte   // of a record that is no exchange: a document for the table system
}

// Fields of a record, in the order of their numbers: a byte for the field, its
// length, its bytes. New fields get new numbers, and unknown ones are passed
// over, so that a spool may be read by another version than wrote it.
const (
	fieldID = iota + 1
	fieldRequestID
	fieldCorrelation
	fieldConnection
	fieldStart
	fieldDuration
	fieldMethod
	fieldHost
	fieldProto
	fieldPath
	fieldQuery
	fieldBase
	fieldPeer
	fieldForwarded
	fieldPurpose
	fieldNote
	fieldUserAgent
	fieldHeaderName
	fieldHeaderValue
	fieldAudit
	fieldContentType
	fieldContentEncoding
	fieldIfNoneExist
	fieldFlags
	fieldStatus
	fieldReqBytes
	fieldRespBytes
	fieldFailure
	fieldLocation
	fieldETag
	fieldRespType
	fieldRespCoding
	fieldRespRequestID
	fieldReqBody
	fieldRespBody
	fieldUserSubject
	fieldUserName
	fieldUserUsername
	fieldUserFHIR
	fieldUserClient
	fieldUserIssuer
	fieldUserTokenID
	fieldUserScope
	fieldUserBy
	fieldGateway
	fieldUpstream
	fieldRedact
	fieldDoing
)

const (
	flagEnded = 1 << iota
	flagComplete
	flagReqCut
	flagRespCut
	flagVerified
	flagReqUnread
	flagRespUnread
	flagKeepReq
	flagKeepResp
)

const recordVersion = 1

var errRecord = errors.New("the record cannot be read: it is damaged, or of a version that is not known")

// text is where the string fields of a capture are, by field.
func (c *capture) text(field byte) *string {
	switch field {
	case fieldID:
		return &c.id
	case fieldRequestID:
		return &c.requestID
	case fieldCorrelation:
		return &c.correlation
	case fieldConnection:
		return &c.connection
	case fieldMethod:
		return &c.method
	case fieldHost:
		return &c.host
	case fieldProto:
		return &c.proto
	case fieldPath:
		return &c.path
	case fieldQuery:
		return &c.query
	case fieldBase:
		return &c.base
	case fieldUserAgent:
		return &c.userAgent
	case fieldContentType:
		return &c.contentType
	case fieldContentEncoding:
		return &c.contentEncoding
	case fieldIfNoneExist:
		return &c.ifNoneExist
	case fieldFailure:
		return &c.failure
	case fieldLocation:
		return &c.location
	case fieldETag:
		return &c.etag
	case fieldRespType:
		return &c.respType
	case fieldRespCoding:
		return &c.respCoding
	case fieldRespRequestID:
		return &c.respRequestID
	case fieldGateway:
		return &c.gateway
	case fieldUpstream:
		return &c.upstream
	}
	return c.userText(field)
}

func (c *capture) userText(field byte) *string {
	switch field {
	case fieldUserSubject:
		return &c.user.Subject
	case fieldUserName:
		return &c.user.Name
	case fieldUserUsername:
		return &c.user.Username
	case fieldUserFHIR:
		return &c.user.FHIRUser
	case fieldUserClient:
		return &c.user.Client
	case fieldUserIssuer:
		return &c.user.Issuer
	case fieldUserTokenID:
		return &c.user.TokenID
	case fieldUserScope:
		return &c.user.Scope
	case fieldUserBy:
		return &c.user.By
	}
	return nil
}

// list is where the fields that may come several times are.
func (c *capture) list(field byte) *[]string {
	switch field {
	case fieldPeer:
		return &c.peer
	case fieldForwarded:
		return &c.forwarded
	case fieldPurpose:
		return &c.purpose
	case fieldNote:
		return &c.notes
	case fieldRedact:
		return &c.redact
	}
	return nil
}

// numbers returns the numeric fields; 0 is left out.
func (c *capture) numbers() [6]struct {
	field byte
	n     int64
} {
	return [6]struct {
		field byte
		n     int64
	}{
		{fieldStart, nanos(c.start)},
		{fieldDuration, int64(c.duration)},
		{fieldFlags, c.flags()},
		{fieldStatus, int64(c.status)},
		{fieldReqBytes, c.reqBytes},
		{fieldRespBytes, c.respBytes},
	}
}

// nanos is 0 for no time, for which UnixNano has no meaning.
func nanos(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixNano()
}

func (c *capture) flags() int64 {
	var f int64
	for i, on := range []bool{c.ended, c.complete, c.reqCut, c.respCut, c.user.Verified, c.reqUnread, c.respUnread, c.keepReq, c.keepResp} {
		if on {
			f |= 1 << i
		}
	}
	return f
}

// append appends the record of c to b. It is written out, since every request
// comes here twice; a test reads every field back.
func (c *capture) append(b []byte) []byte {
	b = append(b, recordVersion)
	text := func(f byte, s string) {
		if s != "" {
			b = appendField(b, f, s)
		}
	}
	list := func(f byte, l []string) {
		for _, s := range l {
			b = appendField(b, f, s)
		}
	}
	text(fieldID, c.id)
	text(fieldRequestID, c.requestID)
	text(fieldCorrelation, c.correlation)
	text(fieldConnection, c.connection)
	text(fieldMethod, c.method)
	text(fieldHost, c.host)
	text(fieldProto, c.proto)
	text(fieldPath, c.path)
	text(fieldQuery, c.query)
	text(fieldBase, c.base)
	list(fieldPeer, c.peer)
	list(fieldForwarded, c.forwarded)
	list(fieldPurpose, c.purpose)
	list(fieldNote, c.notes)
	text(fieldUserAgent, c.userAgent)
	text(fieldContentType, c.contentType)
	text(fieldContentEncoding, c.contentEncoding)
	text(fieldIfNoneExist, c.ifNoneExist)
	text(fieldFailure, c.failure)
	text(fieldLocation, c.location)
	text(fieldETag, c.etag)
	text(fieldRespType, c.respType)
	text(fieldRespCoding, c.respCoding)
	text(fieldRespRequestID, c.respRequestID)
	if c.user != (vigil.User{}) {
		for f := byte(fieldUserSubject); f <= fieldUserBy; f++ {
			text(f, *c.userText(f))
		}
	}
	text(fieldGateway, c.gateway)
	text(fieldUpstream, c.upstream)
	list(fieldRedact, c.redact)
	for _, n := range c.numbers() {
		if n.n != 0 {
			var v [binary.MaxVarintLen64]byte
			b = appendField(b, n.field, v[:binary.PutVarint(v[:], n.n)])
		}
	}
	for _, h := range c.headers {
		b = appendField(b, fieldHeaderName, h[0])
		b = appendField(b, fieldHeaderValue, h[1])
	}
	for _, part := range []struct {
		field byte
		b     []byte
	}{{fieldAudit, c.audit}, {fieldDoing, c.doing}, {fieldReqBody, c.reqBody}, {fieldRespBody, c.respBody}} {
		if len(part.b) > 0 {
			b = appendField(b, part.field, part.b)
		}
	}
	return b
}

func appendField[T string | []byte](b []byte, field byte, v T) []byte {
	b = append(b, field)
	b = binary.AppendUvarint(b, uint64(len(v)))
	return append(b, v...)
}

// decodeRecord reads what append wrote. The bodies are part of b.
func decodeRecord(b []byte) (*capture, error) {
	if len(b) == 0 || b[0] != recordVersion {
		return nil, errRecord
	}
	c := &capture{}
	text := "" // what comes before the first body, of which all strings are parts
	for at := 1; at < len(b); {
		field := b[at]
		n, size := binary.Uvarint(b[at+1:])
		if at += 1 + max(size, 0); size <= 0 || n > uint64(len(b)-at) {
			return nil, errRecord
		}
		v := b[at : at+int(n)]
		from := at
		at += int(n)
		if at > len(text) && field != fieldReqBody && field != fieldRespBody {
			text = string(b[:textEnd(b, at)])
		}
		if s := c.text(field); s != nil {
			*s = text[from:at]
		} else if l := c.list(field); l != nil {
			*l = append(*l, text[from:at])
		} else if err := c.special(field, v); err != nil {
			return nil, err
		}
	}
	return c, nil
}

// textEnd returns where the first body after the field that ends at begins, or
// what cannot be read.
func textEnd(b []byte, at int) int {
	for at < len(b) && b[at] != fieldReqBody && b[at] != fieldRespBody {
		n, size := binary.Uvarint(b[at+1:])
		if size <= 0 || n > uint64(len(b)-at-1-size) {
			return at
		}
		at += 1 + size + int(n)
	}
	return at
}

func (c *capture) special(field byte, v []byte) error {
	switch field {
	case fieldHeaderName:
		c.headers = append(c.headers, [2]string{string(v), ""})
		return nil
	case fieldHeaderValue:
		if len(c.headers) == 0 {
			return errRecord
		}
		c.headers[len(c.headers)-1][1] = string(v)
		return nil
	case fieldAudit:
		c.audit = v
		return nil
	case fieldDoing:
		c.doing = v
		return nil
	case fieldReqBody:
		c.reqBody = v
		return nil
	case fieldRespBody:
		c.respBody = v
		return nil
	}
	if field != fieldStart && field != fieldDuration && field != fieldFlags && field != fieldStatus &&
		field != fieldReqBytes && field != fieldRespBytes {
		return nil // of a later version
	}
	n, size := binary.Varint(v)
	if size <= 0 {
		return errRecord
	}
	c.number(field, n)
	return nil
}

func (c *capture) number(field byte, n int64) {
	switch field {
	case fieldStart:
		c.start = time.Unix(0, n).UTC()
	case fieldDuration:
		c.duration = time.Duration(n)
	case fieldFlags:
		c.ended, c.complete = n&flagEnded != 0, n&flagComplete != 0
		c.reqCut, c.respCut = n&flagReqCut != 0, n&flagRespCut != 0
		c.reqUnread, c.respUnread = n&flagReqUnread != 0, n&flagRespUnread != 0
		c.user.Verified = n&flagVerified != 0
		c.keepReq, c.keepResp = n&flagKeepReq != 0, n&flagKeepResp != 0
	case fieldStatus:
		c.status = int(n)
	case fieldReqBytes:
		c.reqBytes = n
	case fieldRespBytes:
		c.respBytes = n
	}
}
