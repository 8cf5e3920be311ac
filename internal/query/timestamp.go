package query

import (
	"math"
	"strconv"
	"strings"
	"time"
)

// The infinities of dates and timestamps.
const (
	endOfTime   = math.MaxInt64
	startOfTime = math.MinInt64
)

const (
	microsPerSecond = 1_000_000
	microsPerDay    = 86_400 * microsPerSecond
	lastYear        = 294_246 // whose microseconds since 1970 an int64 has; PostgreSQL's, since 2000, go on to 294276
)

// inputTime reads ISO 8601's forms and those near to it that PostgreSQL takes
// too: 2025-01-31, 20250131, a time behind T or a space, with or without
// seconds and fraction, Z or an offset; and the words now, today, tomorrow,
// yesterday, epoch, infinity and -infinity. Other forms, such as names of months
// and time zones, are refused. Without an offset a time is in UTC.
func inputTime(s string, t Type, now time.Time) (Value, error) {
	v := Value{Type: t, Valid: true}
	if micros, ok := timeWord(trimmed(s), now); ok {
		if v.I = micros; t == Date {
			v.I = dayOf(micros)
		}
		return v, nil
	}
	p := timeParser{in: trimmed(s)}
	if err := p.fault(p.parse(), s, t); err != nil {
		return Value{}, err
	}
	day := time.Date(p.year, time.Month(p.month), p.day, 0, 0, 0, 0, time.UTC).Unix() / 86_400
	switch t {
	case Date:
		v.I = day
	case Timestamp:
		v.I = day*microsPerDay + p.clock
	default:
		v.I = day*microsPerDay + p.clock - int64(p.offset)*microsPerSecond
	}
	if t != Date && p.year > lastYear {
		return Value{}, errorf(codeDateRange, "timestamp out of range: \"%s\"", cut(s))
	}
	return v, nil
}

// dayOf returns the day of a time, both since 1970.
func dayOf(micros int64) int64 {
	if micros == endOfTime || micros == startOfTime {
		return micros
	}
	d := micros / microsPerDay
	if micros%microsPerDay < 0 {
		d--
	}
	return d
}

// timeWord returns what a word means as a time.
func timeWord(word string, now time.Time) (micros int64, ok bool) {
	midnight := now.Truncate(24 * time.Hour)
	switch strings.ToLower(word) {
	case "now":
		return now.UnixMicro(), true
	case "today":
		return midnight.UnixMicro(), true
	case "tomorrow":
		return midnight.AddDate(0, 0, 1).UnixMicro(), true
	case "yesterday":
		return midnight.AddDate(0, 0, -1).UnixMicro(), true
	case "epoch":
		return 0, true
	case "infinity", "+infinity":
		return endOfTime, true
	case "-infinity":
		return startOfTime, true
	}
	return 0, false
}

// fault words what is wrong with the text s of type t.
func (p *timeParser) fault(f timeFault, s string, t Type) error {
	switch f {
	case timeOK:
		return nil
	case timeField:
		return errorf(codeDateRange, "date/time field value out of range: \"%s\"", cut(s))
	case timeMonth:
		e := errorf(codeDateRange, "date/time field value out of range: \"%s\"", cut(s))
		e.Hint = `Perhaps you need a different "datestyle" setting.`
		return e
	case timeZone:
		return errorf("22009", "time zone displacement out of range: \"%s\"", cut(s))
	}
	name := t.String()
	if t == Timestamp {
		name = "timestamp" // so it says
	}
	return errorf(codeBadDate, "invalid input syntax for type %s: \"%s\"", name, cut(s))
}

// timeFault is what can be wrong with a time.
type timeFault int

const (
	timeOK timeFault = iota
	timeSyntax
	timeField
	timeMonth
	timeZone
)

// timeParser reads a date with an optional time and zone.
type timeParser struct {
	in               string
	i                int
	year, month, day int
	clock            int64 // microseconds since midnight
	offset           int   // seconds east of Greenwich
}

