package relation

import (
	"slices"
	"strings"
)

// credentialNames are parts of the names of headers that hold credentials, or may:
// whatever a trigger does with a header, such as writing it into a table, it must
// not be a token that can be used again.
var credentialNames = []string{
	"auth", "cookie", "token", "secret", "key", "passw", "credential", "session", "jwt", "assertion", "oidc", "dpop", "ticket",
}

// credentialParameters are ends of names of parameters that hold credentials, in
// headers with addresses: Referer, X-Original-URL.
var credentialParameters = []string{"token=", "key=", "secret=", "password=", "assertion=", "jwt=", "ticket="}

// credentialSchemes begin the values of headers that hold credentials (RFC 9110,
// section 11.4), whatever a proxy has called them; eyJ begins a JWT.
var credentialSchemes = []string{"bearer ", "basic ", "digest ", "negotiate ", "apikey ", "eyj"}

// isCredential reports whether a header, whose name is in lower case, holds a
// credential or could.
func isCredential(name, value string) bool {
	value = strings.ToLower(value)
	in := func(part string) bool { return strings.Contains(name, part) }
	with := func(part string) bool { return strings.Contains(value, part) }
	begins := func(scheme string) bool { return strings.HasPrefix(strings.TrimSpace(value), scheme) }
	return slices.ContainsFunc(credentialNames, in) || slices.ContainsFunc(credentialParameters, with) ||
		slices.ContainsFunc(credentialSchemes, begins)
}
