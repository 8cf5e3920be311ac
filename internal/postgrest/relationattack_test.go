package postgrest

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"vigil/internal/auth"
	"vigil/internal/jsonb"
	"vigil/internal/store/postgres/relation"
)

// attacks are texts that would do something if they ever were part of a statement.
var attacks = []string{
	`'; delete from api.tripwire; --`, `"; delete from api.tripwire; --`, `'); delete from api.tripwire; --`, `1; delete from api.tripwire`,
	`$1; delete from api.tripwire; --`, `\'; delete from api.tripwire; --`, `$$; delete from api.tripwire; $$`, `"vigil added"; delete from api.tripwire; --`,
	`x" as y from api.tripwire; delete from api.tripwire; --`, `id) from api.samples; delete from api.tripwire; --`, `*/ delete from api.tripwire /*`,
	`{"}'; delete from api.tripwire; --"}`, `(select v from api.tripwire)`, `id,(select v from api.tripwire)`, `null::text union select v from api.tripwire`,
	`' || (select v from api.tripwire) || '`, `E'\\'; delete from api.tripwire; --`, "x\n; delete from api.tripwire;\n--", `U&"\0022"; delete from api.tripwire; --`, `ａ＇; delete from api.tripwire; --`,
}

// places are requests with a hole, one for each part of the grammar.
var places = []string{
	"samples?@=eq.1", "samples?name=eq.@", "samples?name=not.eq.@", "samples?name=in.(@)", `samples?name=in.("@")`, "samples?name=like.@", "samples?name=match.@", "samples?name=is.@",
	"samples?name=@.x", "samples?name=eq(any).{@}", "samples?words=cs.{@}", "samples?words=ov.@", "samples?within=adj.@", "samples?name=isdistinct.@", "samples?vec=fts.@", "samples?vec=fts(@).x",
	"samples?name=plfts(@).@", "samples?doc->@=eq.1", "samples?doc->>@=eq.1", `samples?doc->"@"=eq.1`, "samples?doc=cs.@", "samples?select=@", "samples?select=id,@:name", "samples?select=name::@",
	"samples?select=id.sum()::@", "samples?select=doc->@", `samples?select=doc->>"@"`, "samples?select=@.sum()", "samples?select=id,x:count()::@", "samples?order=@", "samples?order=id.@", "samples?order=doc->>@.desc",
	"samples?order=id.asc,@.nullsfirst", "samples?limit=@", "samples?offset=@", "samples?or=(@)", "samples?or=(id.eq.@,name.eq.x)", "samples?and=(name.in.(@),or(@))", "samples?columns=@", "samples?on_conflict=@", "@", "@?select=id",
	"samples?select=rel(@)", `samples?select="@"`, `samples?"@"=eq.1`, "samples?id=eq.@&select=@&order=@",
}

