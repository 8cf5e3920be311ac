package postgrest

import (
	"net/http"
	"strconv"
	"strings"
	"time"
)

// preferences is what the Prefer headers of a request ask for. An empty field
// was not asked for. Where one is asked for twice the first wins, as in PostgREST.
type preferences struct {
	resolution string // merge-duplicates, ignore-duplicates
	missing    string // default, null
	ret        string // minimal, headers-only, representation
	count      string // exact, planned, estimated; none counts as not asked for
	handling   string // strict, lenient
	timezone   string
	maxRows    string // max-affected=N

	zone *time.Location // of timezone; nil is UTC
}

// preferValues has the values of each preference that is an enumeration.
// tx is taken and does nothing: a write cannot be rolled back once it is answered.
var preferValues = map[string][]string{
	"resolution": {"merge-duplicates", "ignore-duplicates"},
	"missing":    {"default", "null"},
	"return":     {"minimal", "headers-only", "representation"},
	"count":      {"exact", "planned", "estimated", "none"},
	"handling":   {"strict", "lenient"},
	"tx":         {"commit", "rollback"},
}

// parsePrefer reads the Prefer headers (RFC 7240). What it does not know is an
// error only where handling=strict is asked for; an unknown time zone always is.
func parsePrefer(headers []string) (p preferences, err error) {
	if len(headers) == 0 {
		return p, nil
	}
	var unknown []string
	for token := range strings.SplitSeq(strings.Join(headers, ","), ",") {
		if token = strings.TrimSpace(token); token != "" && !p.take(token) {
			unknown = append(unknown, token)
		}
	}
	if p.handling == "strict" && len(unknown) > 0 {
		return p, &Error{
			Status: http.StatusBadRequest, Code: "PGRST122", Message: "Invalid preferences given with handling=strict",
			Details: "Invalid preferences: " + strings.Join(unknown, ", "),
		}
	}
	if p.timezone != "" {
		if p.zone = findZone(p.timezone); p.zone == nil {
			return p, &Error{
				Status: http.StatusBadRequest, Code: "22023",
				Message: `invalid value for parameter "TimeZone": "` + p.timezone + `"`,
			}
		}
	}
	if p.count == "none" {
		p.count = ""
	}
	return p, nil
}

// take keeps one preference. It reports false where it knows no such one.
func (p *preferences) take(token string) bool {
	name, value, _ := strings.Cut(token, "=")
	var field *string
	switch name {
	case "resolution":
		field = &p.resolution
	case "missing":
		field = &p.missing
	case "return":
		field = &p.ret
	case "count":
		field = &p.count
	case "handling":
		field = &p.handling
	case "tx":
		field = new(string)
	case "timezone":
		return keep(&p.timezone, value, value != "")
	case "max-affected":
		n, err := strconv.ParseInt(value, 10, 64)
		return keep(&p.maxRows, value, err == nil && n >= 0)
	default:
		return false
	}
	for _, v := range preferValues[name] {
		if v == value {
			return keep(field, value, true)
		}
	}
	return false
}

func keep(field *string, value string, ok bool) bool {
	if ok && *field == "" {
		*field = value
	}
	return ok
}

// findZone returns the zone that PostgreSQL's parameter TimeZone means: a name of
// the zone database, or hours with optional minutes, whose sign is that of POSIX:
// west of Greenwich for PostgreSQL's numbers with a colon, east for bare numbers.
// Nil is no such zone.
func findZone(name string) *time.Location {
	if sign, rest, ok := signed(name); ok {
		h, m, colon := strings.Cut(rest, ":")
		hours, err := strconv.Atoi(h)
		minutes := 0
		if err == nil && colon {
			minutes, err = strconv.Atoi(m)
			sign = -sign
		}
		if err != nil || hours > 15 || minutes > 59 || minutes < 0 {
			return nil
		}
		return time.FixedZone("", sign*(hours*60+minutes)*60)
	}
	if name == "Local" || strings.ContainsAny(name, `\`) {
		return nil
	}
	loc, err := time.LoadLocation(name)
	if err != nil {
		return nil
	}
	return loc
}

// signed takes the sign off a number, where name begins as one.
func signed(name string) (sign int, rest string, ok bool) {
	switch c := name[0]; {
	case c == '-':
		return -1, name[1:], true
	case c == '+':
		return 1, name[1:], true
	case '0' <= c && c <= '9':
		return 1, name, true
	}
	return 0, "", false
}

// readApplied is the Preference-Applied header of a read, empty for none.
func (p *preferences) readApplied() string {
	return applied("count", p.count, "handling", p.handling, "timezone", p.timezone)
}

// writeApplied is the Preference-Applied header of a write.
func (p *preferences) writeApplied() string {
	return applied("resolution", p.resolution, "missing", p.missing, "return", p.ret,
		"count", p.count, "handling", p.handling, "timezone", p.timezone)
}

// applied joins names and values, leaving out empty ones.
func applied(pairs ...string) string {
	var b strings.Builder
	for i := 0; i < len(pairs); i += 2 {
		if pairs[i+1] == "" {
			continue
		}
		if b.Len() > 0 {
			b.WriteString(", ")
		}
		b.WriteString(pairs[i] + "=" + pairs[i+1])
	}
	return b.String()
}
