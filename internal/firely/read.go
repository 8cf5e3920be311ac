package firely

import (
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"
)

// reader reads typed values and gathers what is wrong with them, so that an
// operator sees everything at once.
type reader struct {
	errs     []error
	environ  []string
	warnings []string
}

func (r *reader) failf(n *node, format string, args ...any) {
	at := "the settings"
	if n != nil && n.at != "" {
		at = n.at
	}
	r.errs = append(r.errs, fmt.Errorf("%s: %s", at, fmt.Sprintf(format, args...)))
}

// single refuses an object or a list where one value belongs: .NET would take it
// for nothing, and a Method of ["GET"] for every method.
func (r *reader) single(n *node) {
	if n != nil && n.null && len(n.parts) > 0 {
		r.failf(n, "%s is an object or a list: want one value", n.name)
	}
}

// text returns a text, otherwise where nothing is said.
func (r *reader) text(n *node, otherwise string) string {
	r.single(n)
	if n == nil || n.null {
		return otherwise
	}
	return n.value
}

// truth returns true or false.
func (r *reader) truth(n *node, otherwise bool) bool {
	r.single(n)
	if n == nil || n.null || n.value == "" {
		return otherwise
	}
	switch strings.ToLower(n.value) {
	case "true":
		return true
	case "false":
		return false
	}
	r.failf(n, "%s is %q: want true or false", n.name, n.value)
	return otherwise
}

// count returns a whole number that is at least least.
func (r *reader) count(n *node, otherwise, least int64) int64 {
	r.single(n)
	if n == nil || n.null || n.value == "" {
		return otherwise
	}
	v, err := strconv.ParseInt(n.value, 10, 64)
	if err != nil || v < least {
		r.failf(n, "%s is %q: want a whole number from %d on", n.name, n.value, least)
		return otherwise
	}
	return v
}

// span returns a duration as .NET writes it: [days.]hh:mm[:ss[.fraction]], or a
// number of days.
func (r *reader) span(n *node, otherwise time.Duration) time.Duration {
	r.single(n)
	if n == nil || n.null || n.value == "" {
		return otherwise
	}
	d, ok := parseSpan(n.value)
	if !ok || d <= 0 {
		r.failf(n, "%s is %q: want a time such as 00:00:02 or 7.00:00:00", n.name, n.value)
		return otherwise
	}
	return d
}

func parseSpan(s string) (time.Duration, bool) {
	days, rest := 0, s
	if before, after, ok := strings.Cut(s, "."); ok && !strings.Contains(before, ":") {
		n, err := strconv.Atoi(before)
		if err != nil || n < 0 || n > 36500 {
			return 0, false
		}
		days, rest = n, after
	} else if !strings.Contains(s, ":") {
		n, err := strconv.Atoi(s)
		if err != nil || n < 0 || n > 36500 {
			return 0, false
		}
		return time.Duration(n) * 24 * time.Hour, true
	}
	parts := strings.Split(rest, ":")
	if len(parts) < 2 || len(parts) > 3 {
		return 0, false
	}
	h, err1 := strconv.Atoi(parts[0])
	m, err2 := strconv.Atoi(parts[1])
	sec := 0.0
	var err3 error
	if len(parts) == 3 {
		sec, err3 = strconv.ParseFloat(parts[2], 64)
	}
	if err1 != nil || err2 != nil || err3 != nil || h < 0 || h > 23 || m < 0 || m > 59 || sec < 0 || sec >= 60 {
		return 0, false
	}
	return time.Duration(days)*24*time.Hour + time.Duration(h)*time.Hour + time.Duration(m)*time.Minute + time.Duration(sec*1e9), true
}

// known refuses parts of n that are none of names.
func (r *reader) known(n *node, what string, names ...string) {
	if n == nil {
		return
	}
	for _, p := range n.parts {
		if !slices.ContainsFunc(names, func(s string) bool { return strings.EqualFold(s, p.name) }) {
			r.failf(p, "%s has no %q: it may have %s", what, p.name, strings.Join(names, ", "))
		}
	}
}

// expand puts the values of variables of the environment into the values of n, as
// Serilog does with what its sinks are given: %NAME% is the variable's value. The
// directory for temporary files is there on every system, as %TEMP% and %TMP%. What
// is no variable stays as it is.
func (r *reader) expand(n *node) {
	for _, p := range n.parts {
		if len(p.parts) > 0 || !strings.Contains(p.value, "%") {
			continue
		}
		var b strings.Builder
		rest := p.value
		for {
			before, after, ok := strings.Cut(rest, "%")
			name, follows, closed := strings.Cut(after, "%")
			if b.WriteString(before); !ok || !closed {
				b.WriteString(rest[len(before):])
				break
			}
			if value, found := r.variable(name); found {
				b.WriteString(value)
				rest = follows
				continue
			}
			if isVariable(name) {
				r.warnings = append(r.warnings, fmt.Sprintf("%s: there is no variable %s in the environment, so %%%s%% stays as it is", p.at, name, name))
			}
			b.WriteString("%" + name)
			rest = "%" + follows
		}
		p.value = b.String()
	}
}

// variable returns a variable of the environment. Names are compared without case,
// as on the systems that write them so; one that is the same counts first.
func (r *reader) variable(name string) (value string, ok bool) {
	for _, v := range r.environ {
		switch n, val, _ := strings.Cut(v, "="); {
		case name == "":
		case n == name:
			return val, true
		case strings.EqualFold(n, name):
			value, ok = val, true
		}
	}
	if !ok && (strings.EqualFold(name, "TEMP") || strings.EqualFold(name, "TMP")) {
		return strings.TrimSuffix(os.TempDir(), "/"), true
	}
	return value, ok
}

// isVariable reports whether text looks like the name of a variable.
func isVariable(text string) bool {
	for i, c := range text {
		if c != '_' && (c < 'A' || c > 'Z') && (c < 'a' || c > 'z') && (i == 0 || c < '0' || c > '9') {
			return false
		}
	}
	return text != ""
}
