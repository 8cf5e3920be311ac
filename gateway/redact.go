package gateway

import "strings"

// redacted stands for a value that must not be recorded.
const redacted = "REDACTED"

// redactQuery replaces the values of parameters that carry tokens and secrets.
func redactQuery(q string) string {
	if q == "" || !mayHaveSecret(q) {
		return q
	}
	pairs := strings.Split(q, "&")
	for i, pair := range pairs {
		name, _, ok := strings.Cut(pair, "=")
		if ok && isSecret(strings.ToLower(unescape(name))) {
			pairs[i] = name + "=" + redacted
		}
	}
	return strings.Join(pairs, "&")
}

// mayHaveSecret is a quick look, so that most queries are not taken apart.
func mayHaveSecret(q string) bool {
	for i := range len(q) {
		switch q[i] | 0x20 {
		case 'k', 'w', 'r', '%': // toKen, passWord, secRet, and letters that are escaped
			return true
		}
	}
	return false
}

func isSecret(name string) bool {
	switch name {
	case "access_token", "id_token", "refresh_token", "token", "id_token_hint", "client_secret", "client_assertion",
		"assertion", "password", "passwd", "apikey", "api_key", "api-key", "secret", "authorization", "subject_token", "actor_token":
		return true
	}
	return false
}
