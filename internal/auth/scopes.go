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

// smart returns what scopes allow with AuditEvents, and the role that is recorded:
// the first scope that allows something, else the first that is about AuditEvents
// at all, so that its bearer is told what it may not do. Empty is none.
func smart(scopes []string) (allowed Action, role string) {
	for _, s := range scopes {
		a, name := smartScope(s)
		if name != "" && (role == "" || allowed == 0 && a != 0) {
			role = name
		}
		allowed |= a
	}
	return allowed, role
}

// smartScope reads one scope of SMART App Launch 2 (section on scopes): of
// system/AuditEvent.cruds c adds, r reads one by its id or its history, and s
// searches, which includes the history of all; u and d allow nothing, since
// nothing is updated or deleted here. Version 1 wrote .read for rs, .write for
// cud and .* for all. A scope narrowed by ?param=… allows nothing, since it would
// be taken for a wider one. The name is the scope, without what narrows it, or
// empty where it is not about AuditEvents.
func smartScope(s string) (a Action, name string) {
	rest, ok := strings.CutPrefix(s, "system/")
	resource, rights, _ := strings.Cut(rest, ".")
	if !ok || resource != "AuditEvent" && resource != "*" {
		return 0, ""
	}
	wide, _, narrowed := strings.Cut(s, "?")
	rights, _, _ = strings.Cut(rights, "?")
	switch rights {
	case "":
		return 0, ""
	case "read":
		a = Select
	case "write":
		a = Insert
	case "*":
		a = All
	default:
		left := rights
		for _, c := range "cruds" { // each at most once, in this order
			var has bool
			if left, has = strings.CutPrefix(left, string(c)); has {
				a |= letters[c]
			}
		}
		if left != "" {
			return 0, ""
		}
	}
	if narrowed {
		return 0, wide + "?…"
	}
	return a, wide
}

// letters has what the letters of a scope allow.
var letters = map[rune]Action{'c': Insert, 'r': Read, 's': Search}