// TestRelationInjection puts what would do harm into every part of a request, and
// into the names of tables, columns and roles. The tripwire stays as it is, is
// shown to nobody, and nothing is the server's fault.
func TestRelationInjection(t *testing.T) {
	t.Parallel()
	uri := newSamples(t)
	var names, columns []string
	script := ""
	for _, a := range attacks[:10] {
		if len(a) > 60 {
			continue
		}
		names = append(names, a)
		columns = append(columns, a+"c")
		q := func(s string) string { return `"` + strings.ReplaceAll(s, `"`, `""`) + `"` }
		script += "create table api." + q(a) + " (" + q(a+"c") + " text primary key default 'x'); grant select, insert on api." + q(a) + " to clerk;\n"
	}
	run(t, uri, script)
	d := openRelations(t, uri, relation.Config{})
	f := newRelationFace(t, d, as(clerk(`ann'; delete from api.tripwire; --`)))
	n := 0
	check := func(method, path string, headers [][2]string, body string) *http.Response {
		n++
		res := f.exchange(t, method, path, headers, body)
		if got := bodyOf(t, res); res.StatusCode >= 500 || strings.Contains(got, "untouched") {
			t.Errorf("%s %s: %d %s", method, path, res.StatusCode, got)
		}
		return res
	}
	for _, a := range attacks {
		for _, p := range places {
			path, query, _ := strings.Cut(strings.ReplaceAll(p, "@", "\x01"), "?")
			path = "/" + strings.ReplaceAll(path, "\x01", url.PathEscape(a))
			if query != "" {
				path += "?" + strings.NewReplacer("\x01", url.QueryEscape(a), `"`, "%22", " ", "%20").Replace(query)
			}
			check("GET", path, nil, "")
			check("HEAD", path, [][2]string{{"Prefer", "count=exact"}}, "")
			check("POST", path, representation, `{"name":"x"}`)
		}
		text := string(jsonb.AppendString(nil, a))
		check("POST", "/samples", representation, `{"name":`+text+`,"doc":{`+text+`:`+text+`}}`)
		check("POST", "/samples", nil, `{`+text+`:1}`)
		check("POST", "/samples?select=id", [][2]string{{"Content-Type", "text/csv"}, {"Prefer", "return=representation"}}, "name\n\""+strings.ReplaceAll(a, `"`, `""`)+"\"")
		check("POST", "/seen", representation, `{}`)
		check("GET", "/samples", [][2]string{{"Accept-Profile", strings.ReplaceAll(a, "\n", "")}}, "")
		check("GET", "/samples", [][2]string{{"Prefer", "timezone=" + strings.ReplaceAll(a, "\n", "")}, {"X-Why", strings.ReplaceAll(a, "\n", "")}}, "")
		check("GET", "/samples", [][2]string{{"Range", strings.ReplaceAll(a, "\n", "")}}, "")
		role := newRelationFace(t, d, as(auth.Principal{Role: a, Authenticated: true}))
		if status, body := role.get(t, "/samples"); status != 401 {
			t.Errorf("role %s: %d %s", a, status, body)
		}
	}
	for i, name := range names {
		path, column := "/"+url.PathEscape(name), columns[i]
		quoted := url.QueryEscape(`"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(column) + `"`)
		if res := check("POST", path, representation, `{`+string(jsonb.AppendString(nil, column))+`:"y"}`); res.StatusCode != 201 {
			t.Errorf("insert into table %s: %d", name, res.StatusCode)
		}
		if res := check("GET", path+"?"+quoted+"=eq.y&order="+quoted+"&select="+quoted, nil, ""); res.StatusCode != 200 {
			t.Errorf("table %s: %d", name, res.StatusCode)
		}
		check("POST", path, [][2]string{{"Prefer", "return=headers-only, resolution=ignore-duplicates"}}, `[{}]`)
	}
	odd := `ro"le'; delete from api.tripwire; --`
	name := `"` + strings.ReplaceAll(odd, `"`, `""`) + `"`
	run(t, uri, "do $$ begin create role "+name+"; exception when duplicate_object or unique_violation then null; end $$; grant usage on schema api to "+name+"; grant select on api.samples to "+name)
	if status, body := newRelationFace(t, d, as(auth.Principal{Role: odd, Authenticated: true})).get(t, "/samples?select=id&limit=1"); status != 200 {
		t.Errorf("a role with an odd name: %d %s", status, body)
	}
	run(t, uri, "grant select on api.tripwire to clerk")
	if _, body := f.get(t, "/tripwire"); body != `[{"id":1,"v":"untouched"}]` {
		t.Errorf("tripwire: %s", body)
	}
	t.Logf("%d requests", n)
}

// TestRelationStatements looks at what the server runs: no value of a request is in
// the text of a statement.
func TestRelationStatements(t *testing.T) {
	t.Parallel()
	uri := newSamples(t)
	run(t, uri, `create table api.watched (id integer primary key, v text, doc jsonb); insert into api.watched values (1, 'needle', '{"needle":1}');
		create view api.watch as select *, current_query() as statement from api.watched; grant select on api.watch to clerk`)
	f := newRelationFace(t, openRelations(t, uri, relation.Config{}), as(clerk("needle")))
	for _, query := range []string{
		"v=eq.needle", "v=in.(needle,x)", "doc->needle=eq.1", "v=like.needle*", "or=(v.eq.needle,v.match.needle)", "v=fts.needle", "v=fts(simple).needle", "v=eq(any).{needle}",
		`doc=cs.{"needle":1}`, "v=isdistinct.needles", "order=doc->>needle", "id=in.(1)&v=not.eq.needles&limit=5555&offset=0",
	} {
		_, body := f.get(t, "/watch?select=statement,x:doc->needle&"+strings.ReplaceAll(query, `"`, "%22"))
		if !strings.Contains(body, `"statement":"select row_to_json(`) || strings.Contains(body, "needle") || strings.Contains(body, "5555") {
			t.Errorf("%s: %s", query, body)
		}
	}
}

// client is one that throws away, and looks at the memory now and then.
type client struct {
	header http.Header
	status int
	bytes  int64
	writes int
	peak   uint64
}

func (d *client) Header() http.Header    { return d.header }
func (d *client) WriteHeader(status int) { d.status = status }
func (d *client) Write(p []byte) (int, error) {
	d.bytes += int64(len(p))
	if d.writes++; d.writes%64 == 0 {
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		d.peak = max(d.peak, m.HeapAlloc)
	}
	return len(p), nil
}

// TestRelationStreams answers 200,000 rows in little memory.
func TestRelationStreams(t *testing.T) {
	uri := newSamples(t)
	run(t, uri, `create table api.many as select i as id, jsonb_build_object('n', i, 'text', repeat('x', 400)) as doc from generate_series(1, 200000) i;
		grant select on api.many to clerk`)
	f := newRelationFace(t, openRelations(t, uri, relation.Config{}), as(clerk("ann")))
	runtime.GC()
	var before runtime.MemStats
	runtime.ReadMemStats(&before)
	for _, accept := range []string{"*/*", "text/csv", "application/x-ndjson"} {
		w := &client{header: http.Header{}}
		r := httptest.NewRequest("GET", "/many", nil)
		r.Header.Set("Accept", accept)
		start := time.Now()
		f.ServeHTTP(w, r)
		if w.bytes < 80e6 || w.status != 200 || w.header.Get("Content-Length") != "" {
			t.Errorf("%s: %d, %d bytes", accept, w.status, w.bytes)
		}
		if used := int64(w.peak) - int64(before.HeapAlloc); used > 50<<20 {
			t.Errorf("%s took %d MiB", accept, used>>20)
		} else {
			t.Logf("%s: %d MB in %v, %d KiB more on the heap", accept, w.bytes/1e6, time.Since(start).Round(time.Millisecond), used>>10)
		}
	}
}

// gone is a client that goes away after some writes.
type gone struct {
	client
	leave context.CancelFunc
}

func (g *gone) Write(p []byte) (int, error) {
	if g.writes > 2 {
		g.leave()
		return 0, http.ErrHandlerTimeout
	}
	return g.client.Write(p)
}

// TestRelationLeft leaves in the middle of answers; the only connection is good for
// the next one at once, and the server computes nothing more.
func TestRelationLeft(t *testing.T) {
	t.Parallel()
	uri := newSamples(t)
	run(t, uri, `create view api.endless as select i, repeat('x', 1000) as pad from generate_series(1, 100000000) i; grant select on api.endless to clerk;
		create view api.slow as select 1 as one, pg_sleep(600)::text as nap; grant select on api.slow to clerk`)
	d := openRelations(t, uri, relation.Config{Conns: 1, Wait: time.Minute})
	f := newRelationFace(t, d, as(clerk("ann")))
	f.get(t, "/samples?limit=1")
	for _, path := range []string{"/endless", "/slow", "/endless?limit=100000000", "/slow?select=nap"} {
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(500*time.Millisecond, cancel)
		start := time.Now()
		func() {
			defer func() { _ = recover() }() // a handler that cannot go on aborts
			f.ServeHTTP(&gone{client{header: http.Header{}}, cancel}, httptest.NewRequest("GET", path, nil).WithContext(ctx))
		}()
		cancel()
		if status, body := f.get(t, "/samples?select=id&limit=1"); status != 200 || body != `[{"id":1}]` {
			t.Errorf("after %s: %d %s", path, status, body)
		}
		if took := time.Since(start); took > 30*time.Second {
			t.Errorf("%s held the connection for %v", path, took)
		}
	}
	slow := newRelationFace(t, d, as(clerk("ann")), func(c *Config) { c.QueryTime = 200 * time.Millisecond })
	if status, body := slow.get(t, "/slow"); status != 503 || !strings.Contains(body, "57014") {
		t.Errorf("a question that takes too long: %d %s", status, body)
	}
}

// TestRelationDown has a database that goes away.
func TestRelationDown(t *testing.T) {
	t.Parallel()
	uri := newSamples(t)
	d, err := relation.Open(t.Context(), relation.Config{URL: uri})
	if err != nil {
		t.Fatal(err)
	}
	f := newRelationFace(t, d, as(clerk("ann")))
	f.get(t, "/samples?limit=1")
	d.Close()
	status, body := f.get(t, "/samples?limit=1")
	var e struct{ Code, Message string }
	if json.Unmarshal([]byte(body), &e) != nil || status != 503 || !slices.Contains([]string{"PGRST001", "PGRST003"}, e.Code) || strings.Contains(body, "127.0.0.1") {
		t.Errorf("%d %s", status, body)
	}
}
