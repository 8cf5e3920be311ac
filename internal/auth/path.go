package auth

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Path finds the role in a token's claims, as PostgREST's jwt-role-claim-key
// does: .role, ."https://example.org/roles"[0], .realm_access.roles[?(@ == "x")],
// with the filters ==, !=, ^== (begins with), ==^ (ends with) and *== (contains),
// and [1:-1] for a part of a text. The forms of RFC 9535 that mean the same,
// $.role and $['role'], are taken too.
type Path struct{ steps []step }

// step is one part of a Path.
type step struct {
	kind     byte // 'k' key, 'i' index, 'f' filter, 's' slice
	text     string
	op       string
	index    int
	from, to *int
}

// errPath explains what is taken.
var errPath = errors.New(`want such as .role, ."a b"[0] or .roles[?(@ == "x")]`)

// ParsePath reads a path. The empty one is .role.
func ParsePath(s string) (*Path, error) {
	if s == "" {
		s = ".role"
	}
	p, rest := &Path{}, strings.TrimPrefix(s, "$")
	for first := true; rest != ""; first = false {
		st, after, ok := parseStep(rest)
		if !ok || first && st.kind != 'k' {
			return nil, fmt.Errorf("role claim path %q: at %q: %w", s, rest, errPath)
		}
		p.steps, rest = append(p.steps, st), after
	}
	if len(p.steps) == 0 {
		return nil, fmt.Errorf("role claim path %q: %w", s, errPath)
	}
	return p, nil
}

// parseStep reads the step that s begins with.
func parseStep(s string) (st step, rest string, ok bool) {
	if after, isKey := strings.CutPrefix(s, "."); isKey {
		if strings.HasPrefix(after, `"`) {
			st.kind = 'k'
			st.text, rest, ok = quoted(after)
			return st, rest, ok
		}
		n := 0
		for n < len(after) && nameByte(after[n]) {
			n++
		}
		return step{kind: 'k', text: after[:n]}, after[n:], n > 0
	}
	s, ok = strings.CutPrefix(s, "[")
	if !ok {
		return st, s, false
	}
	switch {
	case strings.HasPrefix(s, "?"):
		return parseFilter(s[1:])
	case strings.HasPrefix(s, `"`) || strings.HasPrefix(s, "'"):
		st.kind = 'k'
		if st.text, s, ok = quoted(s); !ok {
			return st, s, false
		}
		rest, ok = strings.CutPrefix(s, "]")
		return st, rest, ok
	}
	inner, rest, ok := strings.Cut(s, "]")
	if !ok {
		return st, s, false
	}
	st, ok = parseIndex(inner)
	return st, rest, ok
}

// parseIndex reads what stands between brackets: 0, -1, 1:, :-1, 1:3.
func parseIndex(s string) (st step, ok bool) {
	from, to, isSlice := strings.Cut(s, ":")
	if !isSlice {
		n, ok := number(s)
		if !ok {
			return st, false
		}
		return step{kind: 'i', index: *n}, true
	}
	st.kind = 's'
	if from != "" {
		if st.from, ok = number(from); !ok {
			return st, false
		}
	}
	if to != "" {
		if st.to, ok = number(to); !ok {
			return st, false
		}
	}
	return st, true
}

// number reads an integer of at most six digits, without plus sign.
func number(s string) (*int, bool) {
	digits := strings.TrimPrefix(s, "-")
	if len(digits) == 0 || len(digits) > 6 || strings.Trim(digits, "0123456789") != "" {
		return nil, false
	}
	n, err := strconv.Atoi(s)
	return &n, err == nil
}

// parseFilter reads a filter after its question mark: (@ == "x")] or @ == 'x'].
func parseFilter(s string) (st step, rest string, ok bool) {
	st.kind = 'f'
	s = strings.TrimLeft(s, " ")
	s, paren := strings.CutPrefix(s, "(")
	s, ok = strings.CutPrefix(strings.TrimLeft(s, " "), "@")
	if !ok {
		return st, s, false
	}
	s = strings.TrimLeft(s, " ")
	for _, op := range [...]string{"==^", "^==", "*==", "==", "!="} {
		if after, is := strings.CutPrefix(s, op); is {
			st.op, s = op, strings.TrimLeft(after, " ")
			break
		}
	}
	if st.op == "" {
		return st, s, false
	}
	if st.text, s, ok = quoted(s); !ok {
		return st, s, false
	}
	s = strings.TrimLeft(s, " ")
	if paren {
		if s, ok = strings.CutPrefix(s, ")"); !ok {
			return st, s, false
		}
		s = strings.TrimLeft(s, " ")
	}
	rest, ok = strings.CutPrefix(s, "]")
	return st, rest, ok
}

