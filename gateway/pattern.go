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

// matchesFold is matches for segments that may be written in the other case.
func (p *pattern) matchesFold(segs []string) bool {
	return wild(len(p.parts), len(segs), func(i int) bool { return p.parts[i] == "**" }, func(i, j int) bool {
		part, seg := p.parts[i], segs[j]
		return wild(len(part), len(seg), func(k int) bool { return part[k] == '*' },
			func(k, l int) bool { return lower(part[k]) == lower(seg[l]) })
	})
}

// lower is c as a small letter, where it is one of ASCII.
func lower(c byte) byte {
	if c >= 'A' && c <= 'Z' {
		return c | 0x20
	}
	return c
}

// covers reports whether whatever fits o fits p too. It may miss that.
func (p *pattern) covers(o *pattern) bool {
	return wild(len(p.parts), len(o.parts), func(i int) bool { return p.parts[i] == "**" },
		func(i, j int) bool { return o.parts[j] != "**" && glob(p.parts[i], o.parts[j]) })
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
