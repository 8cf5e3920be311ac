package main

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// number returns a count with its noun: "1 file", "2 files".
func number[N int | int64](n N, one, more string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, more)
}

// quote returns s as one word of a POSIX shell.
func quote(s string) string {
	plain := func(r rune) bool {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("-_./:=,+@%", r)
	}
	if s != "" && strings.IndexFunc(s, func(r rune) bool { return !plain(r) }) < 0 {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}

// lifetime is a duration of Go's, which may have days (24 hours): 7d, 1d12h.
type lifetime time.Duration

// UnmarshalText implements encoding.TextUnmarshaler.
func (l *lifetime) UnmarshalText(text []byte) error {
	var days time.Duration
	rest := string(text)
	if n, more, ok := strings.Cut(rest, "d"); ok {
		d, err := strconv.ParseUint(n, 10, 16)
		if err != nil {
			return fmt.Errorf("%q is no duration: write it as 7d, 24h or 90m", text)
		}
		days, rest = time.Duration(d)*24*time.Hour, more
	}
	if rest == "" && days > 0 {
		*l = lifetime(days)
		return nil
	}
	d, err := time.ParseDuration(rest)
	if err != nil {
		return fmt.Errorf("%q is no duration: write it as 7d, 24h or 90m", text)
	}
	*l = lifetime(days + d)
	return nil
}
