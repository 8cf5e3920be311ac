package auth

import (
	"errors"
	"strconv"
	"strings"

	"vigil"
)

// The codes of PostgREST's third group.
const (
	codeNoSecret  = "PGRST300"
	codeToken     = "PGRST301" // the token cannot be read or verified
	codeAnonymous = "PGRST302" // there is no token, and there must be one
	codeClaims    = "PGRST303" // the token says that it is not good here
	codeNoRole    = "22023"    // PostgreSQL's invalid_parameter_value
)

// refuse returns a 401 with a message of PostgREST's.
func refuse(code, message string) *vigil.Error {
	return &vigil.Error{Kind: vigil.Unauthenticated, Code: code, Message: message}
}

// undecodable is a token that is refused before its signature counts.
func undecodable(details string) *vigil.Error {
	e := refuse(codeToken, "JWT couldn't be decoded")
	e.Details = details
	return e
}

// badAlgorithm is a token whose algorithm no key may have.
func badAlgorithm(details string) *vigil.Error {
	e := refuse(codeToken, "Wrong or unsupported encoding algorithm")
	e.Details = details
	return e
}

// noKey is a token that no key verifies.
func noKey() *vigil.Error {
	e := refuse(codeToken, "No suitable key or wrong key type")
	e.Details = "None of the keys was able to decode the JWT"
	return e
}

// noRole is a token for a role that does not exist.
func noRole(role string) *vigil.Error {
	if len(role) > 63 { // PostgreSQL cuts names at this length
		role = strings.ToValidUTF8(role[:63], "")
	}
	return refuse(codeNoRole, `role "`+role+`" does not exist`)
}

// errBasic marks the refusal of a Basic client.
var errBasic = errors.New("basic credentials refused")

// Challenge returns the WWW-Authenticate header that goes with err, empty where
// none does. A token's fault is named as RFC 6750, section 3.1, has it.
func Challenge(err error) string {
	e, ok := errors.AsType[*vigil.Error](err)
	if !ok || e.Kind != vigil.Unauthenticated {
		return ""
	}
	switch {
	case errors.Is(err, errBasic):
		return `Basic realm="vigil", charset="UTF-8"`
	case e.Code == codeToken || e.Code == codeClaims:
		return `Bearer error="invalid_token", error_description=` + strconv.QuoteToASCII(e.Message)
	}
	return "Bearer"
}
