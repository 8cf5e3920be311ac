package fhir

import (
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// maxString is the size that FHIR allows for a string, in characters.
const maxString = 1 << 20

// problem says what is wrong with the text of a primitive, "" for nothing. The
// formats are those of the data types' regular expressions (R4 and R5, Data
// Types), and days and codings must exist. The texts do not repeat the value.
func (f format) problem(s string, v Version) string {
	if s == "" {
		return "must not be empty: leave it out where there is no value"
	}
	switch f {
	case fString, fMarkdown:
		return unless(len(s) <= maxString || utf8.RuneCountInString(s) <= maxString, "must not be longer than 1,048,576 characters")
	case fCode:
		return unless(IsCode(s), "must be a code: no white space at the ends, and only single spaces within")
	case fURI, fURL, fCanonical:
		return unless(!strings.ContainsAny(s, " \t\n\r\v\f"), "must be a URI, without white space")
	case fID:
		return unless(IsID(s), "must be an id: 1 to 64 letters, digits, hyphens and dots")
	case fOID:
		return unless(isOID(s), "must be an OID such as urn:oid:1.2.3")
	case fUUID:
		return unless(isUUID(s), "must be a UUID such as urn:uuid:c757873d-ec9a-4326-a141-556f43239520, in lower case")
	case fBase64:
		return unless(isBase64(s, v), "must be base64: groups of four characters of A-Z a-z 0-9 + / with = at the end")
	case fInstant:
		return unless(isInstant(s, v), "must be an instant such as 2015-02-07T13:28:17.239+02:00: with seconds and time zone")
	case fDateTime:
		return unless(isDate(s) || isInstant(s, v), "must be a date or a time such as 2015, 2015-02, 2015-02-07 or 2015-02-07T13:28:17+02:00")
	case fDate:
		return unless(isDate(s), "must be a date such as 2015, 2015-02 or 2015-02-07")
	case fTime:
		return unless(isTime(s, v), "must be a time of day such as 13:28:17")
	case fInteger:
		return integerProblem(s, -1<<31, "must be a whole number of 32 bits")
	case fPositiveInt:
		return integerProblem(s, 1, "must be a whole number from 1 to 2147483647")
	case fUnsignedInt:
		return integerProblem(s, 0, "must be a whole number from 0 to 2147483647")
	case fInteger64:
		_, err := strconv.ParseInt(s, 10, 64)
		return unless(err == nil, "must be a whole number of 64 bits, as a string")
	}
	return ""
}

func unless(ok bool, problem string) string {
	if ok {
		return ""
	}
	return problem
}

// doubt says what is odd about the text of a string. FHIR forbids it, but a
// record that says so little is still worth more than none.
func (f format) doubt(s string) string {
	if f != fString && f != fMarkdown {
		return ""
	}
	blank := true
	for i := range len(s) {
		c := s[i]
		if c < 0x20 && c != '\t' && c != '\n' && c != '\r' {
			return "should not have control characters but tab, line feed and carriage return: XML cannot hold them"
		}
		blank = blank && c <= ' '
	}
	return unless(!blank, "should have a character that is no white space")
}

func isDigit(c byte) bool { return c >= '0' && c <= '9' }

func isOID(s string) bool {
	arcs, ok := strings.CutPrefix(s, "urn:oid:")
	if !ok || len(arcs) < 3 || arcs[0] < '0' || arcs[0] > '2' || arcs[1] != '.' {
		return false
	}
	for arc := range strings.SplitSeq(arcs[2:], ".") {
		if arc == "" || len(arc) > 1 && arc[0] == '0' || strings.Trim(arc, "0123456789") != "" {
			return false
		}
	}
	return true
}

func isUUID(s string) bool {
	s, ok := strings.CutPrefix(s, "urn:uuid:")
	if !ok || len(s) != 36 {
		return false
	}
	for i := range len(s) {
		hyphen := i == 8 || i == 13 || i == 18 || i == 23
		if hyphen != (s[i] == '-') || !hyphen && !isDigit(s[i]) && (s[i] < 'a' || s[i] > 'f') {
			return false
		}
	}
	return true
}

// isBase64 checks without decoding. R4 allows white space between the groups.
func isBase64(s string, v Version) bool {
	n, pad := 0, 0
	for i := range len(s) {
		switch c := s[i]; {
		case c|0x20 >= 'a' && c|0x20 <= 'z' || isDigit(c) || c == '+' || c == '/':
			if pad > 0 {
				return false
			}
			n++
		case c == '=':
			pad++
		case (c == ' ' || c == '\t' || c == '\n' || c == '\r') && v != R5 && (n+pad)%4 == 0:
		default:
			return false
		}
	}
	return n > 0 && pad <= 2 && (n+pad)%4 == 0
}

func integerProblem(s string, low int64, problem string) string {
	n, err := strconv.ParseInt(s, 10, 32)
	return unless(err == nil && n >= low && strconv.FormatInt(n, 10) == s, problem)
}

// digits2 reads two digits at i, -1 where there are none.
func digits2(s string, i int) int {
	if i+2 > len(s) || !isDigit(s[i]) || !isDigit(s[i+1]) {
		return -1
	}
	return int(s[i]-'0')*10 + int(s[i+1]-'0')
}

// isDate accepts YYYY, YYYY-MM and YYYY-MM-DD of the years 0001 to 9999.
func isDate(s string) bool {
	century, year := digits2(s, 0), digits2(s, 2)
	if century < 0 || year < 0 || century+year == 0 {
		return false
	}
	if len(s) == 4 {
		return true
	}
	month := digits2(s, 5)
	if len(s) < 7 || s[4] != '-' || month < 1 || month > 12 {
		return false
	}
	if len(s) == 7 {
		return true
	}
	day := digits2(s, 8)
	return len(s) == 10 && s[7] == '-' && day >= 1 && day <= daysIn(century*100+year, month)
}

func daysIn(year, month int) int {
	switch month {
	case 4, 6, 9, 11:
		return 30
	case 2:
		if year%4 == 0 && (year%100 != 0 || year%400 == 0) {
			return 29
		}
		return 28
	}
	return 31
}

// isTime accepts hh:mm:ss with a fraction, which R5 bounds to nine digits.
func isTime(s string, v Version) bool {
	hour, minute, second := digits2(s, 0), digits2(s, 3), digits2(s, 6)
	if hour < 0 || hour > 23 || minute < 0 || minute > 59 || second < 0 || second > 60 || s[2] != ':' || s[5] != ':' {
		return false
	}
	if len(s) == 8 {
		return true
	}
	fraction := s[9:]
	return s[8] == '.' && fraction != "" && (v != R5 || len(fraction) <= 9) && strings.Trim(fraction, "0123456789") == ""
}

// isInstant accepts a date and time of day with time zone, from -14:00 to +14:00.
func isInstant(s string, v Version) bool {
	if len(s) < len("2006-01-02T15:04:05Z") || s[10] != 'T' || !isDate(s[:10]) {
		return false
	}
	clock := strings.TrimSuffix(s[11:], "Z")
	if len(clock) < len(s)-11 {
		return isTime(clock, v)
	}
	at := len(clock) - 6
	if at < 0 || clock[at] != '+' && clock[at] != '-' || clock[at+3] != ':' {
		return false
	}
	hour, minute := digits2(clock, at+1), digits2(clock, at+4)
	if hour < 0 || minute < 0 || minute > 59 || hour > 14 || hour == 14 && minute > 0 {
		return false
	}
	return isTime(clock[:at], v)
}

// bounds returns the first instant of a date or time and the first one after it.
// Dates are taken in UTC.
func bounds(s string) (low, end time.Time, ok bool) {
	if len(s) > 10 {
		layout := time.RFC3339Nano
		s = strings.Replace(s, ":60", ":59", 1) // a leap second, which time.Parse refuses
		t, err := time.Parse(layout, s)
		return t, t.Add(time.Nanosecond), err == nil
	}
	for _, l := range []struct {
		layout              string
		years, months, days int
	}{{"2006", 1, 0, 0}, {"2006-01", 0, 1, 0}, {"2006-01-02", 0, 0, 1}} {
		if t, err := time.Parse(l.layout, s); err == nil {
			return t, t.AddDate(l.years, l.months, l.days), true
		}
	}
	return time.Time{}, time.Time{}, false
}
