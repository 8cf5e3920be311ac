package search

import (
	"fmt"
	"strings"
	"time"

	"vigil/internal/format/fhir"
)

// A prefix is a comparison of dates, as https://hl7.org/fhir/R4/search.html#prefix.
type prefix string

// prefixes are those that dates may have; none is eq.
var prefixes = []prefix{"eq", "ne", "gt", "lt", "ge", "le", "sa", "eb", "ap"}

// dates is one value of a parameter of type date: what is asked of an instant.
// The value is the span from low to high, high not included, that its precision
// makes of it; an instant is a point without extent.
type dates struct {
	prefix    prefix
	low, high time.Time
}

// parseDate reads a value of a parameter of type date. A time without zone is in
// zone; ap is a tenth of the distance from now on both sides.
func parseDate(s string, zone *time.Location, now time.Time) (dates, error) {
	d := dates{prefix: "eq"}
	if len(s) >= 2 && 'a' <= s[0] && s[0] <= 'z' {
		d.prefix = ""
		for _, p := range prefixes {
			if strings.HasPrefix(s, string(p)) {
				d.prefix, s = p, s[2:]
				break
			}
		}
		if d.prefix == "" {
			return d, fmt.Errorf("%q is no prefix of a date: use eq, ne, gt, lt, ge, le, sa, eb or ap", s[:2])
		}
	}
	var err error
	if d.low, d.high, err = span(s, zone); err != nil {
		return d, err
	}
	if d.prefix == "ap" {
		gap := now.Sub(d.low).Abs() / 10
		d.low, d.high = d.low.Add(-gap), d.high.Add(gap)
	}
	return d, nil
}

// has reports whether an instant is what is asked for.
func (d dates) has(t time.Time) bool {
	switch d.prefix {
	case "ne":
		return t.Before(d.low) || !t.Before(d.high)
	case "gt", "sa":
		return !t.Before(d.high)
	case "lt", "eb":
		return t.Before(d.low)
	case "ge":
		return !t.Before(d.low)
	case "le":
		return t.Before(d.high)
	}
	return !t.Before(d.low) && t.Before(d.high)
}

// span returns what a date or time of any precision spans.
func span(s string, zone *time.Location) (low, high time.Time, err error) {
	fail := fmt.Errorf("want a date such as 2026-03, 2026-03-29 or 2026-03-29T10:15:30+02:00")
	day, clock, timed := strings.Cut(s, "T")
	var year, month, date int
	month, date = 1, 1
	switch {
	case len(day) == 4 && digits(day, &year):
	case len(day) == 7 && day[4] == '-' && digits(day[:4], &year) && digits(day[5:], &month):
	case len(day) == 10 && day[4] == '-' && day[7] == '-' && digits(day[:4], &year) && digits(day[5:7], &month) && digits(day[8:], &date):
	default:
		return low, high, fail
	}
	if timed {
		if len(day) != 10 {
			return low, high, fail
		}
		return clockSpan(year, month, date, clock, zone)
	}
	if !valid(year, month, date) {
		return low, high, fail
	}
	low = time.Date(year, time.Month(month), date, 0, 0, 0, 0, zone)
	switch len(day) {
	case 4:
		high = time.Date(year+1, 1, 1, 0, 0, 0, 0, zone)
	case 7:
		high = time.Date(year, time.Month(month+1), 1, 0, 0, 0, 0, zone)
	default:
		high = time.Date(year, time.Month(month), date+1, 0, 0, 0, 0, zone)
	}
	return low, high, nil
}

// valid reports whether there is such a day.
func valid(year, month, date int) bool {
	if year < 1 || month < 1 || month > 12 || date < 1 {
		return false
	}
	return date <= time.Date(year, time.Month(month+1), 0, 0, 0, 0, 0, time.UTC).Day()
}

// clockSpan reads hh:mm[:ss[.s…]][zone]. Where a + came through a form it is a space.
func clockSpan(year, month, date int, s string, zone *time.Location) (low, high time.Time, err error) {
	fail := fmt.Errorf("want a time such as 2026-03-29T10:15:30+02:00, or with Z, or without a zone")
	clock := s
	if i := strings.IndexAny(s, "Z+- "); i >= 0 {
		clock = s[:i]
		if zone, err = zoneOf(s[i:]); err != nil {
			return low, high, fail
		}
	}
	var hour, minute, second, nanos int
	precision := time.Minute
	if len(clock) < 5 || clock[2] != ':' || !digits(clock[:2], &hour) || !digits(clock[3:5], &minute) {
		return low, high, fail
	}
	if rest := clock[5:]; rest != "" {
		if len(rest) < 3 || rest[0] != ':' || !digits(rest[1:3], &second) {
			return low, high, fail
		}
		precision = time.Second
		if fraction := rest[3:]; fraction != "" {
			if len(fraction) < 2 || len(fraction) > 10 || fraction[0] != '.' || !digits(fraction[1:], &nanos) {
				return low, high, fail
			}
			for range 10 - len(fraction) {
				nanos *= 10
			}
			for range len(fraction) - 1 {
				precision /= 10
			}
		}
	}
	if hour > 23 || minute > 59 || second > 60 || !valid(year, month, date) {
		return low, high, fail
	}
	low = time.Date(year, time.Month(month), date, hour, minute, second, nanos, zone)
	return low, low.Add(precision), nil
}

// zoneOf reads Z, +hh:mm or -hh:mm.
func zoneOf(s string) (*time.Location, error) {
	if s == "Z" {
		return time.UTC, nil
	}
	var hours, minutes int
	if len(s) != 6 || s[0] == 'Z' || s[3] != ':' || !digits(s[1:3], &hours) || !digits(s[4:], &minutes) || hours > 14 || minutes > 59 {
		return nil, fmt.Errorf("want a zone such as Z or +02:00")
	}
	offset := hours*3600 + minutes*60
	if s[0] == '-' {
		offset = -offset
	}
	return time.FixedZone("", offset), nil
}

// digits reads a number of at most nine digits and nothing else.
func digits(s string, n *int) bool {
	*n = 0
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
		*n = *n*10 + int(s[i]-'0')
	}
	return s != "" && len(s) <= 9
}

// instant returns the time that a primitive says, if it is one of FHIR's instants
// or something like it, to the microsecond: rounded as facts and PostgreSQL do,
// halves to the even one.
func instant(n *fhir.Node) (time.Time, bool) {
	s := n.Text()
	if dot := strings.IndexByte(s, '.'); dot > 0 {
		end := dot + 1
		for end < len(s) && '0' <= s[end] && s[end] <= '9' {
			end++
		}
		if end-dot > 10 {
			s = s[:dot+10] + s[end:]
		}
	}
	t, _, err := span(s, time.UTC)
	whole := t.Truncate(time.Microsecond)
	if rest := t.Sub(whole); rest > 500 || rest == 500 && t.Nanosecond()/1000%2 == 1 {
		whole = whole.Add(time.Microsecond)
	}
	return whole, err == nil
}
