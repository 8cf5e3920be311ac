package postgrest

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"vigil/internal/auth"
	"vigil/internal/store"
	"vigil/internal/store/postgres/relation"
)

// clerk is a role that may do some things, with a token of sub.
func clerk(sub string) auth.Principal {
	return auth.Principal{Role: "clerk", Subject: sub, Authenticated: true, Claims: map[string]any{"sub": sub, "role": "clerk", "n": json.Number("12345678901234567890")}}
}

// exchanges runs requests "METHOD path[ body]" against a face and compares status,
// code and a part of the body.
type exchanges []struct {
	request string
	headers [][2]string
	status  int
	part    string
}

func (x exchanges) run(t *testing.T, f *face) {
	t.Helper()
	for _, e := range x {
		method, rest, _ := strings.Cut(e.request, " ")
		path, body, _ := strings.Cut(rest, " ")
		res := f.exchange(t, method, path, e.headers, body)
		got := bodyOf(t, res)
		if res.StatusCode != e.status || !strings.Contains(got, e.part) {
			t.Errorf("%s: %d %.300s, want %d %s", e.request, res.StatusCode, got, e.status, e.part)
		}
	}
}

var representation = [][2]string{{"Prefer", "return=representation"}}

// TestRelationRights has the database say who may do what.
func TestRelationRights(t *testing.T) {
	t.Parallel()
	d := openRelations(t, newSamples(t), relation.Config{})
	exchanges{
		{"GET /notes?select=body&order=id", nil, 200, `[{"body":"of ann"}, ` + "\n" + ` {"body":"also of ann"}]`},
		{`POST /notes?select=owner,body {"body":"new"}`, representation, 201, `[{"owner":"ann","body":"new"}]`},
		{`POST /notes {"body":"new","owner":"bob"}`, nil, 403, `"code":"42501","details":null,"hint":null,"message":"new row violates row-level security policy for table \"notes\""`},
		{`POST /notes {"body":"new"}`, nil, 409, `"code":"23505"`},
		{`POST /notes [{"body":"x"},{"body":"P0001"}]`, nil, 400, `{"code":"P0001","details":"since it says so","hint":"try another","message":"not this one"}`},
		{"GET /notes?body=eq.x", nil, 200, `[]`}, // all or none
		{`POST /notes {"body":"PT418"}`, nil, 418, `"message":"short and stout"`},
		{`POST /notes {"body":"PGRST"}`, nil, 451, `{"code":"mine","details":"d","hint":"h","message":"made up"}`},
		{"GET /broken", nil, 400, `{"code":"22012","details":null,"hint":null,"message":"division by zero"}`},
		{"GET /partly?select=id,open&order=id", nil, 200, `{"id":1,"open":"for all"}`},
		{"GET /partly", nil, 403, `permission denied for table partly`},
		{"GET /partly?select=closed", nil, 403, `42501`},
		{"GET /partly?closed=eq.x&select=id", nil, 403, `42501`},
		{"GET /partly?select=id&limit=1&order=open.desc", nil, 200, `[{"id":1}]`},
		{`POST /partly {"id":3,"open":"c"}`, nil, 201, ""},
		{`POST /partly {"id":4,"closed":"c"}`, nil, 403, "42501"},
		{`POST /partly?select=id {"id":4,"open":"d"}`, representation, 201, `[{"id":4}]`},
		{`POST /partly {"id":5,"open":"d"}`, representation, 403, `42501`},
		{"GET /partly?id=eq.5&select=id", nil, 200, "[]"},
		{`POST /dropbox {"v":"x"}`, nil, 201, ""},
		{`POST /dropbox {"v":null}`, nil, 400, `{"code":"23502","details":null,`},
		{`POST /dropbox {"v":"x"}`, representation, 403, "42501"},
		{"GET /dropbox", nil, 403, "42501"},
		{"GET /tripwire", nil, 403, "42501"},
	}.run(t, newRelationFace(t, d, as(clerk("ann"))))
	exchanges{
		{"GET /notes?select=body", nil, 200, `[{"body":"of bob"}]`},
		{"GET /notes?select=owner&owner=eq.ann", nil, 200, `[]`},
	}.run(t, newRelationFace(t, d, as(clerk("bob"))))
	exchanges{
		{"GET /samples", nil, 403, "42501"},
		{`POST /dropbox {"v":"x"}`, nil, 403, "42501"},
	}.run(t, newRelationFace(t, d, as(auth.Principal{Role: "stranger", Authenticated: true})))
	exchanges{
		{"GET /notes", nil, 401, "42501"},
		{`POST /names {"id":9}`, nil, 401, "42501"},
	}.run(t, newRelationFace(t, d, as(auth.Principal{Role: "web_anon", Anonymous: true})))
	exchanges{
		{"GET /samples", nil, 401, `{"code":"22023","details":null,"hint":null,"message":"role \"nobody_there\" does not exist"}`},
	}.run(t, newRelationFace(t, d, as(auth.Principal{Role: "nobody_there", Authenticated: true})))
	for _, role := range []string{"vigil_writer", "vigil_owner", "", "none", "clerk\x00"} {
		exchanges{{"GET /samples", nil, 403, "permission denied to set role"}}.
			run(t, newRelationFace(t, d, as(auth.Principal{Role: role, Authenticated: true})))
	}
}

