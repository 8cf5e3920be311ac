package gateway

import (
	"fmt"
	"net/url"
	"strings"
)

// redacted stands for a value that must not be recorded.
const redacted = "REDACTED"

// action is what becomes of a value.
type action uint8

const (
	keepValue action = iota
	redactValue
	hmacValue
)

// fieldRule names something to redact.
type fieldRule struct {
	where byte     // h(eader), q(uery), b(ody)
	name  string   // of a header or parameter, in lower case
	path  []string // of a body's field
	act   action
	text  string // as records have it
}

// appendFieldRule reads header:NAME, query:NAME or body:PATH.
func appendFieldRule(rules []fieldRule, s string, pseudonym bool) ([]fieldRule, error) {
	kind, name, ok := strings.Cut(s, ":")
	f := fieldRule{act: redactValue, text: "-" + s, name: strings.ToLower(name)}
	if pseudonym {
		f.act, f.text = hmacValue, "#"+s
	}
	if !ok || name == "" || len(s) > 512 {
		return nil, fmt.Errorf("field %q: want header:NAME, query:NAME or body:PATH", s)
	}
	switch kind {
	case "header", "query":
		f.where = kind[0]
	case "body":
		f.where, f.path = 'b', strings.Split(name, ".")
	default:
		return nil, fmt.Errorf("field %q: want header:NAME, query:NAME or body:PATH", s)
	}
	return append(rules, f), nil
}

// rules say what of an exchange is not recorded as it is. Nil redacts passwords
// and tokens only, as every other does too.
type rules struct {
	fields     []fieldRule
	pseudonyms *Pseudonyms
}

// texts returns the rules as a record has them.
func (r *rules) texts() []string {
	if r == nil {
		return nil
	}
	var out []string
	for _, f := range r.fields {
		out = append(out, f.text)
	}
	return out
}

// readRules reads what texts wrote.
func readRules(texts []string, p *Pseudonyms) *rules {
	if len(texts) == 0 {
		return nil
	}
	r := &rules{pseudonyms: p}
	for _, s := range texts {
		if s == "" {
			continue
		}
		if fields, err := appendFieldRule(r.fields, s[1:], s[0] == '#'); err == nil { // it was checked when it was written
			r.fields = fields
		}
	}
	return r
}

// named says what becomes of a header or a parameter.
func (r *rules) named(where byte, name string) action {
	if where == 'q' && isSecret(name) {
		return redactValue
	}
	act := keepValue
	if r != nil {
		for i := range r.fields {
			if f := &r.fields[i]; f.where == where && glob(f.name, name) {
				act = stronger(act, f.act)
			}
		}
	}
	return act
}

// field says what becomes of a body's field. path is from the nearest resource.
func (r *rules) field(path []string) action {
	if isSecret(strings.ToLower(path[len(path)-1])) {
		return redactValue
	}
	act := keepValue
	if r != nil {
		for i := range r.fields {
			if f := &r.fields[i]; f.where == 'b' && fits(f.path, path) {
				act = stronger(act, f.act)
			}
		}
	}
	return act
}

// stronger prefers redaction to a pseudonym, and that to nothing.
func stronger(a, b action) action {
	if a == redactValue || b == keepValue {
		return a
	}
	return b
}

// replace returns what stands for value.
func (r *rules) replace(act action, value string) string {
	if act == hmacValue && r != nil && r.pseudonyms != nil {
		return r.pseudonyms.Of(value)
	}
	return redacted
}

// value returns what stands in the place of a body's value, and whether that is
// another one. Of an address the query is looked at, as that of the request is.
func (r *rules) value(path []string, value string, act action) (string, bool) {
	if act != keepValue {
		return r.replace(act, value), true
	}
	if strings.IndexByte(value, '=') < 0 {
		return value, false
	}
	before, query, ok := strings.Cut(value, "?")
	if !ok {
		if len(path) == 0 || path[len(path)-1] != "ifNoneExist" {
			return value, false
		}
		before, query = "", value
	} else {
		before += "?"
	}
	clean := before + r.query(query)
	return clean, clean != value
}

