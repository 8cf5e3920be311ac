package bench

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"text/tabwriter"
	"time"
)

// Front is a server between clients and the upstream, or the upstream itself.
type Front struct {
	Name   string
	Addr   string
	Settle func(context.Context) error   // as of [Contender]
	CPU    func() (time.Duration, error) // as of [Contender]
}

// ReadPoints are reads in a closed loop.
func ReadPoints() []Point {
	return []Point{
		{Name: "reads, 16 connections", Connections: 16},
		{Name: "reads, 64 connections", Connections: 64},
	}
}

// UploadPoints are uploads in a closed loop.
func UploadPoints() []Point {
	return []Point{{Name: "uploads of 200 KB, 16 connections", Connections: 16}}
}

// Reader returns a contender that gets reads of a Patient.
func (f Front) Reader(token string) Contender {
	return Contender{Name: f.Name, Settle: f.Settle, CPU: f.CPU, Load: func(Point) Load {
		return Load{Addr: f.Addr, Requests: [][]byte{Get(f.Addr, "/fhir/Patient/p-1", token)}, Want: http.StatusOK}
	}}
}

// Uploader returns a contender that gets creates of 200 KB.
func (f Front) Uploader(token string) Contender {
	return Contender{Name: f.Name, Settle: f.Settle, CPU: f.CPU, Load: func(Point) Load {
		return Load{Addr: f.Addr, Requests: [][]byte{upload(f.Addr, token)}, Want: http.StatusCreated}
	}}
}

// Creator returns a contender that gets creates of a small resource.
func (f Front) Creator(token string) Contender {
	return Contender{Name: f.Name, Settle: f.Settle, CPU: f.CPU, Load: func(Point) Load {
		return Load{Addr: f.Addr, Requests: [][]byte{Post(f.Addr, "/fhir/Patient", token, []byte(patient))}, Want: http.StatusCreated}
	}}
}

// Latency is what one front did in an open loop, round by round.
type Latency struct {
	Front   Front
	Results []Result
}

// CompareOpen sends reads to all fronts in turn, in rounds: 1,000 a second over
// 16 connections.
func CompareOpen(ctx context.Context, fronts []Front, token string, rounds int, each time.Duration) ([]Latency, error) {
	out := make([]Latency, len(fronts))
	for round := range rounds + 1 {
		for i, f := range fronts {
			l := OpenLoop{
				Addr: f.Addr, Connections: 16, Rate: 1000, Duration: each,
				Request: Get(f.Addr, "/fhir/Patient/p-1", token), Want: http.StatusOK,
			}
			if round == 0 { // connections, buffers and branches get warm
				l.Duration = min(each, 500*time.Millisecond)
			}
			r, err := Contender{Settle: f.Settle}.run(ctx, l.Run)
			if err != nil {
				return nil, fmt.Errorf("open loop on %s: %w", f.Name, err)
			}
			out[i].Front = f
			if round > 0 {
				out[i].Results = append(out[i].Results, r)
			}
		}
	}
	return out, nil
}

// p50s returns the medians in µs, round by round.
func (l Latency) p50s() []float64 {
	out := make([]float64, len(l.Results))
	for i, r := range l.Results {
		out[i] = float64(r.P50.Nanoseconds()) / 1000
	}
	return out
}

// WriteLatencies prints a Markdown table: for each front p50 and p99, and p50
// beside that of each of the named ones.
func WriteLatencies(w io.Writer, all []Latency, beside ...string) error {
	tw := tabwriter.NewWriter(w, 0, 0, 1, ' ', 0)
	head, line := "| 1,000 requests/s, 16 connections\t| p50 µs (min–max)\t| p99\t", "|---\t|---\t|---\t"
	var peers [][]float64
	for _, l := range all {
		for _, name := range beside {
			if l.Front.Name == name {
				head, line = head+"| p50 to "+name+"\t| µs over "+name+"\t", line+"|---\t|---\t"
				peers = append(peers, l.p50s())
			}
		}
	}
	fmt.Fprintf(tw, "%s|\n%s|\n", head, line)
	for _, l := range all {
		ours := l.p50s()
		var p99s []time.Duration
		for _, r := range l.Results {
			p99s = append(p99s, r.P99)
		}
		fmt.Fprintf(tw, "| %s\t| %s\t| %s\t", l.Front.Name, spread(ours, "%.0f"), median(p99s).Round(10*time.Microsecond))
		for _, peer := range peers {
			ratios, more := make([]float64, len(ours)), make([]float64, len(ours))
			for i := range ours {
				ratios[i], more[i] = ours[i]/peer[i], ours[i]-peer[i]
			}
			fmt.Fprintf(tw, "| %s\t| %s\t", spread(ratios, "%.2f"), spread(more, "%.0f"))
		}
		fmt.Fprintln(tw, "|")
	}
	return tw.Flush()
}

// Drained waits until the spools of a gateway are empty: its destination has
// everything.
func (v *Vigil) Drained(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	for {
		waiting, err := v.waiting(ctx)
		if err != nil || waiting == 0 {
			return err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("the spool still holds %.0f bytes: %w", waiting, ctx.Err())
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// waiting returns the bytes in the spools of a gateway.
func (v *Vigil) waiting(ctx context.Context) (sum float64, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+v.Admin+"/metrics", nil)
	if err != nil {
		return 0, err
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, err
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		return 0, err
	}
	found := false
	for line := range strings.Lines(string(text)) {
		if !strings.HasPrefix(line, "vigil_spool_waiting_bytes") {
			continue
		}
		var one float64
		if _, err := fmt.Sscan(line[strings.LastIndexByte(line, ' ')+1:], &one); err != nil {
			return 0, fmt.Errorf("read the metrics: %w", err)
		}
		sum, found = sum+one, true
	}
	if !found {
		return 0, errors.New("the gateway tells nothing of its spool")
	}
	return sum, nil
}
