package postgrest

import (
	"math"
	"net/http"
	"strconv"
	"strings"
)

// window is the part of the rows that a request asks for.
type window struct {
	offset int64
	limit  int64 // negative: all
}

// clip narrows w to the rows that a Range header names ("0-24", "10-"). Any other
// form is refused: PostgREST takes no notice of it and answers everything.
func (w window) clip(header string) (window, error) {
	first, last, ok := strings.Cut(header, "-")
	lo, okLo := rangeNumber(first)
	hi, okHi := rangeNumber(last)
	if last == "" {
		hi, okHi = math.MaxInt64-1, true
	}
	if !ok || !okLo || !okHi {
		return w, &Error{
			Status: http.StatusBadRequest, Code: "PGRST103", Message: "Malformed Range header",
			Details: "A range is the number of the first row, a hyphen, and the number of the last row or nothing: 0-24.",
		}
	}
	if lo > hi {
		return w, errRange("The lower boundary must be lower than or equal to the upper boundary in the Range header.")
	}
	end := int64(math.MaxInt64)
	if w.limit >= 0 {
		end = add(w.offset, w.limit)
	}
	lo, end = max(lo, w.offset), min(end, hi+1)
	if lo >= end {
		return w, errRange("Limit should be greater than or equal to zero.")
	}
	if end == math.MaxInt64 {
		return window{lo, -1}, nil
	}
	return window{lo, end - lo}, nil
}

// cap narrows w to at most most rows; most <= 0 is no bound.
func (w window) cap(most int64) window {
	if most > 0 && (w.limit < 0 || w.limit > most) {
		w.limit = most
	}
	return w
}

// rows returns how many of total rows are in w.
func (w window) rows(total int64) int64 {
	n := max(total-w.offset, 0)
	if w.limit >= 0 {
		n = min(n, w.limit)
	}
	return n
}

// rangeNumber reads one number of a Range header: digits only.
func rangeNumber(s string) (int64, bool) {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return 0, false
		}
	}
	n, err := strconv.ParseInt(s, 10, 64)
	return n, err == nil && n < math.MaxInt64
}

// add returns a+b, at most the largest number there is. Neither is negative.
func add(a, b int64) int64 {
	if a > math.MaxInt64-b {
		return math.MaxInt64
	}
	return a + b
}

// unknown is a total that was not asked for.
const unknown = -1

// contentRange writes the Content-Range of n rows from offset on, of total.
func contentRange(offset, n, total int64) string {
	var b [64]byte
	s := b[:0]
	if n == 0 || total == 0 {
		s = append(s, '*')
	} else {
		s = strconv.AppendInt(s, offset, 10)
		s = append(s, '-')
		s = strconv.AppendInt(s, offset+n-1, 10)
	}
	s = append(s, '/')
	if total == unknown {
		return string(append(s, '*'))
	}
	return string(strconv.AppendInt(s, total, 10))
}

// rangeStatus returns the status of an answer with n rows from offset on, of total.
func rangeStatus(offset, n, total int64) int {
	switch {
	case total == unknown:
		return http.StatusOK
	case offset > total:
		return http.StatusRequestedRangeNotSatisfiable
	case n < total:
		return http.StatusPartialContent
	}
	return http.StatusOK
}
