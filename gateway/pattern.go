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

// fits matches segments.
func fits(parts, segs []string) bool {
	return wild(len(parts), len(segs), func(i int) bool { return parts[i] == "**" },
		func(i, j int) bool { return glob(parts[i], segs[j]) })
}

// glob reports whether s fits a pattern in which * stands for any characters.
func glob(pattern, s string) bool {
	return wild(len(pattern), len(s), func(i int) bool { return pattern[i] == '*' },
		func(i, j int) bool { return pattern[i] == s[j] })
}

// wild matches n elements of a pattern, some of which are stars, with m others. It
// goes back to the last star only, so that its time is at most the product of the
// lengths.
func wild(n, m int, star func(i int) bool, same func(i, j int) bool) bool {
	last, from := -1, 0
	i, j := 0, 0
	for j < m {
		switch {
		case i < n && star(i):
			last, from = i, j
			i++
		case i < n && same(i, j):
			i++
			j++
		case last >= 0:
			from++
			i, j = last+1, from
		default:
			return false
		}
	}
	for i < n && star(i) {
		i++
	}
	return i == n
}
