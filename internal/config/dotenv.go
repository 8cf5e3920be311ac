package config

import (
	"fmt"
	"strings"
)

// parseDotenv reads the text of an .env file as docker compose reads it:
// KEY=value or KEY: value, optionally after export; # begins a comment at the
// start of a line and after white space; quotes around a value are taken off
// (with a warning, because logserver's instructions forbid them); the last of
// several lines for a key counts. Values are never part of a warning or error.
//
// A line that is none of this is an error if it begins like one of our keys,
// else a warning, so that a file made for other programs is accepted as it is.
func parseDotenv(src string) (values map[string]string, warnings []string, err error) {
	values = map[string]string{}
	src = strings.TrimPrefix(src, "\ufeff")
	n := 0
	for line := range strings.Lines(src) {
		n++
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		if rest, ok := strings.CutPrefix(line, "export "); ok {
			line = strings.TrimSpace(rest)
		}
		key, val, ok := cutKey(line)
		if !ok {
			if ours(line) {
				return nil, nil, fmt.Errorf("line %d: want KEY=value", n)
			}
			warnings = append(warnings, fmt.Sprintf("line %d is not KEY=value and is left out", n))
			continue
		}
		val, quoted := unquote(val)
		if quoted && ours(key) {
			warnings = append(warnings, fmt.Sprintf("line %d: the quotes around %s are not part of its value and were taken off", n, key))
		}
		values[key] = val
	}
	return values, warnings, nil
}

// ours reports whether name is in a name space whose every key must be known.
func ours(name string) bool {
	return strings.HasPrefix(name, "VIGIL_") || strings.HasPrefix(name, "PGRST_")
}

// cutKey splits a line at the = or : that follows its key.
func cutKey(line string) (key, val string, ok bool) {
	i := 0
	for i < len(line) && keyByte(line[i]) {
		i++
	}
	key = line[:i]
	rest := strings.TrimLeft(line[i:], " \t")
	if key == "" || rest == "" || rest[0] != '=' && rest[0] != ':' {
		return "", "", false
	}
	return key, strings.TrimSpace(rest[1:]), true
}

func keyByte(b byte) bool {
	return b == '_' || b == '.' || b == '-' || '0' <= b && b <= '9' || 'a' <= b && b <= 'z' || 'A' <= b && b <= 'Z'
}

// unquote takes off matching quotes, or a comment from a value without them.
// In double quotes a backslash escapes a quote or a backslash.
func unquote(val string) (string, bool) {
	if val == "" {
		return "", false
	}
	q := val[0]
	if q == '"' || q == '\'' {
		if inner, rest, ok := cutQuoted(val[1:], q); ok && (rest == "" || rest[0] == '#') {
			return inner, true
		}
		return val, false
	}
	if q == '#' {
		return "", false
	}
	for i := 1; i < len(val); i++ {
		if val[i] == '#' && (val[i-1] == ' ' || val[i-1] == '\t') {
			return strings.TrimSpace(val[:i]), false
		}
	}
	return val, false
}

// cutQuoted returns what is before the closing quote q, and what is behind it.
func cutQuoted(s string, q byte) (inner, rest string, ok bool) {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] == q:
			return b.String(), strings.TrimSpace(s[i+1:]), true
		case q == '"' && s[i] == '\\' && i+1 < len(s) && (s[i+1] == '"' || s[i+1] == '\\'):
			i++
		}
		b.WriteByte(s[i])
	}
	return "", "", false
}
