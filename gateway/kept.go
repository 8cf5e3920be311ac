package gateway

import (
	"bytes"
	"slices"
	"strings"
	"unicode/utf8"

	"vigil"
)

// kept is what becomes part of an exchange of a body whose coding was undone: at
// most limit bytes, with passwords and what the rules name replaced. Of JSON, XML
// and forms that cannot be read to the end it is what comes before that.
func (r *rules) kept(kind bodyKind, media string, text []byte, cut bool, limit int) *vigil.Body {
	k := &vigil.Body{MediaType: clip(media, maxClaim), Cut: cut}
	if len(text) > 4*limit { // more is not looked at
		text, k.Cut = text[:4*limit], true
	}
	var whole bool
	switch kind {
	case kindJSON:
		text, whole = r.json(text)
	case kindXML:
		text, whole = r.xml(text)
	case kindForm:
		text, whole = r.form(text), true
	case kindLines:
		text, whole = r.lines(text)
	default:
		whole = true
	}
	k.Cut = k.Cut || !whole
	if len(text) > limit {
		text, k.Cut = text[:limit], true
	}
	if k.Cut { // the last character may have lost its end
		for i := 1; i < utf8.UTFMax && i <= len(text); i++ {
			if c := text[len(text)-i]; c >= utf8.RuneSelf {
				if !utf8.FullRune(text[len(text)-i:]) {
					text = text[:len(text)-i]
					break
				}
				continue
			}
			break
		}
	}
	if utf8.Valid(text) {
		k.Text = string(text)
	} else {
		k.Binary = bytes.Clone(text)
	}
	return k
}

// readable reports whether what must not be recorded of a body can be found in it.
// Patches have the value of a field without the resource that it is of.
func (r *rules) readable(kind bodyKind, media, interaction string) bool {
	if kind == kindOther && strings.HasPrefix(media, "multipart/") { // it may be a form
		return false
	}
	if kind != kindOther && interaction != "patch" || r == nil {
		return true
	}
	return !slices.ContainsFunc(r.fields, func(f fieldRule) bool { return f.where == 'b' })
}

// form replaces what is named of a form: by query:NAME, and by body:NAME too.
func (r *rules) form(text []byte) []byte {
	pairs := strings.Split(r.query(string(text)), "&")
	grant := slices.ContainsFunc(pairs, func(pair string) bool { return strings.HasPrefix(pair, "grant_type=") })
	for i, pair := range pairs {
		name, value, ok := strings.Cut(pair, "=")
		if grant && (name == "code" || name == "device_code") { // good for a token (RFC 6749, 4.1.3); elsewhere a search parameter
			pairs[i] = name + "=" + redacted
			continue
		}
		if act := r.field([]string{unescape(name)}); ok && act != keepValue && value != redacted && !strings.HasPrefix(value, "hmac%3A") {
			pairs[i] = name + "=" + r.replace(act, unescape(value))
		}
	}
	return []byte(strings.Join(pairs, "&"))
}

// lines is json for a document on each line.
func (r *rules) lines(text []byte) ([]byte, bool) {
	var out []byte
	for line := range bytes.Lines(text) {
		end := bytes.TrimRight(line, "\r\n")
		clean, whole := r.json(end)
		out = append(out, clean...)
		if !whole && len(bytes.TrimSpace(end)) > 0 {
			return out, false
		}
		out = append(out, line[len(end):]...)
	}
	return out, true
}

// edit is a part of a text and what stands in its place.
type edit struct {
	from, to int
	with     string
}

// apply returns text up to end with the edits done. An edit inside another one
// counts for nothing.
func apply(text []byte, end int, edits []edit) []byte {
	if len(edits) == 0 {
		return text[:end]
	}
	slices.SortFunc(edits, func(a, b edit) int {
		if a.from != b.from {
			return a.from - b.from
		}
		return b.to - a.to
	})
	out := make([]byte, 0, end)
	at := 0
	for _, e := range edits {
		if e.from < at || e.from >= end {
			continue
		}
		out = append(append(out, text[at:e.from]...), e.with...)
		at = min(e.to, end)
	}
	return append(out, text[at:end]...)
}
