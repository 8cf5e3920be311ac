package auth

import (
	"encoding/json"
	"math"
	"slices"
)

// leeway is how far clocks may be apart, in seconds.
const leeway = 30

// never and always are times that no clock reaches.
const (
	always = math.MinInt64 / 2
	never  = math.MaxInt64 / 2
)

// times are the registered claims of time (RFC 7519, section 4.1) in Unix
// seconds: always for nbf and iat and never for exp where they are absent.
type times struct{ exp, nbf, iat int64 }

// check returns nil where a token with these times is good now.
func (c times) check(now int64) error {
	switch {
	case c.exp < now-leeway:
		return refuse(codeClaims, "JWT expired")
	case c.nbf > now+leeway:
		return refuse(codeClaims, "JWT not yet valid")
	case c.iat > now+leeway:
		return refuse(codeClaims, "JWT issued at future")
	}
	return nil
}

// readTimes reads the claims of time. A claim that is null is absent.
func readTimes(claims map[string]any) (times, error) {
	c := times{exp: never, nbf: always, iat: always}
	for _, f := range [...]struct {
		name string
		at   *int64
	}{{"exp", &c.exp}, {"nbf", &c.nbf}, {"iat", &c.iat}} {
		v := claims[f.name]
		if v == nil {
			continue
		}
		n, ok := v.(json.Number)
		if !ok {
			return c, refuse(codeClaims, "The JWT '"+f.name+"' claim must be a number")
		}
		x, err := n.Float64()
		if err != nil || math.Abs(x) > 1<<53 {
			return c, refuse(codeClaims, "The JWT '"+f.name+"' claim must be a number")
		}
		*f.at = int64(math.Floor(x))
	}
	return c, nil
}

// checkAudience checks aud, one string or many (RFC 7519, section 4.1.3). Without
// wanted ones any will do. As in PostgREST a token for nobody in particular is
// for everybody, unless required says otherwise.
func checkAudience(claims map[string]any, wanted []string, required bool) error {
	var auds []string
	switch v := claims["aud"].(type) {
	case nil:
	case string:
		auds = []string{v}
	case []any:
		for _, x := range v {
			s, ok := x.(string)
			if !ok {
				return badAudience()
			}
			auds = append(auds, s)
		}
	default:
		return badAudience()
	}
	if len(wanted) == 0 || len(auds) == 0 && !required {
		return nil
	}
	if !slices.ContainsFunc(auds, func(a string) bool { return slices.Contains(wanted, a) }) {
		return refuse(codeClaims, "JWT not in audience")
	}
	return nil
}

func badAudience() error {
	return refuse(codeClaims, "The JWT 'aud' claim must be a string or an array of strings")
}

// text returns a claim that is a string, else nothing.
func text(claims map[string]any, names ...string) string {
	for _, n := range names {
		if s, ok := claims[n].(string); ok && s != "" {
			return s
		}
	}
	return ""
}
