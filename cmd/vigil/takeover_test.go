package main

import (
	"bytes"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"vigil/internal/pgtest"
)

// tool runs one of PostgreSQL's programs, as a page of logserver's documentation does.
func tool(t testing.TB, name string, args ...string) string {
	t.Helper()
	if _, err := exec.LookPath(name); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal(err)
		}
		t.Skipf("left out: %v", err)
	}
	var out bytes.Buffer
	cmd := exec.Command(name, args...)
	cmd.Stdout, cmd.Stderr = &out, &out
	cmd.Env = append(os.Environ(), "PSQLRC=/dev/null", "PAGER=cat")
	if err := cmd.Run(); err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, &out)
	}
	return out.String()
}

// one returns the one text that a statement answers with.
func one(t testing.TB, store, sql string) (v string) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), store)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	if err := conn.QueryRow(t.Context(), sql).Scan(&v); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	return v
}

// oldEvents fills the table of a logserver.
const oldEvents = `insert into api.events (event) select jsonb_build_object('n', 'old-' || i, 'version', '1', 'action', 'read', 'severity', 'info',
	'occurred', '2026-01-02T03:04:05Z', 'source', jsonb_build_object('type', (array['shl-ltt', 'dhair2/inform'])[i %% 2 + 1]))
	from generate_series(1, %d) i`

// TestTakeOver moves a site from logserver: the server is killed while it moves
// the rows, and goes on; psql answers what it did; then the database is dropped
// and loaded from a dump, as logserver's documentation says, and served again.
func TestTakeOver(t *testing.T) {
	const rows = 6000
	store := withPassword(t, pgtest.Postgres(t))
	if err := pgtest.CreateLogserver(t.Context(), store); err != nil {
		t.Fatal(err)
	}
	if err := pgtest.Exec(t.Context(), store, fmt.Sprintf(oldEvents, rows)); err != nil {
		t.Fatal(err)
	}
	dump := filepath.Join(t.TempDir(), "logs.sql")
	noDump := pgtest.DumpIsOlder(t)
	if noDump {
		t.Log("left out: pg_dump is older than the server")
	} else if err := os.WriteFile(dump, []byte(tool(t, "pg_dump", "--dbname", store, "--no-owner", "--encoding", "utf8")), 0o600); err != nil {
		t.Fatal(err)
	}

	dir := "dir:" + filepath.Join(t.TempDir(), "copy")
	for _, want := range []string{"6000 taken, 0 merged", "0 taken, 6000 merged"} {
		if code, out := command(t, "import", store, "--store", dir); code != 0 || !strings.Contains(out, want) || strings.Contains(out, dbPassword) {
			t.Errorf("vigil import of a database: code %d: %s", code, out)
		}
	}
	if code, out := command(t, "import", strings.Replace(store, "127.0.0.1:", "127.0.0.1:1", 1), "--store", dir); code != 1 || strings.Contains(out, dbPassword) {
		t.Errorf("vigil import of no database: code %d: %s", code, out)
	}

	p := newServer(t, store)
	p.start()
	p.waitEnd()
	if out := p.out.String(); p.err == nil || !strings.Contains(out, "vigil migrate") || !strings.Contains(out, "serve --migrate") {
		t.Errorf("a server over a logserver's database says:\n%s", out)
	}
	p.flags = []string{"--migrate", "--anon-role", "web_anon"}
	p.start()
	p.stepUntil(func() bool { return moving(t, store) })
	p.kill()
	if at := one(t, store, "select count(*)::text from api.events"); at == fmt.Sprint(rows) {
		t.Error("all rows were moved before the kill") // then this tested nothing
	}
	p.mustStart()
	p.mustPost("new")
	p.habits(rows)
	p.stop()
	if noDump {
		return
	}
	u, err := url.Parse(store)
	if err != nil {
		t.Fatal(err)
	}
	at := []string{"--host", u.Hostname(), "--port", u.Port(), "--username", u.User.Username(), strings.TrimPrefix(u.Path, "/")}
	tool(t, "dropdb", at...)
	tool(t, "createdb", at...)
	tool(t, "psql", store, "--file", dump)
	p.mustStart()
	p.mustPost("newer")
	p.habits(rows)
	p.stop()
	p.must("verify")
	if out := p.must("migrate", "--facts", "--set", "zone=Asia/Tokyo"); !strings.Contains(out, "facts:   of 60") {
		t.Errorf("vigil migrate --facts: %s", out)
	}
}

// stepUntil lets the server run for moments and has it stand still in between, until
// there is what is looked for: however slow the look is, the server is no further.
func (p *process) stepUntil(is func() bool) {
	p.t.Helper()
	for end := time.Now().Add(2 * time.Minute); ; {
		time.Sleep(25 * time.Millisecond)
		_ = syscall.Kill(-p.cmd.Process.Pid, syscall.SIGSTOP) // it may be gone
		if is() {
			return
		}
		if time.Now().After(end) {
			p.kill()
			p.t.Fatalf("what was waited for did not come:\n%s", p.out)
		}
		_ = syscall.Kill(-p.cmd.Process.Pid, syscall.SIGCONT)
	}
}

// moving reports whether the events of Vigil have rows. What a server that stands
// still has locked is not waited for.
func moving(t testing.TB, store string) bool {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), store)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	if _, err := conn.Exec(t.Context(), "set lock_timeout = '100ms'"); err != nil {
		t.Fatal(err)
	}
	var made bool // else api.events is the logserver's
	var last int64
	err = conn.QueryRow(t.Context(), "select to_regclass('vigil.tree') is not null and to_regclass('api.events') is not null").Scan(&made)
	if err == nil && made {
		err = conn.QueryRow(t.Context(), "select coalesce(max(id), 0) from api.events").Scan(&last)
	}
	return err == nil && last > 0
}

// habits are the commands of logserver's documentation, on a database that has
// been taken over and got one event since.
func (p *process) habits(rows int) {
	t := p.t
	t.Helper()
	status, body, err := p.do(t.Context(), http.MethodGet, fmt.Sprintf("/events?select=id,event->>n&id=in.(1,%d)&order=id", rows), "", "")
	if want := fmt.Sprintf(`[{"id":1,"n":"old-1"}, `+"\n"+` {"id":%d,"n":"old-%d"}]`, rows, rows); err != nil || status != http.StatusOK || body != want {
		t.Errorf("GET /events: %d %s, %v", status, body, err)
	}
	if got := tool(t, "psql", p.store, "-c", `\dt api.*`); !strings.Contains(got, "api    | events       | partitioned table") {
		t.Errorf("\\dt api.*:\n%s", got)
	}
	if got := tool(t, "psql", p.store, "-c", "SET search_path TO api", "-c", "select distinct(event->'source'->>'type') from events order by 1"); !strings.Contains(got, "dhair2/inform") || !strings.Contains(got, "(3 rows)") {
		t.Errorf("select distinct:\n%s", got)
	}
	if got := tool(t, "psql", p.store, "-At", "-c", "select * from api.events_view where id = 2"); got != "2|1|2026-01-02 03:04:05+00||read\n" {
		t.Errorf("events_view: %s", got)
	}
	if got := tool(t, "psql", p.store, "-At", "-c", "set role web_anon", "-c", "select count(*) from api.events"); got != fmt.Sprintf("SET\n%d\n", rows+1) {
		t.Errorf("count as web_anon: %s", got)
	}
	if got := one(t, p.store, "select count(*)::text from logserver_old.events"); got != fmt.Sprint(rows) {
		t.Errorf("%s rows are kept beside", got)
	}
}
