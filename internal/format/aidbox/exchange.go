package aidbox

import (
	"bytes"
	"strconv"
	"time"

	"vigil/internal/jsonb"
)

// view is the part of an exchange that lines show: values as JSON, pointing
// into the document. The names of an exchange's members are kept, see
// vigil.Exchange.
type view struct {
	id, correlation, method, route, path, query []byte
	failure, userAgent, referer                 []byte
	subject, username, client, by               []byte
	verified                                    bool
	interaction, operation, kind, key           []byte
	gateway, peer, audit, notes, body, entries  []byte
	start                                       time.Time
	duration                                    time.Duration
	status                                      int
	rolledBack                                  bool
}

// read reads the members of an exchange.
func (v *view) read(doc []byte) {
	for name, val := range jsonb.Members(doc) {
		switch name {
		case "id":
			v.id = val
		case "correlation":
			v.correlation = val
		case "method":
			v.method = val
		case "route":
			v.route = val
		case "path":
			v.path = val
		case "query":
			v.query = val
		case "error":
			v.failure = val
		case "userAgent":
			v.userAgent = val
		case "user":
			v.readUser(val)
		case "interaction":
			v.interaction = val
		case "operation":
			v.operation = val
		case "type":
			v.kind = val
		case "key":
			v.key = val
		case "gateway":
			v.gateway = val
		case "peer":
			v.peer = val
		case "headers":
			v.referer, _ = jsonb.Get(val, "Referer")
		case "audit":
			v.audit = val
		case "notes":
			v.notes = val
		case "requestBody":
			v.body = val
		case "entries":
			v.entries = val
		case "start":
			v.start, _ = time.Parse(time.RFC3339Nano, string(plain(val)))
		case "duration":
			n, _ := strconv.ParseInt(string(val), 10, 64)
			v.duration = time.Duration(n)
		case "status":
			v.status, _ = strconv.Atoi(string(val))
		case "rolledBack":
			v.rolledBack = string(val) == "true"
		}
	}
}

func (v *view) readUser(user []byte) {
	for name, val := range jsonb.Members(user) {
		switch name {
		case "sub":
			v.subject = val
		case "username":
			v.username = val
		case "client":
			v.client = val
		case "by":
			v.by = val
		case "verified":
			v.verified = string(val) == "true"
		}
	}
}

// user returns who sent the request.
func (v *view) user() []byte {
	if present(v.subject) {
		return v.subject
	}
	return v.username
}

// succeeded reports whether the server did what was asked.
func (v *view) succeeded() bool { return v.status/100 == 2 && !v.rolledBack }

// exchange appends the lines of an exchange.
func (o *Options) exchange(dst, doc []byte) []byte {
	var v view
	v.read(doc)
	dst = o.request(dst, &v)
	dst = o.resources(dst, &v, &v)
	for entry := range jsonb.Elements(v.entries) {
		var e view
		e.read(entry)
		dst = o.resources(dst, &v, &e)
	}
	dst = o.credentials(dst, &v)
	return o.response(dst, &v)
}

// request appends w/req.
func (o *Options) request(dst []byte, v *view) []byte {
	dst = o.begin(dst, "w/req", v.start, v.gateway)
	dst = orNull(dst, "ctx", v.id)
	dst = v.where(dst)
	dst = orNull(dst, "w_qs", v.query)
	dst = addresses(dst, v.peer)
	dst = body(dst, v.body)
	if note := first(v.notes); present(note) {
		dst = value(dst, "msg", note)
	}
	return append(merge(dst, v.audit), '}', '\n')
}

// response appends w/resp.
func (o *Options) response(dst []byte, v *view) []byte {
	dst = o.begin(dst, "w/resp", v.start.Add(v.duration), v.gateway)
	if present(v.failure) {
		dst = text(dst, "lvl", "error")
		dst = value(dst, "err", v.failure)
	}
	dst = orNull(dst, "ctx", v.id)
	dst = append(dst, `,"ctx_end":true`...)
	dst = v.where(dst)
	dst = number(dst, "d", v.duration.Milliseconds())
	if v.status > 0 {
		dst = number(dst, "w_st", int64(v.status))
	} else {
		dst = orNull(dst, "w_st", nil)
	}
	dst = optional(dst, "w_ip", first(v.peer))
	if user := v.user(); present(user) {
		dst = value(dst, "w_uid", user)
		if !v.verified {
			dst = append(dst, `,"w_verified":false`...)
		}
	}
	dst = optional(dst, "w_cid", v.client)
	dst = optional(dst, "rt", v.kind)
	dst = v.operationName(dst)
	dst = orNull(dst, "w_user_agent", v.userAgent)
	dst = orNull(dst, "w_referer", v.referer)
	return append(merge(dst, v.audit), '}', '\n')
}

// where appends what both lines say of the request.
func (v *view) where(dst []byte) []byte {
	dst = jsonb.AppendLineString(key(dst, "w_m"), bytes.ToLower(plain(v.method)))
	dst = orNull(dst, "w_url", v.path)
	dst = optional(dst, "w_r", v.route)
	return optional(dst, "w_corr_id", v.correlation)
}

// operationName appends op: Aidbox says search where FHIR says search-type.
func (v *view) operationName(dst []byte) []byte {
	switch {
	case present(v.operation):
		return value(dst, "op", v.operation)
	case bytes.HasPrefix(v.interaction, []byte(`"search`)):
		return text(dst, "op", "search")
	}
	return optional(dst, "op", v.interaction)
}

// addresses appends w_addr: the client and what stood before the gateway.
func addresses(dst, peers []byte) []byte {
	var buf [128]byte
	list := buf[:0]
	for peer := range jsonb.Elements(peers) {
		if len(list) > 0 {
			list = append(list, ", "...)
		}
		list = append(list, plain(peer)...)
	}
	if len(list) == 0 {
		return dst
	}
	return jsonb.AppendLineString(key(dst, "w_addr"), list)
}

// first returns the first element of an array.
func first(array []byte) []byte {
	for el := range jsonb.Elements(array) {
		return el
	}
	return nil
}
