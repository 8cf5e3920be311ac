package server

import (
	"strings"
	"testing"
	"time"
)

func TestClockJumps(t *testing.T) {
	start := time.Date(2026, 11, 22, 9, 0, 0, 0, time.UTC)
	var c clock
	for _, step := range []struct {
		wall, run time.Duration
		want      string // part of the message; empty is no jump
	}{
		{0, 0, ""},
		{time.Second, time.Second, ""},
		{3 * time.Second, 2 * time.Second, ""}, // slewed, not set
		{time.Hour, 3 * time.Second, "jumped by 59m56s"},
		{time.Hour + time.Second, 4 * time.Second, ""},
		{0, 5 * time.Second, "jumped by -1h0m2s"},
		{time.Minute, time.Minute + 5*time.Second, ""}, // the machine slept: both clocks went on
	} {
		d, jumped := c.jumped(start.Add(step.wall), step.run)
		if jumped != (step.want != "") || !strings.Contains(d.Message, step.want) {
			t.Errorf("at %v, %v: %v %q, want %q", step.wall, step.run, jumped, d.Message, step.want)
		}
	}
}