func (p *timeParser) parse() timeFault {
	if f := p.date(); f != timeOK {
		return f
	}
	if p.i < len(p.in) {
		rest := p.in[p.i:]
		switch {
		case len(rest) > 1 && (rest[0] == 'T' || rest[0] == 't') && isDigit(rest[1]):
			p.i++
		case rest[0] == ' ':
			p.spaces()
		}
		if p.i < len(p.in) && isDigit(p.in[p.i]) {
			if f := p.time(); f != timeOK {
				return f
			}
		}
		p.spaces()
		if f := p.zone(); f != timeOK {
			return f
		}
	}
	if p.month < 1 || p.month > 12 || p.day < 1 || p.day > 31 {
		return timeMonth
	}
	last := time.Date(p.year, time.Month(p.month)+1, 0, 0, 0, 0, 0, time.UTC).Day()
	if p.day > last || p.year < 1 {
		return timeField
	}
	return timeOK
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

func (p *timeParser) spaces() {
	for p.i < len(p.in) && p.in[p.i] == ' ' {
		p.i++
	}
}

// digits reads a run of digits.
func (p *timeParser) digits() string {
	from := p.i
	for p.i < len(p.in) && isDigit(p.in[p.i]) {
		p.i++
	}
	return p.in[from:p.i]
}

// next reads c, if it is next.
func (p *timeParser) next(c byte) bool {
	if p.i < len(p.in) && p.in[p.i] == c {
		p.i++
		return true
	}
	return false
}

func number(s string) int {
	n, err := strconv.Atoi(s)
	if err != nil {
		return math.MaxInt32 // more digits than any field has
	}
	return n
}

func (p *timeParser) date() timeFault {
	y := p.digits()
	if len(y) == 8 && (p.i >= len(p.in) || p.in[p.i] != '-') {
		p.year, p.month, p.day = number(y[:4]), number(y[4:6]), number(y[6:])
		return timeOK
	}
	sep := byte('-')
	if p.i < len(p.in) && p.in[p.i] == '/' {
		sep = '/'
	}
	if len(y) < 4 || len(y) > 6 || !p.next(sep) {
		return timeSyntax
	}
	m := p.digits()
	if m == "" || len(m) > 2 || !p.next(sep) {
		return timeSyntax
	}
	d := p.digits()
	if d == "" || len(d) > 2 {
		return timeSyntax
	}
	p.year, p.month, p.day = number(y), number(m), number(d)
	return timeOK
}

// time reads 10:20, 10:20:30.5, 1020 and 102030.5.
func (p *timeParser) time() timeFault {
	h := p.digits()
	m, s := "", "0"
	switch {
	case len(h) <= 2 && p.next(':'):
		if m = p.digits(); m == "" || len(m) > 2 {
			return timeSyntax
		}
		if p.next(':') {
			if s = p.digits(); s == "" || len(s) > 2 {
				return timeSyntax
			}
		}
	case len(h) == 4:
		h, m = h[:2], h[2:]
	case len(h) == 6:
		h, m, s = h[:2], h[2:4], h[4:]
	default:
		return timeSyntax
	}
	var micros int64
	if p.next('.') {
		micros = fraction(p.digits())
	}
	hour, minute, second := number(h), number(m), number(s)
	p.clock = int64(hour*3600+minute*60+second)*microsPerSecond + micros
	if hour > 24 || minute > 59 || second > 60 || p.clock > microsPerDay && hour == 24 {
		return timeField
	}
	return timeOK
}

// fraction returns the microseconds of the digits behind the point, rounded.
func fraction(digits string) int64 {
	f, err := strconv.ParseFloat("0."+digits+"0", 64)
	if err != nil {
		return 0
	}
	return int64(math.RoundToEven(f * microsPerSecond))
}

// zone reads what is left: nothing, Z, UTC, GMT or an offset.
func (p *timeParser) zone() timeFault {
	rest := p.in[p.i:]
	switch strings.ToLower(rest) {
	case "", "z", "utc", "gmt", "zulu":
		return timeOK
	}
	if rest[0] != '+' && rest[0] != '-' {
		return timeSyntax
	}
	p.i++
	h := p.digits()
	m, s := "0", "0"
	switch {
	case len(h) == 4:
		h, m = h[:2], h[2:]
	case len(h) == 6:
		h, m, s = h[:2], h[2:4], h[4:]
	case len(h) == 0 || len(h) > 2:
		return timeSyntax
	case p.next(':'):
		if m = p.digits(); len(m) != 2 {
			return timeSyntax
		}
		if p.next(':') {
			if s = p.digits(); len(s) != 2 {
				return timeSyntax
			}
		}
	}
	if p.i < len(p.in) {
		return timeSyntax
	}
	if number(h) > 15 || number(m) > 59 || number(s) > 59 {
		return timeZone
	}
	p.offset = number(h)*3600 + number(m)*60 + number(s)
	if rest[0] == '-' {
		p.offset = -p.offset
	}
	return timeOK
}

// appendTime appends a date or timestamp as PostgreSQL prints it, or as its
// JSON has it, with a T and the minutes of the zone.
func appendTime(dst []byte, v *Value, json bool) []byte {
	switch v.I {
	case endOfTime:
		return append(dst, "infinity"...)
	case startOfTime:
		return append(dst, "-infinity"...)
	}
	t := time.UnixMicro(v.I).UTC()
	if v.Type == Date {
		t = time.Unix(v.I*86_400, 0).UTC()
	}
	year, bc := t.Year(), t.Year() <= 0
	if bc {
		year = 1 - year
	}
	dst = appendPadded(dst, year, 4)
	dst = append(dst, '-')
	dst = appendPadded(dst, int(t.Month()), 2)
	dst = append(dst, '-')
	dst = appendPadded(dst, t.Day(), 2)
	if v.Type != Date {
		dst = appendClock(dst, t, json)
		switch {
		case v.Type == Timestamp:
		case json:
			dst = append(dst, "+00:00"...)
		default:
			dst = append(dst, "+00"...)
		}
	}
	if bc {
		dst = append(dst, " BC"...)
	}
	return dst
}

func appendClock(dst []byte, t time.Time, json bool) []byte {
	sep := byte(' ')
	if json {
		sep = 'T'
	}
	dst = append(dst, sep)
	dst = appendPadded(dst, t.Hour(), 2)
	dst = append(dst, ':')
	dst = appendPadded(dst, t.Minute(), 2)
	dst = append(dst, ':')
	dst = appendPadded(dst, t.Second(), 2)
	if micros := t.Nanosecond() / 1000; micros != 0 {
		dst = append(dst, '.')
		dst = appendPadded(dst, micros, 6)
		for dst[len(dst)-1] == '0' {
			dst = dst[:len(dst)-1]
		}
	}
	return dst
}

func appendPadded(dst []byte, n, width int) []byte {
	for limit := 10; width > 1; width-- {
		if n < limit {
			for range width - 1 {
				dst = append(dst, '0')
			}
			break
		}
		limit *= 10
	}
	return strconv.AppendInt(dst, int64(n), 10)
}
