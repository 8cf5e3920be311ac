package logserver

import (
	"math"
	"strconv"
	"time"
)

// ParseTime reads a time as documents spell it, and whether it could be read:
//
//   - ISO 8601 and PostgreSQL's text: date, T or space, time to the minute or
//     finer, a dot or comma before the fraction (Python's asctime has a comma),
//     and Z, UTC or an offset, which white space may precede;
//   - a date alone, which is its midnight;
//   - a number, in digits or as JSON writes it: seconds, milliseconds,
//     microseconds or nanoseconds since 1970, told apart by size.
//
// A time that names no zone is in the given one. The result is in UTC and
// rounded to microseconds, as PostgreSQL does.
func ParseTime(text []byte, zone *time.Location) (time.Time, bool) {
	if len(text) > maxTime {
		return time.Time{}, false
	}
	if len(text) >= 10 && text[4] == '-' && text[7] == '-' {
		p := timeParser{s: text}
		return p.parse(zone)
	}
	return parseEpoch(text)
}

// maxTime is longer than any spelling of a time, so that nothing is made of a
// long text that is none.
const maxTime = 48

type timeParser struct {
	s []byte
	i int
}

func (p *timeParser) parse(zone *time.Location) (time.Time, bool) {
	var f [6]int // year to second
	var nanos int
	for n, width := range [3]int{4, 2, 2} {
		v, ok := p.digits(width)
		if !ok || n < 2 && !p.skip('-') {
			return time.Time{}, false
		}
		f[n] = v
	}
	if p.skip('T') || p.skip('t') || p.skip(' ') {
		var ok bool
		if nanos, ok = p.clock(&f); !ok {
			return time.Time{}, false
		}
		if zone, ok = p.zone(zone); !ok {
			return time.Time{}, false
		}
	}
	if p.i != len(p.s) || !valid(f) {
		return time.Time{}, false
	}
	return inZone(time.Date(f[0], time.Month(f[1]), f[2], f[3], f[4], f[5], micros(nanos)*1000, time.UTC), zone), true
}

// micros rounds to microseconds as PostgreSQL does: halves to the even one.
func micros(nanos int) int {
	us, rest := nanos/1000, nanos%1000
	if rest > 500 || rest == 500 && us%2 == 1 {
		us++
	}
	return us
}

// inZone returns the instant at which clocks in the zone show what t shows in
// UTC. When clocks are changed some readings come twice and some never; both are
// taken as standard time then, as PostgreSQL does.
func inZone(t time.Time, zone *time.Location) time.Time {
	if zone == time.UTC {
		return t
	}
	offset := func(t time.Time) time.Duration {
		_, seconds := t.In(zone).Zone()
		return time.Duration(seconds) * time.Second
	}
	before, after := offset(t.Add(-24*time.Hour)), offset(t.Add(24*time.Hour))
	tBefore, tAfter := t.Add(-before), t.Add(-after)
	isBefore, isAfter := offset(tBefore) == before, offset(tAfter) == after
	switch {
	case isAfter: // also where both are: the later one
		return tAfter
	case isBefore || before < after: // or neither: the clock jumped over it
		return tBefore
	}
	return time.Date(t.Year(), t.Month(), t.Day(), t.Hour(), t.Minute(), t.Second(), t.Nanosecond(), zone).UTC()
}

// clock reads HH:MM, HH:MM:SS and a fraction into f, and returns nanoseconds.
func (p *timeParser) clock(f *[6]int) (nanos int, ok bool) {
	if f[3], ok = p.digits(2); !ok || !p.skip(':') {
		return 0, false
	}
	if f[4], ok = p.digits(2); !ok || !p.skip(':') {
		return 0, ok
	}
	if f[5], ok = p.digits(2); !ok {
		return 0, false
	}
	if !p.skip('.') && !p.skip(',') {
		return 0, true
	}
	unit := int(time.Second)
	from := p.i
	for ; p.i < len(p.s) && isDigit(p.s[p.i]); p.i++ {
		unit /= 10
		nanos += unit * int(p.s[p.i]-'0')
	}
	return nanos, p.i > from
}

// zone reads what follows the time of day; nothing means the default.
func (p *timeParser) zone(zone *time.Location) (*time.Location, bool) {
	for p.skip(' ') {
	}
	rest := p.s[p.i:]
	switch string(rest) {
	case "":
		return zone, true
	case "Z", "z", "UTC", "GMT":
		p.i = len(p.s)
		return time.UTC, true
	}
	sign := 1
	switch rest[0] {
	case '+':
	case '-':
		sign = -1
	default:
		return nil, false
	}
	p.i++
	hours, ok := p.digits(2)
	if !ok {
		return nil, false
	}
	minutes := 0
	if p.i < len(p.s) {
		p.skip(':')
		if minutes, ok = p.digits(2); !ok {
			return nil, false
		}
	}
	if hours > 15 || minutes > 59 {
		return nil, false
	}
	offset := sign * (hours*60 + minutes) * 60
	if offset == 0 {
		return time.UTC, true
	}
	return time.FixedZone("", offset), true
}

// digits reads a number of exactly width digits.
func (p *timeParser) digits(width int) (n int, ok bool) {
	if p.i+width > len(p.s) {
		return 0, false
	}
	for range width {
		c := p.s[p.i]
		if !isDigit(c) {
			return 0, false
		}
		n = n*10 + int(c-'0')
		p.i++
	}
	return n, true
}

func (p *timeParser) skip(c byte) bool {
	if p.i < len(p.s) && p.s[p.i] == c {
		p.i++
		return true
	}
	return false
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

// valid reports whether the fields are those of a time. Second 60 is a leap
// second, taken as the second after, as PostgreSQL does.
func valid(f [6]int) bool {
	if f[0] < 1 || f[1] < 1 || f[1] > 12 || f[2] < 1 || f[3] > 24 || f[4] > 59 || f[5] > 60 {
		return false
	}
	if f[3] == 24 && (f[4] > 0 || f[5] > 0) { // 24:00 is the end of the day
		return false
	}
	return f[2] <= time.Date(f[0], time.Month(f[1])+1, 0, 0, 0, 0, 0, time.UTC).Day()
}

// The least seconds since 1970 that are taken for a time (1973-03-03), so that
// counters and ids are not.
const leastEpoch = 1e8

// parseEpoch reads a number of seconds (to the year 5138), milliseconds,
// microseconds or nanoseconds.
func parseEpoch(text []byte) (time.Time, bool) {
	if len(text) < 9 || !isDigit(text[0]) {
		return time.Time{}, false
	}
	if n, err := strconv.ParseInt(string(text), 10, 64); err == nil {
		switch {
		case n < leastEpoch:
			return time.Time{}, false
		case n < 1e11:
			return time.Unix(n, 0).UTC(), true
		case n < 1e14:
			return time.UnixMilli(n).UTC(), true
		case n < 1e17:
			return time.UnixMicro(n).UTC(), true
		}
		return time.Unix(0, n).UTC().Round(time.Microsecond), true
	}
	for _, c := range text {
		if !isDigit(c) && c != '.' && c != 'e' && c != 'E' && c != '+' {
			return time.Time{}, false
		}
	}
	f, err := strconv.ParseFloat(string(text), 64)
	if err != nil || f < leastEpoch || f >= 1e19 {
		return time.Time{}, false
	}
	for f >= 1e11 {
		f /= 1000
	}
	return time.UnixMicro(int64(math.Round(f * 1e6))).UTC(), true
}
