package search_test

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"net/url"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"vigil"
	"vigil/internal/fhirapi/search"
	"vigil/internal/format"
	"vigil/internal/format/convert"
	"vigil/internal/format/fhir"
	"vigil/internal/store"
)

var start = time.Date(2026, 3, 1, 10, 0, 0, 0, time.UTC)

// source returns what searches of a store are answered from.
func source(s search.Store) search.Source {
	return search.Source{Store: s, Convert: convert.New(convert.Config{}).AuditEvent, Mapping: format.New(nil)}
}

func parse(t fataler, version fhir.Version, parameters ...[2]string) *search.Search {
	v := url.Values{}
	for _, p := range parameters {
		v.Add(p[0], p[1])
	}
	s, err := search.Parse(v, options(version))
	if err != nil {
		t.Fatalf("parse %v: %v", parameters, err)
	}
	return s
}

func options(version fhir.Version) search.Options {
	return search.Options{Version: version, Base: "https://vigil.example/fhir", Now: func() time.Time { return start }}
}

type fataler interface{ Fatalf(string, ...any) }

// all returns every event of the tables that are searched, newest first.
func all(t fataler, s store.Store) []*vigil.Event {
	var out []*vigil.Event
	for e, err := range s.Entries(context.Background(), 0) {
		if err != nil {
			t.Fatalf("read entries: %v", err)
		}
		if e.Table != vigil.TableExchanges && e.Table != vigil.TableQuarantine {
			out = append(out, e)
		}
	}
	slices.Reverse(out)
	return out
}

// expected is the oracle: every event is converted and asked for.
func expected(t fataler, src search.Source, s *search.Search, events []*vigil.Event) []int64 {
	out := []int64{}
	for _, e := range events {
		n, err := src.Convert(e, s.Version)
		if err != nil {
			t.Fatalf("convert: %v", err)
		}
		if s.Match(n) {
			out = append(out, e.Index)
		}
	}
	return out
}

// walk follows the links from the first page to the last, and back again.
func walk(t fataler, src search.Source, version fhir.Version, parameters [][2]string) []int64 {
	s := parse(t, version, parameters...)
	out := []int64{}
	var last *search.Page
	for pages := 0; ; pages++ {
		p, err := s.Run(context.Background(), src)
		if err != nil {
			t.Fatalf("run %v: %v", parameters, err)
		}
		if len(p.Entries) > s.Count {
			t.Fatalf("%v: a page of %d with %d", parameters, s.Count, len(p.Entries))
		}
		for _, e := range p.Entries {
			out = append(out, e.Event.Index)
		}
		last = p
		if p.Next == "" || pages > 1000 {
			break
		}
		s = follow(t, version, p.Next)
	}
	back := indexes(last.Entries)
	for p := last; p.Prev != ""; {
		s = follow(t, version, p.Prev)
		var err error
		if p, err = s.Run(context.Background(), src); err != nil {
			t.Fatalf("run back %v: %v", parameters, err)
		}
		if len(p.Entries) == 0 {
			break
		}
		back = append(indexes(p.Entries), back...)
	}
	if !slices.Equal(back, out) {
		t.Fatalf("%v: forward %v, back %v", parameters, out, back)
	}
	return out
}

func follow(t fataler, version fhir.Version, link string) *search.Search {
	v, err := url.ParseQuery(link)
	if err != nil {
		t.Fatalf("link %q: %v", link, err)
	}
	s, err := search.Parse(v, options(version))
	if err != nil {
		t.Fatalf("link %q: %v", link, err)
	}
	return s
}

func indexes(entries []search.Entry) []int64 {
	out := []int64{}
	for _, e := range entries {
		out = append(out, e.Event.Index)
	}
	return out
}

// fill appends random events, several to a batch.
func fill(t *rapid.T, s store.Store, most int) {
	for n := rapid.IntRange(1, most).Draw(t, "events"); n > 0; {
		var events []*vigil.Event
		for range min(n, rapid.IntRange(1, 4).Draw(t, "batch")) {
			events = append(events, genEvent(t))
			n--
		}
		if err := s.Write(context.Background(), events); err != nil {
			t.Fatalf("write: %v", err)
		}
	}
}

// check compares searches of a store with the oracle.
func check(t *rapid.T, src search.Source, events []*vigil.Event, searches, most int) {
	var uids []string
	for _, e := range events {
		uids = append(uids, e.UID.String())
	}
	for range searches {
		version := rapid.SampledFrom([]fhir.Version{fhir.R4, fhir.R5}).Draw(t, "version")
		parameters := genSearch(t, version == fhir.R5, uids)
		checkOne(t, src, version, parameters, events, most)
	}
}

