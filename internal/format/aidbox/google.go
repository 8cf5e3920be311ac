package aidbox

import (
	"bytes"
	"strconv"
	"strings"

	"vigil"
	"vigil/internal/jsonb"
)

// Google returns the line format with lines as Google's logging takes them: lvl
// is severity, ts timestamp, ctx operation.id, and what a w/resp says of the
// request is httpRequest.
func Google(line func([]byte, *vigil.Event) []byte) func([]byte, *vigil.Event) []byte {
	return each(line, AppendGoogle)
}

// each returns line with every line of it, which has no newline, gone through f.
func each(line func([]byte, *vigil.Event) []byte, f func(dst, line []byte) []byte) func([]byte, *vigil.Event) []byte {
	return func(dst []byte, e *vigil.Event) []byte {
		return jsonb.EditLines(line(dst, e), len(dst), func(dst, line []byte) []byte { return append(f(dst, line), '\n') })
	}
}

// request has the members of a w/resp that become httpRequest, in its order.
var request = [...]struct{ google, aidbox string }{
	{"requestMethod", "w_m"},
	{"requestUrl", "w_url"},
	{"requestSize", ""},
	{"status", "w_st"},
	{"userAgent", "w_user_agent"},
	{"remoteIp", "w_ip"},
	{"referer", "w_referer"},
	{"latency", "d"},
}

// AppendGoogle appends one line as Google's logging takes it, without a newline.
// What is no object is appended as it is.
func AppendGoogle(dst, line []byte) []byte {
	if jsonb.Kind(line) != '{' {
		return append(dst, line...)
	}
	ev, _ := jsonb.Get(line, "ev")
	response := string(ev) == `"w/resp"`
	level, stamp, ctx := []byte(`"info"`), []byte(nil), []byte(nil)
	var of [len(request)][]byte
	dst = append(dst, '{')
	from := len(dst)
	for name, val := range jsonb.Members(line) {
		switch {
		case name == "lvl":
			if jsonb.Kind(val) == '"' {
				level = val
			}
			continue
		case name == "ts":
			stamp = val
			continue
		case name == "ctx":
			ctx = val
			continue
		case name == "severity", name == "timestamp", name == "operation", name == "httpRequest":
			continue
		}
		if response {
			if i := ofRequest(name); i >= 0 {
				of[i] = val
				continue
			}
		}
		if len(dst) > from {
			dst = append(dst, ',')
		}
		dst = append(append(jsonb.AppendLineString(dst, name), ':'), val...)
	}
	if len(dst) > from {
		dst = append(dst, ',')
	}
	dst = append(dst, `"severity":`...)
	dst = jsonb.AppendLineString(dst, bytes.ToUpper(plain(level)))
	dst = optional(dst, "timestamp", stamp)
	if present(ctx) {
		dst = append(dst, `,"operation":{"id":`...)
		dst = append(append(dst, ctx...), '}')
	}
	if response {
		dst = httpRequest(dst, &of)
	}
	return append(dst, '}')
}

// ofRequest returns the place of a member among those of the request, or -1.
func ofRequest(name string) int {
	if len(name) > 1 && !strings.HasPrefix(name, "w_") || name == "" {
		return -1
	}
	for i := range request {
		if request[i].aidbox == name {
			return i
		}
	}
	return -1
}

// httpRequest appends the request of a w/resp.
func httpRequest(dst []byte, of *[len(request)][]byte) []byte {
	dst = append(dst, `,"httpRequest":{`...)
	for i, val := range of {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(append(append(dst, '"'), request[i].google...), `":`...)
		switch {
		case len(val) == 0 || val[0] == 'n':
			dst = append(dst, "null"...)
		case request[i].aidbox == "w_m":
			dst = jsonb.AppendLineString(dst, bytes.ToUpper(plain(val)))
		case request[i].aidbox == "d":
			dst = latency(dst, val)
		default:
			dst = append(dst, val...)
		}
	}
	return append(dst, '}')
}

// latency appends milliseconds as seconds, the way Google writes a Duration.
func latency(dst, ms []byte) []byte {
	n, err := strconv.ParseFloat(string(ms), 64)
	if err != nil {
		return append(dst, "null"...)
	}
	dst = append(dst, '"')
	dst = strconv.AppendFloat(dst, n/1000, 'f', -1, 64)
	return append(dst, 's', '"')
}
