package server

import "regexp"

// Clients put tokens into addresses, where nothing here reads them, but the record
// of what was asked has them. Parameters go by their names, tokens by their form.
var (
	secretParameter = regexp.MustCompile(`(?i)((?:^|[?&\s])(?:[a-z_-]*(?:token|passw(?:or)?d|passphrase|secret|api[_-]?key|assertion)|authorization|bearer|jwt)=)[^&\s]+`)
	tokenText       = regexp.MustCompile(`eyJ[\w-]{8,}\.[\w-]{8,}\.[\w-]*`)
)

// withoutSecrets returns what was asked without tokens and passwords.
func withoutSecrets(query string) string {
	return tokenText.ReplaceAllString(secretParameter.ReplaceAllString(query, "${1}REDACTED"), "REDACTED")
}
