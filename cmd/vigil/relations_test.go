package main

import (
	"strings"
	"testing"
	"time"

	"vigil/internal/pgtest"
)

// TestRelations serves a table beside the store's, under the rights of the role.
func TestRelations(t *testing.T) {
	p := newServer(t, newDatabase(t))
	err := pgtest.Exec(t.Context(), p.store, `
		do $$ begin create role web_anon nologin; exception when duplicate_object or unique_violation then null; end $$;
		do $$ begin create role event_logger nologin; exception when duplicate_object or unique_violation then null; end $$;
		grant usage on schema api to web_anon, event_logger;
		create table api.devices (id integer primary key, name text not null); comment on table api.devices is 'What sends events';
		insert into api.devices values (1, 'first'); grant select on api.devices to web_anon; grant select, insert on api.devices to event_logger`)
	if err != nil {
		t.Fatal(err)
	}
	p.env = append(p.env, "VIGIL_ANON_ROLE=web_anon")
	p.mustStart()
	for _, x := range []struct {
		method, path, role, body string
		status                   int
		part                     string
	}{
		{"GET", "/devices?select=name", "", "", 200, `[{"name":"first"}]`},
		{"POST", "/devices", "", `{"id":2,"name":"x"}`, 401, "permission denied for table devices"},
		{"POST", "/devices", "event_logger", `{"id":2,"name":"x"}`, 201, ""},
		{"GET", "/devices?id=eq.2", "", "", 200, `[{"id":2,"name":"x"}]`},
		{"DELETE", "/devices", "event_logger", "", 405, "never changed or removed"},
		{"GET", "/events", "", "", 200, "[]"},
		{"GET", "/", "", "", 200, "Outside of the log"},
		{"GET", "/migrations", "", "", 404, "PGRST205"},
	} {
		status, body, err := p.do(t.Context(), x.method, x.path, x.role, x.body)
		if err != nil || status != x.status || !strings.Contains(body, x.part) {
			t.Errorf("%s %s as %q: %d %.300s %v, want %d %s", x.method, x.path, x.role, status, body, err, x.status, x.part)
		}
	}
	// Who read what of them is recorded as it is of Vigil's own.
	recorded := ""
	for end := time.Now().Add(time.Minute); !strings.Contains(recorded, `"table": "devices"`); time.Sleep(20 * time.Millisecond) {
		if _, recorded, err = p.do(t.Context(), "GET", "/system?select=event", "admin", ""); err != nil || time.Now().After(end) {
			t.Fatalf("the read of devices is not in the record: %v %s", err, recorded)
		}
	}
	p.stop()
}
