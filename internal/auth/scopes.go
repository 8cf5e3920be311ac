package auth

import "strings"

// scopesOf returns the OAuth scopes of a token: scope as one string with spaces
// (RFC 8693, section 4.2), or scope or scp as an array.
func scopesOf(claims map[string]any) []string {
	for _, name := range [...]string{"scope", "scp"} {
		switch v := claims[name].(type) {
		case string:
			return strings.Fields(v)
		case []any:
			var out []string
			for _, x := range v {
				if s, ok := x.(string); ok {
					out = append(out, s)
				}
			}
			return out
		}
	}
	return nil
}

// smart returns what scopes allow with AuditEvents, and the first one that
// allows something.
func smart(scopes []string) (allowed Action, first string) {
	for _, s := range scopes {
		a := smartScope(s)
		if a != 0 && first == "" {
			first = s
		}
		allowed |= a
	}
	return allowed, first
}

// smartScope reads one scope of SMART App Launch 2 (section on scopes):
// system/AuditEvent.crs, of whose letters c inserts, and r and s together select;
// or of version 1: .read, .write, .*. A scope narrowed by ?param=… allows
// nothing, since it would be taken for a wider one.
func smartScope(s string) Action {
	rest, ok := strings.CutPrefix(s, "system/")
	if !ok {
		return 0
	}
	resource, rights, _ := strings.Cut(rest, ".")
	if resource != "AuditEvent" && resource != "*" {
		return 0
	}
	switch rights {
	case "read":
		return Select
	case "write":
		return Insert
	case "*":
		return All
	}
	left := rights
	for _, c := range "cruds" { // each at most once, in this order
		left = strings.TrimPrefix(left, string(c))
	}
	if rights == "" || left != "" {
		return 0
	}
	var a Action
	if strings.Contains(rights, "c") {
		a |= Insert
	}
	if strings.Contains(rights, "r") && strings.Contains(rights, "s") {
		a |= Select
	}
	return a
}
