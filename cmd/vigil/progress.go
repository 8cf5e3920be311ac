package main

import (
	"fmt"
	"io"
	"os"
	"time"

	"golang.org/x/term"
)

// progress shows on a terminal how far long work is; elsewhere it is silent.
type progress struct {
	out     io.Writer // nil: no terminal
	total   int64     // 0: not known
	start   time.Time
	next    time.Time
	visible bool
}

// newProgress returns the progress of work of total steps.
func newProgress(w io.Writer, total int64) *progress {
	p := &progress{total: total, start: time.Now()}
	p.next = p.start.Add(time.Second)
	if f, ok := w.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		p.out = f
	}
	return p
}

// step says that n steps are done.
func (p *progress) step(n int64) {
	if p.out == nil || n%256 != 0 {
		return
	}
	now := time.Now()
	if now.Before(p.next) {
		return
	}
	p.next = now.Add(200 * time.Millisecond)
	p.visible = true
	rate := float64(n) / now.Sub(p.start).Seconds()
	fmt.Fprintf(p.out, "\r\x1b[K%d, %.0f/s", n, rate)
	if p.total > 0 && n <= p.total {
		left := time.Duration(float64(p.total-n)/rate) * time.Second
		fmt.Fprintf(p.out, ", %d %%, %s left", 100*n/p.total, left)
	}
}

// done takes the line away.
func (p *progress) done() {
	if p.visible {
		fmt.Fprint(p.out, "\r\x1b[K")
	}
}
