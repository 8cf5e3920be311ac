package bench

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
)

// values is how many different values each search is asked with.
const values = 60

// LoadMixed posts events in arrays of 1,000: half of them AuditEvents, half
// logserver's documents of about 900 bytes, of the same patients, users and times.
func LoadMixed(ctx context.Context, t Target, events int) error {
	requests := make(chan []byte, 4)
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() {
		defer close(requests)
		audit, logs := NewAuditEvents(42), NewEvents(43, true)
		for i := range events / 1000 {
			request := Post(t.Addr, "/events", t.Token, array(nil, 1000, logs.Next))
			if i%2 == 0 {
				request = Post(t.Addr, "/audit_events", t.Token, array(nil, 1000, audit.Mixed))
			}
			select {
			case requests <- request:
			case <-ctx.Done():
				return
			}
		}
	}()
	return postEach(ctx, t.Addr, 4, func() []byte { return <-requests })
}

// Search is one kind of FHIR search, with the values that it is asked with.
type Search struct {
	Name    string
	Queries []string
}

// Searches are those that auditors make, over the events of [LoadMixed].
func Searches(events int) []Search {
	// Each generator goes on by a second an event.
	start, span := NewEvents(0, false).at, time.Duration(events/2)*time.Second
	type query = func(i int) string
	window := func(i int, long time.Duration) string {
		at := start.Add(span / values * time.Duration(i))
		return "date=ge" + at.Format(time.RFC3339) + "&date=lt" + at.Add(long).Format(time.RFC3339)
	}
	patient := func(i int) string { return fmt.Sprintf("patient=Patient/%d", i+i*i*i/20) } // frequent to rare
	agent := func(i int) string { return fmt.Sprintf("agent=Practitioner/%d", i+i*i/2) }
	kind := func(i int) string {
		return "type=" + url.QueryEscape(fmt.Sprintf("%s|type-%d", TypeSystem, i*mixedTypes/values))
	}
	outcome := func(i int) string { return "outcome=" + [...]string{"0", "4", "8", "12"}[i%4] }
	var out []Search
	for _, s := range []struct {
		name string
		query
	}{
		{"patient", patient},
		{"agent", agent},
		{"date: ten minutes", func(i int) string { return window(i, 10*time.Minute) }},
		{"date: since a time", func(i int) string {
			at, _, _ := strings.Cut(window(i, 0), "&")
			return at
		}},
		{"type", kind},
		{"outcome, pages of 10 to 24", func(i int) string { return fmt.Sprintf("%s&_count=%d", outcome(i), 10+i/4) }},
		{"outcome and date: six hours", func(i int) string { return outcome(i) + "&" + window(i, 6*time.Hour) }},
		{"type and date: a day", func(i int) string { return kind(i) + "&" + window(i, 24*time.Hour) }},
		{"patient and date: a day", func(i int) string { return patient(i) + "&" + window(i, 24*time.Hour) }},
		{"no such patient", func(i int) string { return fmt.Sprintf("patient=Patient/none-%d", i) }},
		{"no such type", func(i int) string { return fmt.Sprintf("type=none-%d", i) }},
	} {
		one := Search{Name: s.name}
		for i := range values {
			one.Queries = append(one.Queries, "/fhir/AuditEvent?"+s.query(i))
		}
		out = append(out, one)
	}
	return out
}

// Found is how long the searches of one kind took and what they found.
type Found struct {
	Search Search
	Times  []time.Duration // of each query, in order
	Events []int           // on the first page
}

// AskFHIR asks each query once over one connection, after some that do not count.
func AskFHIR(ctx context.Context, t Target, searches []Search) ([]Found, error) {
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 1}}
	defer client.CloseIdleConnections()
	var out []Found
	for _, s := range searches {
		f := Found{Search: s}
		for _, q := range s.Queries[:min(5, len(s.Queries))] { // statements are prepared
			if _, err := page(ctx, client, t, q); err != nil {
				return nil, fmt.Errorf("%s: %w", q, err)
			}
		}
		for _, q := range s.Queries {
			start := time.Now()
			n, err := page(ctx, client, t, q)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", q, err)
			}
			f.Times, f.Events = append(f.Times, time.Since(start)), append(f.Events, n)
		}
		out = append(out, f)
	}
	return out, nil
}

// page gets one page and counts the events on it.
func page(ctx context.Context, client *http.Client, t Target, path string) (int, error) {
	answer, err := ask(ctx, client, t, path)
	if err != nil {
		return 0, err
	}
	defer answer.Close()
	body, err := io.ReadAll(answer)
	return strings.Count(string(body), `"fullUrl"`), err
}

// Percentile returns the time within which p of 100 queries were answered.
func (f Found) Percentile(p int) time.Duration {
	all := slices.Sorted(slices.Values(f.Times))
	return all[min(len(all)*p/100, len(all)-1)]
}

// Slowest returns the query that took longest.
func (f Found) Slowest() string {
	return f.Search.Queries[slices.Index(f.Times, slices.Max(f.Times))]
}

// WriteFound prints what was found as a Markdown table.
func WriteFound(w io.Writer, found []Found) error {
	tw := tabwriter.NewWriter(w, 0, 0, 1, ' ', 0)
	fmt.Fprintf(tw, "| search, %d values\t| events on the page, least, median, most\t| p50\t| p95\t| slowest\t|\n|---\t|---\t|---\t|---\t|---\t|\n", values)
	for _, f := range found {
		n := slices.Sorted(slices.Values(f.Events))
		fmt.Fprintf(tw, "| %s\t| %d, %d, %d\t| %s\t| %s\t| %s\t|\n", f.Search.Name, n[0], n[len(n)/2], n[len(n)-1],
			f.Percentile(50).Round(100*time.Microsecond), f.Percentile(95).Round(100*time.Microsecond), f.Percentile(100).Round(100*time.Microsecond))
	}
	return tw.Flush()
}