// TestRelationLogin acts for roles that the login is a member of, and no others.
func TestRelationLogin(t *testing.T) {
	t.Parallel()
	uri := newSamples(t)
	run(t, uri, `do $$ begin create role gatekeeper login noinherit; exception when duplicate_object or unique_violation then null; end $$; grant clerk to gatekeeper`)
	u, err := url.Parse(uri)
	if err != nil {
		t.Fatal(err)
	}
	u.User = url.User("gatekeeper")
	d := openRelations(t, u.String(), relation.Config{})
	exchanges{{"GET /samples?select=id&limit=1", nil, 200, `[{"id":1}]`}, {"GET /dropbox", nil, 403, "42501"}}.run(t, newRelationFace(t, d, as(clerk("x"))))
	exchanges{{"GET /samples", nil, 403, `permission denied to set role \"stranger\"`}}.
		run(t, newRelationFace(t, d, as(auth.Principal{Role: "stranger", Authenticated: true})))
}

// TestRelationSettings looks at what policies and triggers can see of a request:
// who it is and what is asked, but no credentials.
func TestRelationSettings(t *testing.T) {
	t.Parallel()
	f := newRelationFace(t, openRelations(t, newSamples(t), relation.Config{Path: []string{"public", `odd "one`}}), as(clerk("ann")))
	res := f.exchange(t, "POST", "/seen?select=settings", [][2]string{
		{"Prefer", "return=representation, timezone=Asia/Tokyo"},
		{"Authorization", "Bearer very-secret"},
		{"Cookie", "a=very-secret"},
		{"X-Api-Key", "very-secret"},
		{"X-Auth-Token", "very-secret"},
		{"Proxy-Authorization", "very-secret"},
		{"X-Reason", `for "care"`},
	}, `{}`)
	body := bodyOf(t, res)
	var rows []struct{ Settings map[string]any }
	if err := json.Unmarshal([]byte(body), &rows); err != nil || len(rows) != 1 {
		t.Fatalf("%d %s", res.StatusCode, body)
	}
	if strings.Contains(body, "very-secret") {
		t.Errorf("a credential is seen: %s", body)
	}
	if !strings.Contains(body, `"n": 12345678901234567890`) || !strings.Contains(body, `"sub": "ann"`) {
		t.Errorf("claims: %s", body)
	}
	for name, want := range map[string]string{
		"user": "clerk", "method": "POST", "path": "/seen", "zone": "Asia/Tokyo", "search_path": `"api", "public", "odd ""one"`, "cookies": "{}",
	} {
		if got := rows[0].Settings[name]; got != want {
			t.Errorf("%s is %v, want %s", name, got, want)
		}
	}
	if h := rows[0].Settings["headers"].(map[string]any); h["x-reason"] != `for "care"` || h["host"] != "vigil.test" {
		t.Errorf("headers %v", h)
	}
	// Nothing of it is left on the connection.
	if _, body := f.get(t, "/seen?select=settings->>zone&limit=1"); body != `[{"zone":"Asia/Tokyo"}]` {
		t.Error(body)
	}
	if _, body := f.get(t, "/samples?select=at&id=eq.1"); body != `[{"at":"2020-01-31T10:34:56.789+00:00"}]` {
		t.Error(body)
	}
}

