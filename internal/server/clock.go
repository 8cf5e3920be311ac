package server

import (
	"fmt"
	"time"
)

// clockJump is the least difference between the wall clock and the time that
// has run which is recorded.
const clockJump = 2 * time.Second

// clock notices that the wall clock was set: times of receipt before and after
// then do not compare, which whoever reads the log must know.
type clock struct {
	wall time.Time
	run  time.Duration
}

// jumped returns what to record, if anything, when the wall clock says wall and
// run has passed since some fixed moment by a clock that nobody sets.
func (c *clock) jumped(wall time.Time, run time.Duration) (Doing, bool) {
	last := *c
	c.wall, c.run = wall.Round(0), run // Round drops the clock that nobody sets
	if last.wall.IsZero() {
		return Doing{}, false
	}
	by := c.wall.Sub(last.wall) - (run - last.run)
	if by.Abs() < clockJump {
		return Doing{}, false
	}
	return Doing{
		Severity: "warning", Action: "execute",
		Message: fmt.Sprintf("the wall clock jumped by %s: go by id, not by time, across this event", by.Round(time.Millisecond)),
	}, true
}