// quoted reads a text in double or single quotes. There are no escapes: a text
// with one kind of quote is written in the other.
func quoted(s string) (text, rest string, ok bool) {
	if s == "" || s[0] != '"' && s[0] != '\'' {
		return "", s, false
	}
	text, rest, ok = strings.Cut(s[1:], s[:1])
	return text, rest, ok && utf8.ValidString(text)
}

// nameByte reports whether c may stand in a key without quotes.
func nameByte(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '_' || c == '$' || c == '@'
}

// String returns the path as [ParsePath] reads it.
func (p *Path) String() string {
	var b strings.Builder
	quote := func(s string) string {
		if strings.Contains(s, `"`) {
			return "'" + s + "'"
		}
		return `"` + s + `"`
	}
	for _, s := range p.steps {
		switch s.kind {
		case 'k':
			b.WriteString("[" + quote(s.text) + "]")
		case 'i':
			b.WriteString("[" + strconv.Itoa(s.index) + "]")
		case 'f':
			b.WriteString("[?(@ " + s.op + " " + quote(s.text) + ")]")
		case 's':
			b.WriteByte('[')
			if s.from != nil {
				b.WriteString(strconv.Itoa(*s.from))
			}
			b.WriteByte(':')
			if s.to != nil {
				b.WriteString(strconv.Itoa(*s.to))
			}
			b.WriteByte(']')
		}
	}
	return b.String()
}

// Find returns what claims have at the path: each text, or for an array each of
// its texts. A value of another kind is its JSON text.
func (p *Path) Find(claims map[string]any) []string {
	at := []any{claims}
	for _, s := range p.steps {
		var next []any
		for _, v := range at {
			next = s.apply(next, v)
		}
		at = next
	}
	var out []string
	for _, v := range at {
		switch v := v.(type) {
		case nil:
		case string:
			out = append(out, v)
		case []any:
			for _, x := range v {
				if s, ok := x.(string); ok {
					out = append(out, s)
				}
			}
		default:
			if b, err := json.Marshal(v); err == nil {
				out = append(out, string(b))
			}
		}
	}
	return out
}

// apply appends what the step finds in v.
func (s *step) apply(out []any, v any) []any {
	switch s.kind {
	case 'k':
		if m, ok := v.(map[string]any); ok {
			if x, ok := m[s.text]; ok {
				out = append(out, x)
			}
		}
	case 'i':
		if a, ok := v.([]any); ok {
			i := s.index
			if i < 0 {
				i += len(a)
			}
			if i >= 0 && i < len(a) {
				out = append(out, a[i])
			}
		}
	case 'f':
		a, _ := v.([]any)
		for _, x := range a {
			if t, ok := x.(string); ok && s.matches(t) {
				out = append(out, t)
			}
		}
	case 's':
		if t, ok := v.(string); ok {
			out = append(out, s.slice(t))
		}
	}
	return out
}

// matches applies a filter.
func (s *step) matches(t string) bool {
	switch s.op {
	case "==":
		return t == s.text
	case "!=":
		return t != s.text
	case "^==":
		return strings.HasPrefix(t, s.text)
	case "==^":
		return strings.HasSuffix(t, s.text)
	}
	return strings.Contains(t, s.text)
}

// slice returns a part of t by characters; negative bounds count from its end.
func (s *step) slice(t string) string {
	r := []rune(t)
	bound := func(p *int, absent int) int {
		if p == nil {
			return absent
		}
		n := *p
		if n < 0 {
			n += len(r)
		}
		return min(max(n, 0), len(r))
	}
	from, to := bound(s.from, 0), bound(s.to, len(r))
	if from >= to {
		return ""
	}
	return string(r[from:to])
}