// header returns the value of a header as it is recorded.
func (r *rules) header(name, value string) string {
	if value == "" {
		return value
	}
	name = strings.ToLower(name)
	if secretHeader(name) {
		return redacted
	}
	if act := r.named('h', name); act != keepValue {
		return r.replace(act, value)
	}
	if before, query, ok := strings.Cut(value, "?"); ok && strings.IndexByte(query, '=') >= 0 { // an address, such as a Referer
		return before + "?" + r.query(query)
	}
	return value
}

// query returns a query as it is recorded.
func (r *rules) query(q string) string {
	if q == "" || r == nil && !mayHaveSecret(q) {
		return q
	}
	var b strings.Builder
	b.Grow(len(q))
	for len(q) > 0 {
		end := strings.IndexAny(q, "&;") // some servers take a semicolon for an ampersand
		sep := ""
		if end < 0 {
			end = len(q)
		} else {
			sep = q[end : end+1]
		}
		b.WriteString(r.parameter(q[:end]))
		b.WriteString(sep)
		q = q[end+len(sep):]
	}
	return b.String()
}

// parameter returns one parameter of a query as it is recorded.
func (r *rules) parameter(pair string) string {
	name, value, ok := strings.Cut(pair, "=")
	if !ok {
		return pair
	}
	plain := strings.TrimSuffix(strings.TrimSpace(strings.ToLower(unescape(name))), "[]")
	act := r.named('q', plain)
	if base, _, ok := strings.Cut(plain, ":"); ok && act == keepValue { // a search modifier
		act = r.named('q', base)
	}
	switch act {
	case hmacValue:
		return name + "=" + url.QueryEscape(r.replace(act, unescape(value)))
	case redactValue:
		return name + "=" + redacted
	}
	return pair
}

// path returns a path as it is recorded: some servers take what comes after a
// semicolon for parameters, and have sessions there.
func (r *rules) path(p string) string {
	if strings.IndexByte(p, ';') < 0 {
		return p
	}
	segs := strings.Split(p, "/")
	for i, s := range segs {
		name, params, ok := strings.Cut(s, ";")
		if !ok {
			continue
		}
		list := strings.Split(params, ";")
		for j, one := range list {
			list[j] = r.parameter(one)
		}
		segs[i] = name + ";" + strings.Join(list, ";")
	}
	return strings.Join(segs, "/")
}

// mayHaveSecret is a quick look, so that most queries are not taken apart.
func mayHaveSecret(q string) bool {
	for i := range len(q) {
		switch q[i] | 0x20 {
		case 'k', 'w', 'r', 'j', '%': // toKen, passWord, secRet, Jsessionid, and letters that are escaped
			return true
		}
	}
	return false
}

// isSecret reports whether a parameter or a field of that name, in lower case,
// carries a password or a token.
func isSecret(name string) bool {
	switch name {
	case "access_token", "id_token", "refresh_token", "token", "id_token_hint", "client_secret", "client_assertion",
		"assertion", "apikey", "api_key", "api-key", "secret", "authorization", "subject_token", "actor_token",
		"accesstoken", "idtoken", "refreshtoken", "clientsecret", "clientassertion", "code_verifier",
		"auth_token", "bearer_token", "session_token", "x-api-key", "x-auth-token", "x-access-token", "bearer", "jwt", "jsessionid":
		return true
	}
	return strings.Contains(name, "passw") || strings.Contains(name, "passphrase")
}

// secretHeader reports whether a header of that name, in lower case, carries a
// token. It is not recorded even where the configuration names it.
func secretHeader(name string) bool {
	switch name {
	case "cookie", "set-cookie", "x-api-key", "api-key", "ocp-apim-subscription-key", "dpop":
		return true
	}
	return strings.HasSuffix(name, "authorization") || strings.HasSuffix(name, "token") || strings.HasSuffix(name, "secret") ||
		strings.Contains(name, "passw")
}