// TestRelationKinds asks views, partitions and what cannot be inserted into, and
// for what there is not.
func TestRelationKinds(t *testing.T) {
	t.Parallel()
	d := openRelations(t, newSamples(t), relation.Config{})
	f := newRelationFace(t, d, as(auth.Principal{Role: "web_anon", Anonymous: true}))
	exchanges{
		{"GET /names?select=id&order=id&limit=2&doc=cs.{}", nil, 200, `[{"id":1}, ` + "\n" + ` {"id":4}]`},
		{"GET /totals?mood=eq.calm", nil, 200, `[{"mood":"calm","n":3}]`},
		{"GET /snapshot?select=count()", nil, 200, `[{"count":6}]`},
		{`POST /totals {"n":1}`, nil, 405, "PGRST117"},
		{`POST /snapshot {"id":1}`, nil, 405, "PGRST117"},
		{"GET /diary?select=line&order=at", nil, 200, `[{"line":"one"}, ` + "\n" + ` {"line":"two"}]`},
		{`POST /diary {"at":"2020-07-01","line":"three"}`, [][2]string{{"Prefer", "return=headers-only"}}, 201, ""},
		{`POST /diary {"at":"2030-07-01","line":"far"}`, nil, 400, `{"code":"23514","details":null`},
		{"GET /diary_2020", nil, 404, "PGRST205"},
		{"GET /sample", nil, 404, `Perhaps you meant the table 'api.samples'`},
		{"GET /samples?id=gt.2&select=id&limit=1", [][2]string{{"Prefer", "count=estimated"}}, 206, `[{"id":3}]`},
		{"GET /samples?id=eq.3&select=id", [][2]string{{"Prefer", "count=planned"}}, 200, `[{"id":3}]`},
		{"GET /samples?select=*,other(id)", nil, 400, "PGRST200"},
		{"PATCH /samples?id=eq.1 {}", nil, 405, "never changed"},
		{"PUT /samples?id=eq.1 {}", nil, 405, "never changed"},
		{"DELETE /samples?id=eq.1", nil, 405, "never changed"},
		{`POST /samples {"id":1}`, [][2]string{{"Prefer", "resolution=merge-duplicates"}}, 405, "never changed"},
		{`POST /samples?select=id [{"id":1},{"id":70}]`, [][2]string{{"Prefer", "resolution=ignore-duplicates, return=representation"}}, 201, `[{"id":70}]`},
		{`POST /samples?on_conflict=name [{"id":1}]`, [][2]string{{"Prefer", "resolution=ignore-duplicates"}}, 400, "42P10"},
		{`POST /samples?on_conflict=nope [{"id":1}]`, [][2]string{{"Prefer", "resolution=ignore-duplicates"}}, 400, "42703"},
		{`POST /samples {"id":71}`, [][2]string{{"Idempotency-Key", "k"}}, 400, "takes no Idempotency-Key"},
		{"GET /samples", [][2]string{{"Accept", "text/event-stream"}}, 406, "PGRST107"},
		{"GET /samples?limit=abc", nil, 400, "PGRST100"},
		{"GET /samples", [][2]string{{"Range", "abc"}}, 400, "PGRST103"},
		{"GET /samples", [][2]string{{"Accept-Profile", "vigil"}}, 406, "PGRST106"},
		{"POST /samples/query select=id&id=eq.1", [][2]string{{"Content-Type", "application/x-www-form-urlencoded"}}, 200, `[{"id":1}]`},
		{"GET /samples?select=id&id=in.(1,2)&order=id", [][2]string{{"Accept", "application/x-ndjson"}}, 200, "{\"id\":1}\n{\"id\":2}\n"},
		{"GET /samples?select=id,plain&id=in.(5)", [][2]string{{"Accept", "application/x-ndjson"}}, 200, `{"id":5,"plain":[1, 2]}`},
		{"GET /samples?name=fts.alpha&select=id&order=id", nil, 200, `[{"id":1}, ` + "\n" + ` {"id":6}]`},
		{"GET /samples?name=fts(english).alpha&select=id&limit=1", nil, 200, `[{"id":1}]`},
		{"GET /samples?doc=plfts.x&select=id", nil, 200, `[{"id":1}]`},
		{"GET /samples?yes=is.not_null&select=count()", nil, 200, `[{"count":4}]`},
		{"GET /samples?select=" + strings.Repeat("x", 70) + ":id", nil, 400, "42622"},
		{"POST /samples?columns=id {\"id\":72}\n\n{\"id\":73}\n", [][2]string{{"Content-Type", "application/x-ndjson"}}, 201, ""},
		{"GET /samples?id=gt.71&select=id&order=id", nil, 200, `[{"id":72}, ` + "\n" + ` {"id":73}]`},
	}.run(t, f)
	res := f.exchange(t, "OPTIONS", "/totals", nil, "")
	if a := res.Header.Get("Allow"); a != "OPTIONS,GET,HEAD" {
		t.Errorf("Allow of a view: %s", a)
	}
}

