package bench

import (
	"context"
	"fmt"
	"io"
	"slices"
	"text/tabwriter"
	"time"
)

// Target is a server that a comparison sends requests to.
type Target struct {
	Addr  string
	Token string
}

// Point is one kind of request of a comparison.
type Point struct {
	Name        string
	Connections int
	Size        int // events in a request
	Long        bool
}

// WritePoints are the points of the write comparison.
func WritePoints() []Point {
	return []Point{
		{Name: "single POST, 1 connection", Connections: 1, Size: 1},
		{Name: "single POST, 8 connections", Connections: 8, Size: 1},
		{Name: "single POST, 64 connections", Connections: 64, Size: 1},
		{Name: "arrays of 1,000, 1 connection", Connections: 1, Size: 1000},
		{Name: "arrays of 1,000, 4 connections", Connections: 4, Size: 1000},
	}
}

// Row is one measured point: events in a second of ours and the peer's, and
// their ratio, round by round.
type Row struct {
	Point        Point
	Ours, Peers  []float64
	Ratios       []float64
	OurP99, P99s []time.Duration
}

// Compare sends each point to both servers in turn, in rounds, so that a
// machine that gets slower does so for both.
func Compare(ctx context.Context, ours, peer Target, points []Point, rounds int, each time.Duration) ([]Row, error) {
	var rows []Row
	for _, p := range points {
		n := 512
		if p.Size > 1 {
			n = 8
		}
		bodies := Bodies(n, p.Size, p.Long)
		row := Row{Point: p}
		for range rounds {
			a, err := measure(ctx, ours, p, bodies, each)
			if err != nil {
				return nil, fmt.Errorf("%s on vigil: %w", p.Name, err)
			}
			b, err := measure(ctx, peer, p, bodies, each)
			if err != nil {
				return nil, fmt.Errorf("%s on postgrest: %w", p.Name, err)
			}
			ra, rb := a.Rate()*float64(p.Size), b.Rate()*float64(p.Size)
			row.Ours, row.Peers, row.Ratios = append(row.Ours, ra), append(row.Peers, rb), append(row.Ratios, ra/rb)
			row.OurP99, row.P99s = append(row.OurP99, a.P99), append(row.P99s, b.P99)
		}
		rows = append(rows, row)
	}
	return rows, nil
}

func measure(ctx context.Context, t Target, p Point, bodies [][]byte, each time.Duration) (Result, error) {
	requests := make([][]byte, len(bodies))
	for i, body := range bodies {
		requests[i] = Post(t.Addr, "/events", t.Token, body)
	}
	return Load{Addr: t.Addr, Connections: p.Connections, Duration: each, Requests: requests, Want: 201}.Run(ctx)
}

// WriteTable prints the rows as a Markdown table of medians and spreads.
func WriteTable(w io.Writer, rows []Row) error {
	tw := tabwriter.NewWriter(w, 0, 0, 1, ' ', 0)
	fmt.Fprintln(tw, "| point\t| Vigil events/s (min–max)\t| p99\t| PostgREST events/s (min–max)\t| p99\t| ratio (min–max)\t|")
	fmt.Fprintln(tw, "|---\t|---\t|---\t|---\t|---\t|---\t|")
	for _, r := range rows {
		fmt.Fprintf(tw, "| %s\t| %s\t| %s\t| %s\t| %s\t| %s\t|\n", r.Point.Name,
			spread(r.Ours, "%.0f"), median(r.OurP99).Round(10*time.Microsecond),
			spread(r.Peers, "%.0f"), median(r.P99s).Round(10*time.Microsecond), spread(r.Ratios, "%.1f"))
	}
	return tw.Flush()
}

func spread(v []float64, format string) string {
	return fmt.Sprintf(format+" ("+format+"–"+format+")", median(v), slices.Min(v), slices.Max(v))
}

func median[T float64 | time.Duration](v []T) T {
	s := slices.Sorted(slices.Values(v))
	return s[len(s)/2]
}
