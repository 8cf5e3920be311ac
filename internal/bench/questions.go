package bench

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net/http"
	"slices"
	"sync/atomic"
	"text/tabwriter"
	"time"
)

// Question is a query that a logserver's users ask.
type Question struct {
	Name string
	Path string
}

// Questions are those of logserver's documentation, over the events of
// [LoadQuestioned], each with an order, without which PostgreSQL gives any rows.
func Questions() []Question {
	return []Question{
		{"newest 25", "/events?order=id.desc&limit=25"},
		{"patient", "/events?select=event&event->>patient=eq.synthetic%20patient%20777&order=id.desc"},
		{"patient and tag", "/events?select=event&event->tags=cs.[\"search\"]&event->>patient=eq.synthetic%20patient%20777&order=id.desc"},
		{"subject", "/events?event->>subject=eq.Patient/4170&order=id.desc"},
		{"two tags and date", "/events?select=id,event->>asctime,event->>message,event->agent,event->>subject,event->tags&event->tags=cs.[\"launch\",\"login\"]&event->>asctime=gt.2026-01-12&order=id.desc"},
		{"source type", "/events?select=event&event->source->>type=eq.sample-rare&order=id.desc"},
	}
}

// LoadQuestioned posts events of about 900 bytes, each with a patient, one in
// 5,000 from a rare source, in arrays of 1,000. Both servers get the same ones.
func LoadQuestioned(ctx context.Context, t Target, events int) error {
	bodies := make(chan []byte, 8)
	go func() {
		defer close(bodies)
		g := NewEvents(42, true)
		for done := 0; done < events; done += 1000 {
			select {
			case bodies <- g.questioned(done):
			case <-ctx.Done():
				return
			}
		}
	}()
	var left atomic.Int64
	left.Store(int64(events / 1000))
	return postEach(ctx, t.Addr, 4, func() []byte {
		if left.Add(-1) < 0 {
			return nil
		}
		body, ok := <-bodies
		if !ok {
			return nil
		}
		return Post(t.Addr, "/events", t.Token, body)
	})
}

// questioned returns an array of 1,000 events.
func (g *Events) questioned(first int) []byte {
	b := []byte{'['}
	for i := range 1000 {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, `{"event": `...)
		b = g.Next(b)
		b = fmt.Appendf(b[:len(b)-1], `, "patient": "synthetic patient %d"`, g.patients.Uint64())
		if (first+i)%5000 == 4999 {
			b = append(b, `, "source": {"observer": "https://rare.audit.example", "type": "sample-rare", "version": "1"}`...)
		}
		b = append(b, "}}"...)
	}
	return append(b, ']')
}

// Answer is how long a question took, and what it gave.
type Answer struct {
	Question Question
	Times    []time.Duration
	Bytes    int64
}

// Ask asks each question a number of times over one connection, after once that
// does not count. It asks for no compression: PostgREST has none, and what is to
// be compared is the same bytes.
func Ask(ctx context.Context, t Target, questions []Question, times int) ([]Answer, error) {
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 1, DisableCompression: true}}
	defer client.CloseIdleConnections()
	var out []Answer
	for _, q := range questions {
		a := Answer{Question: q}
		for i := range times + 1 {
			start := time.Now()
			n, err := get(ctx, client, t, q.Path)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", q.Name, err)
			}
			if i > 0 {
				a.Times = append(a.Times, time.Since(start))
			}
			a.Bytes = n
		}
		out = append(out, a)
	}
	return out, nil
}

// ask asks for a path and returns the answer, which the caller closes. One that
// is no 200 is an error.
func ask(ctx context.Context, client *http.Client, t Target, path string) (io.ReadCloser, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+t.Addr+path, nil)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Authorization", "Bearer "+t.Token)
	res, err := client.Do(req)
	if err != nil {
		return nil, err
	}
	if res.StatusCode != http.StatusOK {
		res.Body.Close()
		return nil, fmt.Errorf("answered %s", res.Status)
	}
	return res.Body, nil
}

// get asks for a path and returns how many bytes the answer has.
// AskInTurn asks several servers in turn, in rounds, so that a machine that gets
// slower does so for all. The answers are in the order of the servers.
func AskInTurn(ctx context.Context, targets []Target, questions []Question, rounds, times int) ([][]Answer, error) {
	out := make([][]Answer, len(targets))
	for range rounds {
		for i, t := range targets {
			answers, err := Ask(ctx, t, questions, times)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", t.Addr, err)
			}
			if out[i] == nil {
				out[i] = answers
				continue
			}
			for k, a := range answers {
				out[i][k].Times = append(out[i][k].Times, a.Times...)
			}
		}
	}
	return out, nil
}

func get(ctx context.Context, client *http.Client, t Target, path string) (int64, error) {
	body, err := ask(ctx, client, t, path)
	if err != nil {
		return 0, err
	}
	defer body.Close()
	return io.Copy(io.Discard, bufio.NewReaderSize(body, 64<<10))
}

// WriteAnswers prints the answers of Vigil, of the peer without and with indexes
// made by hand, as a Markdown table of medians.
func WriteAnswers(w io.Writer, ours, bare, indexed []Answer) error {
	tw := tabwriter.NewWriter(w, 0, 0, 1, ' ', 0)
	fmt.Fprintln(tw, "| question\t| bytes\t| Vigil\t| PostgREST without indexes\t| times\t| with indexes by hand\t| times\t|")
	fmt.Fprintln(tw, "|---\t|---\t|---\t|---\t|---\t|---\t|---\t|")
	for i, a := range ours {
		us, b, x := median(slices.Clone(a.Times)), median(slices.Clone(bare[i].Times)), median(slices.Clone(indexed[i].Times))
		fmt.Fprintf(tw, "| %s\t| %d\t| %s\t| %s\t| %.1f\t| %s\t| %.1f\t|\n", a.Question.Name, a.Bytes,
			us.Round(10*time.Microsecond), b.Round(10*time.Microsecond), float64(b)/float64(us), x.Round(10*time.Microsecond), float64(x)/float64(us))
	}
	return tw.Flush()
}

// MeasureAnswer reads rows of an answer and returns how long it took, and how
// much the resident set grew meanwhile, in bytes.
func (v *Vigil) MeasureAnswer(ctx context.Context, token string, rows int) (whole time.Duration, grown int64, err error) {
	if err := v.ResetPeak(); err != nil {
		return 0, 0, err
	}
	before, _, err := v.Memory()
	if err != nil {
		return 0, 0, err
	}
	start := time.Now()
	if _, err := get(ctx, http.DefaultClient, Target{Addr: v.Addr, Token: token}, fmt.Sprintf("/events?order=id&limit=%d", rows)); err != nil {
		return 0, 0, err
	}
	whole = time.Since(start)
	_, peak, err := v.Memory()
	return whole, peak - before, err
}
