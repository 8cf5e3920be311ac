package gateway

import (
	"errors"
	"strings"
)

// pattern is a list of segments or names in which ** stands for any number of
// them, and * inside one for any characters.
type pattern struct{ parts []string }

var errPattern = errors.New("a pattern is made of segments between slashes, without . and .. and query")

// compilePattern reads a pattern for paths.
func compilePattern(s string) (*pattern, error) {
	if strings.ContainsAny(s, "?#\\ ") || len(s) > 1024 {
		return nil, errPattern
	}
	parts := strings.Split(strings.TrimPrefix(s, "/"), "/")
	for i, p := range parts {
		if p == "." || p == ".." || p == "" && i < len(parts)-1 || p != "**" && strings.Contains(p, "**") {
			return nil, errPattern
		}
	}
	return &pattern{parts}, nil
}

// matches reports whether the whole of segs fits.
func (p *pattern) matches(segs []string) bool { return fits(p.parts, segs) }

// fits goes back to the last ** only, so that its time is at most the product of
// the lengths.
func fits(parts, segs []string) bool {
	star, from := -1, 0
	i, j := 0, 0
	for j < len(segs) {
		switch {
		case i < len(parts) && parts[i] == "**":
			star, from = i, j
			i++
		case i < len(parts) && glob(parts[i], segs[j]):
			i++
			j++
		case star >= 0:
			from++
			i, j = star+1, from
		default:
			return false
		}
	}
	for i < len(parts) && parts[i] == "**" {
		i++
	}
	return i == len(parts)
}

// glob reports whether s fits a pattern in which * stands for any characters.
func glob(pattern, s string) bool {
	star, from := -1, 0
	i, j := 0, 0
	for j < len(s) {
		switch {
		case i < len(pattern) && pattern[i] == '*':
			star, from = i, j
			i++
		case i < len(pattern) && pattern[i] == s[j]:
			i++
			j++
		case star >= 0:
			from++
			i, j = star+1, from
		default:
			return false
		}
	}
	for i < len(pattern) && pattern[i] == '*' {
		i++
	}
	return i == len(pattern)
}