// TestRelationOwn has Vigil's own tables where the database has some of that name.
func TestRelationOwn(t *testing.T) {
	t.Parallel()
	uri := newSamples(t)
	run(t, uri, `create schema other; create table api.events (stolen text); insert into api.events values ('x');
		create table other.events (there text); insert into other.events values ('y'); grant usage on schema other to clerk; grant select on api.events, other.events to clerk`)
	d := openRelations(t, uri, relation.Config{Schemas: []string{"api", "other"}, Own: []string{"events"}})
	s := openMemory(t, store.Config{Now: clock})
	fill(t, s, "events", `{"ours":true}`)
	f := newFace(t, s, func(c *Config) {
		c.Relations = d
		c.Allow = func(*auth.Principal, string, auth.Action) error { return nil }
	}, as(clerk("ann")))
	exchanges{
		{"GET /events?select=event", nil, 200, `[{"event":{"ours": true}}]`},
		{"GET /events", [][2]string{{"Accept-Profile", "other"}}, 200, `[{"there":"y"}]`},
		{"GET /samples?select=id&limit=1", nil, 200, `[{"id":1}]`},
		{"GET /samples", [][2]string{{"Accept-Profile", "other"}}, 404, "other.samples"},
		{"GET /events", [][2]string{{"Accept-Profile", "vigil"}}, 406, "api, other"},
	}.run(t, f)
	for _, schema := range []string{"vigil", "pg_catalog"} {
		if d, err := relation.Open(t.Context(), relation.Config{URL: uri, Schemas: []string{schema}}); err == nil {
			d.Close()
			t.Errorf("schema %s is exposed", schema)
		}
	}
}

// eventually repeats a request until it is answered with a status.
func eventually(t *testing.T, f *face, path string, status int) string {
	t.Helper()
	for end := time.Now().Add(time.Minute); ; time.Sleep(20 * time.Millisecond) {
		got, body := f.get(t, path)
		if got == status {
			return body
		}
		if time.Now().After(end) {
			t.Fatalf("%s: still %d %s, want %d", path, got, body, status)
		}
	}
}

