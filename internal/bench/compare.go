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
	Size        int // events in a request; 0 is 1
	Long        bool
}

// Contender is one of those that a comparison sends the same points to.
type Contender struct {
	Name string
	// Load returns what the contender gets for a point. Duration is set later.
	Load func(Point) Load
	// Settle waits until the contender has finished what it does behind its
	// answers, so that it does not take time from the next one; nil: nothing.
	Settle func(context.Context) error
	CPU    func() (time.Duration, error) // that its processes have had so far; nil: unknown
}

// Row has the results of one point: of each contender, round by round.
type Row struct {
	Point   Point
	Results [][]Result
}

// Compare sends each point to all contenders in turn, in rounds, so that a
// machine that gets slower does so for all.
func Compare(ctx context.Context, contenders []Contender, points []Point, rounds int, each time.Duration) ([]Row, error) {
	var rows []Row
	for _, p := range points {
		loads := make([]Load, len(contenders))
		for i, c := range contenders {
			loads[i] = c.Load(p)
			loads[i].Connections, loads[i].Duration = p.Connections, each
		}
		row := Row{Point: p, Results: make([][]Result, len(contenders))}
		for range rounds {
			for i, c := range contenders {
				r, err := c.run(ctx, loads[i].Run)
				if err != nil {
					return nil, fmt.Errorf("%s on %s: %w", p.Name, c.Name, err)
				}
				row.Results[i] = append(row.Results[i], r)
			}
		}
		rows = append(rows, row)
	}
	return rows, nil
}

// run runs a load and what follows it.
func (c Contender) run(ctx context.Context, load func(context.Context) (Result, error)) (r Result, err error) {
	var before time.Duration
	if c.CPU != nil {
		if before, err = c.CPU(); err != nil {
			return r, err
		}
	}
	if r, err = load(ctx); err != nil {
		return r, err
	}
	start := time.Now()
	if c.Settle != nil {
		if err := c.Settle(ctx); err != nil {
			return r, err
		}
		r.Behind = time.Since(start)
	}
	if c.CPU != nil {
		after, err := c.CPU()
		if err != nil {
			return r, err
		}
		r.CPU = after - before
	}
	return r, nil
}

// Rates returns what a contender did in a second, round by round.
func (r Row) Rates(contender int) []float64 {
	out := make([]float64, len(r.Results[contender]))
	for i, one := range r.Results[contender] {
		out[i] = one.Rate() * float64(max(r.Point.Size, 1))
	}
	return out
}

// Ratios returns the rates of the first contender over those of another one.
func (r Row) Ratios(contender int) []float64 {
	out := r.Rates(0)
	for i, rate := range r.Rates(contender) {
		out[i] /= rate
	}
	return out
}

// behind returns Rates, but for the time until the contender had settled, too.
func (r Row) behind(contender int) []float64 {
	out := r.Rates(contender)
	for i, one := range r.Results[contender] {
		out[i] *= one.Elapsed.Seconds() / (one.Elapsed + one.Behind).Seconds()
	}
	return out
}

// cpu returns the µs of a processor that a request took of a contender.
func (r Row) cpu(contender int) float64 {
	var all []float64
	for _, one := range r.Results[contender] {
		all = append(all, float64(one.CPU.Microseconds())/float64(one.Done))
	}
	return median(all)
}

func (r Row) p99(contender int) time.Duration {
	var all []time.Duration
	for _, one := range r.Results[contender] {
		all = append(all, one.P99)
	}
	return median(all).Round(10 * time.Microsecond)
}

// WriteTable prints the rows as a Markdown table of medians and spreads, with
// the ratio of the first contender to each other one. Unit is of the rates.
func WriteTable(w io.Writer, unit string, contenders []string, rows []Row) error {
	tw := tabwriter.NewWriter(w, 0, 0, 1, ' ', 0)
	head, line := "| point\t", "|---\t"
	for _, name := range contenders {
		head, line = head+fmt.Sprintf("| %s %s (min–max)\t| p99\t", name, unit), line+"|---\t|---\t"
	}
	for _, name := range contenders[1:] {
		title := "ratio (min–max)"
		if len(contenders) > 2 {
			title = "to " + name + " (min–max)"
		}
		head, line = head+"| "+title+"\t", line+"|---\t"
	}
	fmt.Fprintf(tw, "%s|\n%s|\n", head, line)
	for _, r := range rows {
		fmt.Fprintf(tw, "| %s\t", r.Point.Name)
		for i := range contenders {
			fmt.Fprintf(tw, "| %s\t| %s\t", spread(r.Rates(i), "%.0f"), r.p99(i))
		}
		for i := range contenders[1:] {
			fmt.Fprintf(tw, "| %s\t", spread(r.Ratios(i+1), "%.2f"))
		}
		fmt.Fprintln(tw, "|")
	}
	return tw.Flush()
}

// WriteCosts prints, as a Markdown table, what stands behind the rates: how many
// a second with the time until each contender had settled, and of processors.
func WriteCosts(w io.Writer, unit string, contenders []string, rows []Row) error {
	tw := tabwriter.NewWriter(w, 0, 0, 1, ' ', 0)
	fmt.Fprintf(tw, "| point\t| server\t| %s until all is stored (min–max)\t| CPU µs a request\t|\n|---\t|---\t|---\t|---\t|\n", unit)
	for _, r := range rows {
		for i, name := range contenders {
			fmt.Fprintf(tw, "| %s\t| %s\t| %s\t| %.0f\t|\n", r.Point.Name, name, spread(r.behind(i), "%.0f"), r.cpu(i))
		}
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
