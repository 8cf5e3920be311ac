package ingest

import (
	"bytes"
	"net/http"
	"strconv"

	"vigil"
	"vigil/internal/jsonb"
)

// maxName bounds the names of indices and the ids, as Elasticsearch does.
const (
	maxIndex = 255
	maxID    = 512
)

// item is one action of a bulk request with what becomes of it.
type item struct {
	action, index, id string
	doc               []byte // part of the body
	event             *vigil.Event
	fresh             bool // it was stored now

	status       int    // of the answer; 0 is not known yet
	kind, reason string // why it failed
}

// fail notes why the item was not stored.
func (it *item) fail(err error) {
	e := shown(err)
	it.event = nil
	it.status, it.reason = e.status, e.message
	if e.details != "" {
		it.reason += ": " + e.details
	}
	it.kind = errorType(e.status)
	if e.status == http.StatusServiceUnavailable { // what its clients take for: wait, and come again
		it.status = http.StatusTooManyRequests
	}
}

// errorType is Elasticsearch's name for errors with a status.
func errorType(status int) string {
	switch status {
	case http.StatusUnauthorized, http.StatusForbidden:
		return "security_exception"
	case http.StatusNotFound:
		return "index_not_found_exception"
	case http.StatusConflict:
		return "version_conflict_engine_exception"
	case http.StatusRequestEntityTooLarge:
		return "content_too_long_exception"
	case http.StatusTooManyRequests, http.StatusServiceUnavailable:
		return "es_rejected_execution_exception"
	case http.StatusInternalServerError:
		return "exception"
	}
	return "illegal_argument_exception"
}

// elasticError is the body of errors of a whole request.
func elasticError(e answered) []byte {
	reason := e.message
	if e.details != "" {
		reason += ": " + e.details
	}
	cause := append(jsonb.AppendLineString([]byte(`{"type":`), errorType(e.status)), `,"reason":`...)
	cause = jsonb.AppendLineString(cause, reason)
	dst := append([]byte(`{"error":{"root_cause":[`), cause...)
	dst = append(append(dst, `}],`...), cause[1:]...)
	return append(strconv.AppendInt(append(dst, `},"status":`...), int64(e.status), 10), '}')
}

// append appends the item's answer.
func (it *item) append(dst []byte) []byte {
	dst = append(jsonb.AppendLineString(append(dst, '{'), it.action), `:{"_index":`...)
	dst = jsonb.AppendLineString(dst, it.index)
	switch {
	case it.id != "":
		dst = jsonb.AppendLineString(append(dst, `,"_id":`...), it.id)
	case it.event != nil && it.event.UID != (vigil.UID{}):
		dst = jsonb.AppendLineString(append(dst, `,"_id":`...), it.event.UID.String())
	default:
		dst = append(dst, `,"_id":null`...)
	}
	dst = strconv.AppendInt(append(dst, `,"status":`...), int64(it.status), 10)
	if it.status >= 300 {
		dst = jsonb.AppendLineString(append(dst, `,"error":{"type":`...), it.kind)
		dst = jsonb.AppendLineString(append(dst, `,"reason":`...), it.reason)
		return append(dst, "}}}"...)
	}
	result := "created"
	if it.status == http.StatusOK {
		result = "noop"
	}
	dst = append(dst, `,"_version":1,"result":"`+result+`","_shards":{"total":1,"successful":1,"failed":0},"_seq_no":`...)
	index := int64(0)
	if it.event != nil {
		index = it.event.Index
	}
	return append(strconv.AppendInt(dst, index, 10), `,"_primary_term":1}}`...)
}

// items reads the body of a bulk request: a line that says what to do, and for
// most actions a line with the document. What is wrong with an action line is an
// error of the whole request, for nobody can tell what the next line is.
func (a *API) items(body []byte) ([]item, error) {
	if len(bytes.TrimSpace(body)) == 0 {
		return nil, vigil.Errorf(vigil.Invalid, "request body is required")
	}
	if body[len(body)-1] != '\n' {
		return nil, vigil.Errorf(vigil.Invalid, `The bulk request must be terminated by a newline [\n]`)
	}
	var items []item
	for n := 1; len(body) > 0; n++ {
		var line []byte
		line, body, _ = bytes.Cut(body, []byte{'\n'})
		if len(bytes.TrimSpace(line)) == 0 {
			continue
		}
		it, err := a.action(line, n)
		if err != nil {
			return nil, err
		}
		if len(items) == maxEvents {
			return nil, vigil.Errorf(vigil.TooLarge, "There are more than %d actions", maxEvents)
		}
		if it.action != "delete" {
			if len(body) == 0 {
				return nil, vigil.Errorf(vigil.Invalid, "Line %d: the document is missing", n+1)
			}
			it.doc, body, _ = bytes.Cut(body, []byte{'\n'})
			n++
			a.judge(&it)
		}
		items = append(items, it)
	}
	return items, nil
}

// action reads a line that says what to do.
func (a *API) action(line []byte, n int) (it item, err error) {
	malformed := func() error {
		return vigil.Errorf(vigil.Invalid, "Malformed action/metadata line [%d], expected one of [create, delete, index, update] with an object", n)
	}
	if a.check(line) != nil || jsonb.Kind(line) != '{' {
		return it, malformed()
	}
	actions := 0
	for name, val := range jsonb.Members(line) {
		if actions++; jsonb.Kind(val) != '{' {
			return it, malformed()
		}
		it.action = name
		for name, val := range jsonb.Members(val) {
			text := ""
			if k := jsonb.Kind(val); k == '"' || k == '0' {
				text = string(jsonb.AppendText(nil, val))
			}
			switch name {
			case "_index":
				it.index = text
			case "_id":
				it.id = text
			}
		}
	}
	if actions != 1 || len(it.index) > maxIndex || len(it.id) > maxID {
		return it, malformed()
	}
	switch it.action {
	case "create", "index":
	case "update", "delete":
		it.status, it.kind = http.StatusMethodNotAllowed, "illegal_argument_exception"
		it.reason = "events can be added; they are never changed or removed through this interface"
	default:
		return it, malformed()
	}
	return it, nil
}

// judge refuses a document that cannot be kept, as Elasticsearch refuses what it
// cannot parse.
func (a *API) judge(it *item) {
	if it.status != 0 {
		return
	}
	it.doc = bytes.TrimSpace(it.doc)
	err := a.check(it.doc)
	if err == nil && jsonb.Kind(it.doc) == '{' {
		return
	}
	it.status, it.kind, it.reason = http.StatusBadRequest, "mapper_parsing_exception", "failed to parse: the document is no object"
	if err != nil {
		it.reason = "failed to parse: " + shown(err).message
	}
}
