package postgrest

import (
	"net/url"
	"testing"

	"vigil/internal/query"
)

func TestNext(t *testing.T) {
	desc := []query.Order{{Path: query.Path{Column: "id"}, Desc: true}}
	tests := []struct {
		raw   string
		order []query.Order
		want  string
	}{
		{"limit=2", nil, "/events?id=gt.7&limit=2"},
		{"select=event&limit=2&offset=4", nil, "/events?id=gt.7&limit=2&select=event"},
		{"limit=2&order=id.desc", desc, "/events?id=lt.7&limit=2&order=id.desc"},
		{"id=gt.5&limit=2", nil, "/events?id=gt.7&limit=2"},
		{"id=lt.90&limit=2", nil, "/events?id=gt.7&limit=2&id=lt.90"},
		{"id=gt.5&id=lt.9&limit=2&order=id.desc", desc, "/events?id=lt.7&limit=2&id=gt.5&order=id.desc"},
		{"event->tags=cs.[\"login\"]&limit=2", nil, "/events?id=gt.7&limit=2&event-%3Etags=cs.[%22login%22]"},
		{"%6Cimit=2", nil, "/events?id=gt.7&limit=2"},
		{"id=gt.5x&limit=2", nil, "/events?id=gt.7&limit=2&id=gt.5x"},
	}
	for _, tt := range tests {
		rd := reading{table: plain, rawQuery: tt.raw, asked: 2, query: query.Query{Order: tt.order}}
		want := "<" + tt.want + `>; rel="next"`
		if got := rd.next(7); got != want {
			t.Errorf("%s: got %s, want %s", tt.raw, got, want)
		}
		if _, err := url.Parse(tt.want); err != nil {
			t.Error(err)
		}
	}
}

func TestPageKey(t *testing.T) {
	id := query.Order{Path: query.Path{Column: "id"}}
	other := query.Order{Path: query.Path{Column: "event"}}
	tests := []struct {
		name string
		rd   reading
		want bool
	}{
		{"limit", reading{asked: 5}, true},
		{"no limit", reading{asked: -1}, false},
		{"limit of none", reading{asked: 0}, false},
		{"by id", reading{asked: 5, query: query.Query{Order: []query.Order{id, other}}}, true},
		{"by another", reading{asked: 5, query: query.Query{Order: []query.Order{other, id}}}, false},
		{"groups", reading{asked: 5, query: query.Query{Select: []query.Item{{Agg: query.AggCount}}}}, false},
	}
	for _, tt := range tests {
		tt.rd.table, tt.rd.location = plain, true
		if got := tt.rd.pageKey(); got != tt.want {
			t.Errorf("%s: got %v", tt.name, got)
		}
	}
}

func TestNearest(t *testing.T) {
	names := []string{"events", "audit_events", "projects"}
	for s, want := range map[string]string{
		"event": "events", "Events": "events", "projectx": "projects", "projecxx": "projects", "projxxxx": "",
		"nope": "", "": "", "events_": "events", "audit_event": "audit_events",
	} {
		if got := nearest(s, names); got != want {
			t.Errorf("%q: got %q, want %q", s, got, want)
		}
	}
}

func TestParsePath(t *testing.T) {
	tests := map[string]struct {
		to  target
		bad bool
	}{
		"/":                 {to: target{root: true}},
		"":                  {to: target{root: true}},
		"/events":           {to: target{table: "events"}},
		"//events":          {to: target{table: "events"}},
		"/%65vents":         {to: target{table: "events"}},
		"/events%2F1":       {to: target{table: "events/1"}},
		"/events/query":     {to: target{table: "events", filters: true}},
		"/rpc/nope":         {to: target{function: "nope"}},
		"/rpc":              {to: target{table: "rpc"}},
		"/rpc/":             {bad: true},
		"/rpc/a/b":          {bad: true},
		"/events/":          {bad: true},
		"/events/1":         {bad: true},
		"/events/query/":    {bad: true},
		"/invalid/nested/p": {bad: true},
		"/events/../system": {bad: true},
	}
	for path, tt := range tests {
		u, err := url.ParseRequestURI("http://h" + path)
		if err != nil {
			t.Fatal(err)
		}
		got, err := parsePath(u)
		if (err != nil) != tt.bad || got != tt.to {
			t.Errorf("%s: got %+v, %v", path, got, err)
		}
		if err != nil && asError(err).Code != "PGRST125" {
			t.Errorf("%s: %v", path, err)
		}
	}
}
