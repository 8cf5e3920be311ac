package aidbox

import (
	"bytes"
	"net/url"
	"slices"
	"strings"

	"vigil/internal/jsonb"
)

// maxBody bounds w_b in bytes: a line must stay something that collectors take.
const maxBody = 64 << 10

// body appends w_b: the kept body of the request as Aidbox has it, a text that
// holds the parsed body as JSON. What cannot be parsed is there as it came.
func body(dst, kept []byte) []byte {
	var media, content []byte
	cut := false
	for name, val := range jsonb.Members(kept) {
		switch name {
		case "mediaType":
			media = plain(val)
		case "text":
			content = plain(val)
		case "cut":
			cut = string(val) == "true"
		}
	}
	if len(content) == 0 {
		return dst
	}
	if bytes.HasPrefix(bytes.ToLower(media), []byte("application/x-www-form-urlencoded")) {
		content = form(content)
	} else if jsonb.Check(content, jsonb.Limits{Depth: 1000}) == nil {
		content = jsonb.AppendLine(nil, content)
	}
	if cut || len(content) > maxBody {
		content = append(bytes.ToValidUTF8(content[:min(len(content), maxBody):min(len(content), maxBody)], nil), " [cut]"...)
	}
	return jsonb.AppendLineString(key(dst, "w_b"), content)
}

// form returns a form as a JSON object: a text for each name, an array where a
// name is there several times. The names are in the order of the alphabet.
func form(content []byte) []byte {
	values, _ := url.ParseQuery(string(content)) // what is readable of it
	names := make([]string, 0, len(values))
	for name := range values {
		names = append(names, name)
	}
	slices.Sort(names)
	dst := []byte{'{'}
	for i, name := range names {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(jsonb.AppendLineString(dst, strings.ToValidUTF8(name, "\uFFFD")), ':')
		if v := values[name]; len(v) == 1 {
			dst = jsonb.AppendLineString(dst, v[0])
			continue
		}
		dst = append(dst, '[')
		for j, v := range values[name] {
			if j > 0 {
				dst = append(dst, ',')
			}
			dst = jsonb.AppendLineString(dst, v)
		}
		dst = append(dst, ']')
	}
	return append(dst, '}')
}