func checkOne(t *rapid.T, src search.Source, version fhir.Version, parameters [][2]string, events []*vigil.Event, most int) {
	s := parse(t, version, parameters...)
	want := expected(t, src, s, events)
	sorted := append(slices.Clone(parameters), [2]string{"_count", fmt.Sprint(rapid.IntRange((most+4)/5, most).Draw(t, "count"))})
	order := rapid.SampledFrom([]string{"", "", "_lastUpdated", "-_lastUpdated", "date", "-date", "-date,_id", "_id", "agent,-entity"}).Draw(t, "sort")
	if order != "" {
		sorted = append(sorted, [2]string{"_sort", order})
	}
	got := walk(t, src, version, sorted)
	checkOrder(t, src, version, order, got, events)
	same := slices.Clone(got)
	slices.SortFunc(same, func(a, b int64) int { return cmp.Compare(b, a) })
	if !slices.Equal(same, want) {
		t.Fatalf("%v %v by %q: got %v, want %v; %s", version, parameters, order, same, want, difference(events, same, want))
	}
	if order == "" && !src.DateIndex && !slices.Equal(got, want) {
		t.Fatalf("%v %v: got %v, want %v", version, parameters, got, want)
	}
	p, err := parse(t, version, append(parameters, [2]string{"_total", "accurate"}, [2]string{"_count", "0"})...).Run(context.Background(), src)
	// Of an AuditEvent that is not valid something else is shown than was counted.
	if err != nil || !p.HasTotal || max(p.Total-int64(len(want)), int64(len(want))-p.Total) > invalid(events) {
		t.Fatalf("%v %v: total %v, %v, want %d", version, parameters, p, err, len(want))
	}
	p, err = parse(t, version, append(parameters, [2]string{"_total", "estimate"}, [2]string{"_count", "0"})...).Run(context.Background(), src)
	if err != nil || p.Total < int64(len(want))-invalid(events) {
		t.Fatalf("%v %v: estimate %v, %v, want at least %d", version, parameters, p, err, len(want))
	}
}

// invalid counts the AuditEvents that the FHIR face would not have taken.
func invalid(events []*vigil.Event) (n int64) {
	for _, e := range events {
		if e.Format == vigil.FormatFHIRR4 && !bytes.Contains(e.Doc, []byte(`"observer"`)) {
			n++
		}
	}
	return n
}

// difference shows the first event that only one side has.
func difference(events []*vigil.Event, got, want []int64) string {
	for _, e := range events {
		if slices.Contains(got, e.Index) != slices.Contains(want, e.Index) {
			return fmt.Sprintf("%d of %s %s: %s", e.Index, e.Table, e.Format, e.Doc)
		}
	}
	return ""
}

// checkOrder compares neighbours by the time that they are sorted by.
func checkOrder(t *rapid.T, src search.Source, version fhir.Version, order string, got []int64, events []*vigil.Event) {
	byIndex := map[int64]*vigil.Event{}
	for _, e := range events {
		byIndex[e.Index] = e
	}
	value := func(i int64) string {
		n, err := src.Convert(byIndex[i], version)
		if err != nil {
			t.Fatalf("convert: %v", err)
		}
		switch order {
		case "date", "-date", "-date,_id":
			at, err := time.Parse(time.RFC3339Nano, n.Child("recorded").Text())
			if err != nil {
				t.Fatalf("recorded: %v", err)
			}
			return at.UTC().Round(time.Microsecond).Format("2006-01-02T15:04:05.000000")
		case "_lastUpdated", "-_lastUpdated":
			return byIndex[i].Received.Format("2006-01-02T15:04:05.000000")
		case "_id":
			return n.Child("id").Text()
		}
		return ""
	}
	for i := 1; i < len(got); i++ {
		a, b := value(got[i-1]), value(got[i])
		if order != "" && order[0] == '-' {
			a, b = b, a
		}
		if a > b {
			t.Fatalf("by %q: %v at %d", order, got, i)
		}
	}
}

func TestRunIsWhatMatchSays(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := &clock{now: start}
		s, err := store.NewMemory(store.Config{Mapping: format.New(nil), Now: c.Now})
		if err != nil {
			t.Fatalf("%v", err)
		}
		fill(t, s, 30)
		src := source(s)
		src.DateIndex = rapid.Bool().Draw(t, "dateIndex")
		check(t, src, all(t, s), 8, 5)
	})
}