// TestRelationReload alters, drops and makes tables while they are served.
func TestRelationReload(t *testing.T) {
	t.Parallel()
	uri := newSamples(t)
	f := newRelationFace(t, openRelations(t, uri, relation.Config{Every: time.Hour}), as(clerk("ann")))
	run(t, uri, "create table api.fresh (a int); insert into api.fresh values (1); grant select, insert on api.fresh to clerk; notify pgrst, 'reload schema'")
	eventually(t, f, "/fresh", 200)
	run(t, uri, "alter table api.fresh add b text default 'new'")
	if status, body := f.get(t, "/fresh"); status != 200 || body != `[{"a":1,"b":"new"}]` {
		t.Errorf("a new column: %d %s", status, body)
	}
	if status, body := f.get(t, "/fresh?b=eq.new"); status != 400 || !strings.Contains(body, "column fresh.b does not exist") {
		t.Errorf("a column not yet known: %d %s", status, body)
	}
	eventually(t, f, "/fresh?b=eq.new", 200) // the error had the catalogue read again
	run(t, uri, "alter table api.fresh drop a")
	if status, body := f.get(t, "/fresh?a=eq.1"); status != 400 || !strings.Contains(body, "42703") {
		t.Errorf("a column that is gone: %d %s", status, body)
	}
	run(t, uri, "drop table api.fresh")
	status, body := f.get(t, "/fresh?select=b")
	if status != 404 || !strings.Contains(body, "42P01") {
		t.Errorf("a table that is gone: %d %s", status, body)
	}
	for strings.Contains(body, "42P01") {
		body = eventually(t, f, "/fresh", 404)
	}
	run(t, uri, "create table api.later (a int); grant select on api.later to clerk")
	eventually(t, f, "/later", 200) // asking for it was enough
	run(t, uri, "grant select on api.tripwire to clerk; notify vigil, 'reload schema'")
	eventually(t, f, "/tripwire?limit=1&order=id", 200)
	run(t, uri, "select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'vigil' and datname = current_database()")
	eventually(t, f, "/later", 200)
	run(t, uri, "create table api.last (a int); grant select on api.last to clerk")
	eventually(t, f, "/last", 200)
}

// TestRelationOpenAPI describes the tables that the role may use.
func TestRelationOpenAPI(t *testing.T) {
	t.Parallel()
	d := openRelations(t, newSamples(t), relation.Config{})
	f := newRelationFace(t, d, as(clerk("ann")), func(c *Config) {
		c.Allow = func(*auth.Principal, string, auth.Action) error { return nil }
	})
	var doc struct {
		Paths       map[string]map[string]struct{ Summary, Description string }
		Definitions map[string]struct {
			Description string
			Required    []string
			Properties  map[string]map[string]any
		}
	}
	status, body := f.get(t, "/")
	if err := json.Unmarshal([]byte(body), &doc); err != nil || status != http.StatusOK {
		t.Fatal(status, err)
	}
	samples := doc.Definitions["samples"]
	if !strings.Contains(samples.Description, "One column of every type") || !strings.Contains(samples.Description, "Outside of the log") {
		t.Errorf("description %q", samples.Description)
	}
	for column, want := range map[string]string{
		"id": "bigint integer", "num": "numeric number", "ints": "integer[] array", "mood": "api.mood string", "yes": "boolean boolean",
		"at": "timestamp with time zone string", "doc": "jsonb <nil>", "pair": "api.pair object", "code": "api.code string", "labels": "api.labels array",
	} {
		p := samples.Properties[column]
		got := strings.TrimSpace(strings.Join([]string{text(p["format"]), text(p["type"])}, " "))
		if got != want {
			t.Errorf("%s: %s, want %s", column, got, want)
		}
	}
	if e, _ := json.Marshal(samples.Properties["mood"]["enum"]); string(e) != `["calm","tense"]` {
		t.Errorf("enum %s", e)
	}
	if samples.Properties["name"]["description"] != "What it is called" || len(samples.Required) != 1 {
		t.Errorf("name %v, required %v", samples.Properties["name"], samples.Required)
	}
	for path, methods := range map[string]string{"/samples": "get post", "/notes": "get post", "/dropbox": "post", "/names": "get", "/tripwire": "", "/diary": "", "/events": "get post"} {
		got := strings.Join(sortedKeys(doc.Paths[path]), " ")
		if got != methods {
			t.Errorf("%s: %q, want %q", path, got, methods)
		}
	}
}

func text(v any) string {
	if s, ok := v.(string); ok {
		return s
	}
	return "<nil>"
}
