package aidbox

import (
	"bytes"

	"vigil/internal/jsonb"
)

// resources appends the line of what x did to a resource, where it did
// something; x is the exchange v or an entry of it.
//
// That a create found what was to be created (If-None-Exist) or an update
// changed nothing is told by the status: 200 in the place of 201, and 304.
func (o *Options) resources(dst []byte, v, x *view) []byte {
	ev := ""
	switch string(plain(x.interaction)) {
	case "create":
		switch {
		case x.rolledBack:
		case x.status == 201:
			ev = "resource/create"
		case x.status == 200:
			ev = "resource/create-dup"
		}
	case "update", "patch":
		switch {
		case x.rolledBack:
		case x.status == 201:
			ev = "resource/create"
		case x.status == 304:
			ev = "resource/update-dup"
		case x.succeeded():
			ev = "resource/update"
		}
	case "delete":
		if x.succeeded() {
			ev = "resource/delete"
		}
	}
	if ev == "" {
		return dst
	}
	dst = o.begin(dst, ev, v.start.Add(v.duration), v.gateway)
	dst = orNull(dst, "ctx", v.id)
	dst = orNull(dst, "rtp", x.kind)
	dst = orNull(dst, "rid", x.key)
	return append(dst, '}', '\n')
}

// credentials appends what became of the caller's credentials: a login where
// tokens are given out, wrong ones, or a refusal.
func (o *Options) credentials(dst []byte, v *view) []byte {
	switch {
	case o.givesTokens(v) && v.succeeded():
		dst = o.begin(dst, "auth/login", v.start.Add(v.duration), v.gateway)
	case o.givesTokens(v) && (v.status == 400 || v.status == 401 || v.status == 403),
		v.status == 401 && present(v.by):
		dst = o.begin(dst, "auth/warn", v.start.Add(v.duration), v.gateway)
		dst = text(text(dst, "lvl", "warn"), "err", "wrong_credentials")
	case v.status == 401 || v.status == 403:
		dst = o.begin(dst, "auth/authorize-failed", v.start.Add(v.duration), v.gateway)
		dst = text(dst, "lvl", "warn")
	default:
		return dst
	}
	dst = orNull(dst, "ctx", v.id)
	dst = orNull(dst, "w_url", v.path)
	dst = number(dst, "w_st", int64(v.status))
	dst = optional(dst, "w_ip", first(v.peer))
	dst = optional(dst, "w_uid", v.user())
	dst = optional(dst, "w_cid", v.client)
	return append(dst, '}', '\n')
}

// givesTokens reports whether a request asked for a token.
func (o *Options) givesTokens(v *view) bool {
	if string(v.method) != `"POST"` {
		return false
	}
	path := plain(v.path)
	for _, end := range o.TokenRoutes {
		if bytes.HasSuffix(path, []byte(end)) {
			return true
		}
	}
	return false
}

// merge appends what the caller sent in X-Audit: whole as w_audit, and each
// member on its own where the line has no other meaning for its name.
func merge(dst, audit []byte) []byte {
	if len(audit) == 0 || jsonb.Kind(audit) != '{' {
		return dst
	}
	dst = value(dst, "w_audit", audit)
	for name, val := range jsonb.Members(audit) {
		if Reserved(name) {
			continue
		}
		dst = append(jsonb.AppendLineString(append(dst, ','), name), ':')
		dst = jsonb.AppendLine(dst, val)
	}
	return dst
}
