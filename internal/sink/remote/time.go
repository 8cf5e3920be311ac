package remote

import (
	"math"
	"time"

	"vigil"
	"vigil/internal/jsonb"
)

// timeKeys are the members of a line in which its time stands, the first one
// that is there counts.
var timeKeys = []string{"@timestamp", "ts", "@t", "timestamp"}

// EventTime is the time that a line says it is of (in its member @timestamp, ts,
// @t or timestamp, as ISO 8601), else when the event was received.
func EventTime(e *vigil.Event, line []byte) time.Time {
	if t := LineTime(line); !t.IsZero() {
		return t
	}
	return e.Received
}

// LineTime is the time that a line says it is of; zero where it says none. The
// line must be a JSON object, or empty.
func LineTime(line []byte) time.Time {
	if len(line) == 0 {
		return time.Time{}
	}
	for _, key := range timeKeys {
		v, ok := jsonb.Get(line, key)
		if !ok || len(v) < 2 || v[0] != '"' {
			continue
		}
		if t, err := time.Parse(time.RFC3339Nano, string(v[1:len(v)-1])); err == nil {
			return t
		}
	}
	return time.Time{}
}

// time is when the event of an item happened; now where nobody knows.
func (c *Config) time(it *item) time.Time {
	line := it.line
	if !it.object {
		line = nil
	}
	if t := c.Time(it.e, line); !t.IsZero() {
		return t
	}
	return c.Now()
}

// The first and the last time that nanoseconds in an int64 can say, which is 1677
// and 2262.
var (
	firstNano = time.Unix(0, math.MinInt64)
	lastNano  = time.Unix(0, math.MaxInt64)
)

// unixNano is t in nanoseconds since 1970, and for a time beyond what they can say
// the nearest that they can: t.UnixNano would be any time at all.
func unixNano(t time.Time) int64 {
	switch {
	case t.Before(firstNano):
		return math.MinInt64
	case t.After(lastNano):
		return math.MaxInt64
	}
	return t.UnixNano()
}
