package postgrest

import (
	"strings"
	"testing"

	"vigil"
	"vigil/internal/auth"
	"vigil/internal/jsonb"
	"vigil/internal/query"
	"vigil/internal/store"
)

// names is a view over events, with an id and the name in the document.
func names() store.View {
	return store.View{
		Base: "events",
		Schema: query.Schema{Table: "names", Key: "id", Comment: "Names of events.", Columns: []query.Column{
			{Name: "id", Type: query.Int8}, {Name: "name", Type: query.Text},
		}},
		Value: func(e *vigil.Event, i int) query.Value {
			if i == 0 {
				return query.Value{Type: query.Int8, Valid: true, I: e.ID}
			}
			v, ok := jsonb.Get(e.Doc, "name")
			return query.Value{Type: query.Text, Valid: ok, B: jsonb.AppendText(nil, v)}
		},
	}
}

func TestView(t *testing.T) {
	for _, st := range stores {
		t.Run(st.name, func(t *testing.T) {
			s := st.open(t, store.Config{Now: clock, Views: []store.View{names()}})
			fill(t, s, "events", `{"name":"a"}`, `{"name":"b"}`, `{}`)
			f := newFace(t, s, func(c *Config) {
				c.Allow = func(*auth.Principal, string, auth.Action) error { return nil }
			})
			res := f.exchange(t, "GET", "/names?name=not.is.null&limit=1", [][2]string{{"Prefer", "count=exact"}}, "")
			if got := bodyOf(t, res); got != `[{"id":1,"name":"a"}]` || res.Header.Get("Content-Range") != "0-0/2" ||
				res.Header.Get("Link") != `</names?id=gt.1&limit=1&name=not.is.null>; rel="next"` {
				t.Error(got, res.Header)
			}
			if status, body := f.get(t, "/names?select=id,_uid"); status != 400 || errorOf(t, body).Code != "42703" {
				t.Error(status, body)
			}
			res = f.exchange(t, "POST", "/names", [][2]string{{"Authorization", token(t, "admin")}}, `{"name":"c"}`)
			if body := bodyOf(t, res); res.StatusCode != 405 || res.Header.Get("Allow") != "OPTIONS,GET,HEAD" || errorOf(t, body).Code != "PGRST117" {
				t.Error(res.StatusCode, body)
			}
			if _, body := f.get(t, "/"); !strings.Contains(body, `"/names":{"get"`) || strings.Contains(body, "body.names") {
				t.Error("the view is not described as one")
			}
			tail := follow(t, f, "/names?since=2")
			tail.want(`3 {"id":3,"name":null}`)
			fill(t, s, "events", `{"name":"d"}`)
			tail.want(`4 {"id":4,"name":"d"}`)
		})
	}
}
