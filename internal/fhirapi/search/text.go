package search

import (
	"strings"
	"unicode"

	"golang.org/x/text/unicode/norm"
)

// folded returns s as searches for text compare it: without accents, in lower
// case, with single spaces.
func folded(s string) string {
	s = strings.Map(func(r rune) rune {
		if unicode.Is(unicode.Mn, r) {
			return -1
		}
		return unicode.ToLower(r)
	}, norm.NFD.String(s))
	return strings.Join(strings.Fields(s), " ")
}

// uriMatches compares two URIs as the modifier says. Those of parameters that
// allow it are also equal without the version or fragment that follows them.
func uriMatches(p *parameter, modifier, have, want string) bool {
	switch modifier {
	case "below":
		return have == want || strings.HasPrefix(have, strings.TrimSuffix(want, "/")+"/")
	case "above":
		return have == want || strings.HasPrefix(want, strings.TrimSuffix(have, "/")+"/")
	case "contains":
		return strings.Contains(folded(have), folded(want))
	}
	if have == want {
		return true
	}
	rest, begins := strings.CutPrefix(have, want)
	return begins && (p.canonical && rest[0] == '|' || p.fragment && rest[0] == '#')
}
