package grammar

import (
	"cmp"
	"iter"
	"slices"
	"strings"
)

// pairs yields the parameters of a raw query string, decoded; a parameter
// without = has no value. As in PostgREST, ; separates as & does, + is a space,
// and a % without two hexadecimal digits behind it is itself.
func pairs(raw string) iter.Seq2[string, *string] {
	return func(yield func(string, *string) bool) {
		raw = strings.TrimPrefix(raw, "?")
		for raw != "" {
			pair := raw
			if i := strings.IndexAny(raw, "&;"); i >= 0 {
				pair, raw = raw[:i], raw[i+1:]
			} else {
				raw = ""
			}
			key, value, found := strings.Cut(pair, "=")
			var v *string
			if found {
				value = unescape(value)
				v = &value
			}
			if !yield(unescape(key), v) {
				return
			}
		}
	}
}

func unescape(s string) string {
	if !strings.ContainsAny(s, "%+") {
		return s
	}
	b := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] == '+':
			b = append(b, ' ')
		case s[i] == '%' && i+2 < len(s) && hexDigit(s[i+1]) >= 0 && hexDigit(s[i+2]) >= 0:
			b = append(b, byte(hexDigit(s[i+1])<<4|hexDigit(s[i+2])))
			i += 2
		default:
			b = append(b, s[i])
		}
	}
	return string(b)
}

func hexDigit(c byte) int {
	switch {
	case c >= '0' && c <= '9':
		return int(c - '0')
	case c >= 'a' && c <= 'f':
		return int(c-'a') + 10
	case c >= 'A' && c <= 'F':
		return int(c-'A') + 10
	}
	return -1
}

// Canonical returns the query string that PostgREST shows in Content-Location:
// sorted by name, percent-encoded, the values of one name joined by commas. It
// has no ? before it. Text beyond ASCII is encoded as UTF-8, where PostgREST
// encodes each of its bytes anew.
func Canonical(rawQuery string) string {
	type pair struct{ key, value string }
	var list []pair
	for k, v := range pairs(rawQuery) {
		p := pair{key: k}
		if v != nil {
			p.value = *v
		}
		list = append(list, p)
	}
	slices.SortStableFunc(list, func(a, b pair) int { return cmp.Compare(a.key, b.key) })
	var b []byte
	for i, p := range list {
		switch {
		case i > 0 && list[i-1].key == p.key:
			b = append(b, ',')
		case i > 0:
			b = append(b, '&')
			fallthrough
		default:
			b = append(escapeTo(b, p.key), '=')
		}
		b = escapeTo(b, p.value)
	}
	return string(b)
}

// escapeTo appends s with all but the unreserved characters of RFC 3986,
// section 2.3, percent-encoded.
func escapeTo(b []byte, s string) []byte {
	const hex = "0123456789ABCDEF"
	for _, c := range []byte(s) {
		if c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.IndexByte("-_.~", c) >= 0 {
			b = append(b, c)
			continue
		}
		b = append(b, '%', hex[c>>4], hex[c&15])
	}
	return b
}
