package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"vigil/internal/pgtest"
)

// dbPassword is in the addresses of databases, whose server takes any.
const dbPassword = "hush-hush-4711"

// withPassword returns an address with the password in it.
func withPassword(t testing.TB, address string) string {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	u.User = url.UserPassword(u.User.Username(), dbPassword)
	return u.String()
}

// newDatabase returns the address of a database that vigil migrate has made ready.
func newDatabase(t testing.TB) string {
	t.Helper()
	store := withPassword(t, pgtest.Postgres(t))
	if code, out := command(t, "migrate", "--store", store); code != 0 || strings.Contains(out, dbPassword) {
		t.Fatalf("vigil migrate: code %d:\n%s", code, out)
	}
	return store
}

// newServer chooses ports for a server over a database, with a state directory
// of its own.
func newServer(t testing.TB, store string) *process {
	p := newProcess(t, filepath.Join(t.TempDir(), "state"))
	p.store = store
	return p
}

// asked runs a command on the server's database.
func (p *process) asked(args ...string) (int, string) {
	p.t.Helper()
	args = append(args, "--store", p.store, "--state-dir", p.dir)
	code, out := command(p.t, args...)
	if strings.Contains(out, dbPassword) {
		p.t.Errorf("vigil %s shows the password:\n%s", args[0], out)
	}
	return code, out
}

// must is asked for what must succeed.
func (p *process) must(args ...string) string {
	p.t.Helper()
	code, out := p.asked(args...)
	if code != 0 {
		p.t.Fatalf("vigil %s: code %d:\n%s", strings.Join(args, " "), code, out)
	}
	return out
}

// TestPostgres goes through the life of a server over a database: every command
// works beside it, and kill -9 loses nothing.
func TestPostgres(t *testing.T) {
	p := newServer(t, newDatabase(t))
	p.mustStart()
	tailed := make(chan string, 1)
	go func() {
		code, out := p.asked("tail", "events?limit=1&select=event->>n")
		tailed <- fmt.Sprint(code, " ", out)
	}()
	p.mustPost("first")
	var shown string
	for end := time.Now().Add(2 * time.Minute); shown == "" && time.Now().Before(end); { // it shows what comes after it began
		select {
		case shown = <-tailed:
		case <-time.After(100 * time.Millisecond):
			p.mustPost("again")
		}
	}
	if !strings.HasPrefix(shown, "0 ") || !strings.Contains(shown, "first") && !strings.Contains(shown, "again") {
		t.Errorf("vigil tail: %q", shown)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	var acked []string
	var unexpected error
	done := make(chan struct{})
	go func() {
		defer close(done)
		acked, unexpected = p.writers(ctx, 8, "w")
	}()
	time.Sleep(500 * time.Millisecond)
	p.kill()
	<-done
	cancel()
	if unexpected != nil || len(acked) == 0 {
		t.Fatalf("%d events were acknowledged, %v", len(acked), unexpected)
	}
	out := p.out.String()
	if strings.Contains(out, dbPassword) || !strings.Contains(out, "xxxxx@") {
		t.Errorf("the server prints:\n%s", out)
	}
	p.mustStart()
	contains(t, p.stored(), acked)
	p.checkpoint()
	if got := p.must("query", "events?event->>n=eq.first&select=id,event", "-o", "ndjson"); got != `{"id":1,"event":{"n": "first"}}`+"\n" {
		t.Errorf("vigil query: %s", got)
	}
	if got := p.must("export"); strings.Count(got, "\n") < len(acked) {
		t.Errorf("vigil export gives %d lines of %d", strings.Count(got, "\n"), len(acked))
	}
	file := filepath.Join(t.TempDir(), "more.ndjson")
	if err := os.WriteFile(file, []byte(`{"id":1000000,"event":{"n":"imported"}}`), 0o600); err != nil {
		t.Fatal(err)
	}
	if got := p.must("import", file); !strings.Contains(got, "1 taken") {
		t.Errorf("vigil import: %s", got)
	}
	if n := p.stored()["imported"]; n != 1 {
		t.Errorf("an imported event is there %d times", n)
	}
	if got := p.must("verify"); !strings.Contains(got, "hold, root") || !strings.Contains(got, "are signed") {
		t.Errorf("vigil verify: %s", got)
	}
	if code, got := command(t, "verify", "--store", p.store, "--state-dir", t.TempDir()); code != 1 || !strings.Contains(got, "--state-dir") {
		t.Errorf("vigil verify where nothing is known of what was signed: %d, %s", code, got)
	}
	if got := p.must("check"); !strings.Contains(got, "every leaf of the log is right") {
		t.Errorf("vigil check: %s", got)
	}
	if got := p.must("config"); !strings.Contains(got, "xxxxx@") {
		t.Errorf("vigil config: %s", got)
	}
	p.stop()
}

// TestPostgresForms posts a document that jsonb spells otherwise, with keep-raw and
// without: what the log commits to is what /raw gives, and an import of the same
// document adds nothing.
func TestPostgresForms(t *testing.T) {
	const doc = `{"b" : 1.0,"aa":2,  "b":1.50}`
	for keep, want := range map[string][2]string{"true": {"raw", doc}, "false": {"canonical", `{"b": 1.50, "aa": 2}`}} {
		p := newServer(t, newDatabase(t))
		p.flags = []string{"--keep-raw", keep}
		p.mustStart()
		if status, body, err := p.do(t.Context(), http.MethodPost, "/events", "event_logger", `{"event": `+doc+`}`); err != nil || status != http.StatusCreated {
			t.Fatalf("post: %d %s, %v", status, body, err)
		}
		uid := strings.TrimSpace(p.must("query", "events?select=_uid&limit=1", "-o", "csv"))
		uid = uid[strings.LastIndexByte(uid, '\n')+1:]
		req, err := http.NewRequest(http.MethodGet, "http://"+p.addr+"/raw/"+uid, nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer "+token(t, "auditor"))
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if err != nil || resp.Header.Get("Vigil-Form") != want[0] || string(body) != want[1] {
			t.Errorf("keep-raw %s: %s %s, %v", keep, resp.Header.Get("Vigil-Form"), body, err)
		}
		if got := p.must("query", "events?select=event", "-o", "ndjson"); got != `{"event":{"b": 1.50, "aa": 2}}`+"\n" {
			t.Errorf("keep-raw %s: the row is %s", keep, got)
		}
		file := filepath.Join(t.TempDir(), "same.ndjson")
		if err := os.WriteFile(file, []byte(`{"id":1,"event":`+doc+`}`), 0o600); err != nil {
			t.Fatal(err)
		}
		if got := p.must("import", file, "--set", "keep-raw="+keep); !strings.Contains(got, "1 merged") {
			t.Errorf("keep-raw %s: import of what is there: %s", keep, got)
		}
		p.checkpoint()
		p.stop()
		p.must("verify")
	}
}

// TestPostgresRemove erases and prunes beside a server, which follows.
func TestPostgresRemove(t *testing.T) {
	p := newServer(t, newDatabase(t))
	p.mustStart()
	for _, n := range []string{"one", "two", "three"} {
		p.mustPost(n)
	}
	p.checkpoint()
	uid := strings.TrimSpace(p.must("query", "events?event->>n=eq.two&select=_uid", "-o", "csv"))
	uid = uid[strings.LastIndexByte(uid, '\n')+1:]
	if out := p.must("erase", uid, "--reason", "asked for"); !strings.Contains(out, "1 event was removed") {
		t.Errorf("vigil erase: %s", out)
	}
	p.mustPost("four")
	if got := p.stored(); len(got) != 3 || got["two"] != 0 {
		t.Errorf("stored: %v", got)
	}
	if status, body, err := p.do(t.Context(), http.MethodGet, "/raw/"+uid, "auditor", ""); err != nil || status != http.StatusNotFound || !strings.Contains(body, "erased") {
		t.Errorf("GET /raw: %d %s, %v", status, body, err)
	}
	if status, body, err := p.do(t.Context(), http.MethodGet, "/log/proof/"+uid, "auditor", ""); err != nil || status != http.StatusOK || !strings.Contains(body, "tlog-proof") {
		t.Errorf("GET /log/proof: %d %s, %v", status, body, err)
	}
	if out := p.must("prune", "events", "--before", time.Now().UTC().Format(time.RFC3339Nano), "--reason", "too old"); !strings.Contains(out, "3 events were removed") {
		t.Errorf("vigil prune: %s", out)
	}
	if got := p.stored(); len(got) != 0 {
		t.Errorf("stored: %v", got)
	}
	for args, want := range map[string]string{"erase x --reason y": "no _uid", "prune events --before soon --reason y": "2190d", "prune events --before 1d": "--reason"} {
		if code, out := p.asked(strings.Fields(args)...); code != 2 || !strings.Contains(out, want) {
			t.Errorf("vigil %s: code %d: %s", args, code, out)
		}
	}
	p.stop()
	if out := p.must("verify"); !strings.Contains(out, "the documents of 4 entries were removed") {
		t.Errorf("vigil verify: %s", out)
	}
	if out := p.must("check"); !strings.Contains(out, "every leaf") {
		t.Errorf("vigil check: %s", out)
	}
}

// TestPostgresNotReady starts servers over databases that are not made for them.
func TestPostgresNotReady(t *testing.T) {
	empty := newServer(t, withPassword(t, pgtest.Postgres(t)))
	empty.start()
	empty.waitEnd()
	if out := empty.out.String(); empty.err == nil || !strings.Contains(out, "vigil migrate") || strings.Contains(out, dbPassword) {
		t.Errorf("a server over an empty database says:\n%s", out)
	}
	if code, out := empty.asked("query", "events"); code != 1 || !strings.Contains(out, "vigil migrate") {
		t.Errorf("vigil query: code %d: %s", code, out)
	}
	empty.flags = []string{"--migrate"}
	empty.mustStart()
	empty.mustPost("one")
	empty.stop()
	nowhere := newServer(t, "postgres://u:"+dbPassword+"@127.0.0.1:1/none")
	for _, args := range [][]string{{"query", "events"}, {"migrate"}, {"verify"}, {"check"}, {"recover", "--reason", "x"}} {
		if code, out := nowhere.asked(args...); code != 1 || !strings.Contains(out, "127.0.0.1") {
			t.Errorf("vigil %s: code %d: %s", args[0], code, out)
		}
	}
}

// TestPostgresNoGuard takes the guard of a signed log away, and the key.
func TestPostgresNoGuard(t *testing.T) {
	p := newServer(t, newDatabase(t))
	p.mustStart()
	p.mustPost("one")
	p.checkpoint()
	p.stop()
	whole := p.dir
	p.dir = filepath.Join(t.TempDir(), "empty")
	p.start()
	p.waitEnd()
	if out := p.out.String(); p.err == nil || !strings.Contains(out, "signing key") {
		t.Fatalf("a server without the key says:\n%s", out)
	}
	if err := os.CopyFS(p.dir, os.DirFS(whole)); err != nil {
		t.Fatal(err)
	}
	restoreModes(t, p.dir)
	if err := os.RemoveAll(filepath.Join(p.dir, "guard")); err != nil {
		t.Fatal(err)
	}
	if code, out := p.asked("prune", "events", "--before", "1d", "--reason", "too old"); code != 1 || !strings.Contains(out, "--state-dir") {
		t.Errorf("vigil prune without a guard: code %d: %s", code, out)
	}
	p.start()
	if why := p.notReady(); !strings.Contains(why, "vigil recover") {
		t.Errorf("/ready says %s", why)
	}
	if status, _, err := p.do(t.Context(), http.MethodPost, "/events", "event_logger", `{"event":{}}`); err != nil || status != http.StatusServiceUnavailable {
		t.Errorf("post without a guard: %d, %v", status, err)
	}
	p.stop()
	if got := p.must("recover", "--reason", "the guard was lost"); !strings.Contains(got, "epoch 2") {
		t.Errorf("vigil recover: %s", got)
	}
	p.mustStart()
	p.mustPost("two")
	if c := p.checkpoint(); !strings.Contains(strings.SplitN(c, "\n", 2)[0], "/e2") {
		t.Errorf("checkpoint %s", c)
	}
	p.stop()
	p.must("verify")
}

// line is a wire to a database that can be cut.
type line struct {
	to   string
	mu   sync.Mutex
	shut bool
	open []net.Conn
}

// newLine returns a line, and the address of the database through it.
func newLine(t testing.TB, store string) (*line, string) {
	t.Helper()
	u, err := url.Parse(store)
	if err != nil {
		t.Fatal(err)
	}
	in, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = in.Close() })
	l := &line{to: u.Host}
	go func() {
		for {
			c, err := in.Accept()
			if err != nil {
				return
			}
			go l.serve(c)
		}
	}()
	u.Host = in.Addr().String()
	return l, u.String()
}

func (l *line) serve(c net.Conn) {
	defer c.Close()
	server, err := net.Dial("tcp", l.to)
	if err != nil {
		return
	}
	defer server.Close()
	l.mu.Lock()
	shut := l.shut
	l.open = append(l.open, c, server)
	l.mu.Unlock()
	if shut {
		return
	}
	go func() {
		defer c.Close()
		defer server.Close()
		_, _ = io.Copy(server, c)
	}()
	_, _ = io.Copy(c, server)
}

// cut ends all connections and takes no others, or takes them again.
func (l *line) cut(shut bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.shut = shut
	for _, c := range l.open {
		_ = c.Close()
	}
	l.open = nil
}

// persistent posts numbered events from several clients until stop is closed:
// each until it is acknowledged, with an idempotency key, as clients should. It
// returns what was acknowledged and how often a client was told to come again.
func (p *process) persistent(stop <-chan struct{}, clients int, prefix string) (acked []string, again int, unexpected error) {
	var mu sync.Mutex
	var wg sync.WaitGroup
	for c := range clients {
		wg.Go(func() {
			for i := 0; ; i++ {
				select {
				case <-stop:
					return
				default:
				}
				n := fmt.Sprintf("%s-%d-%d", prefix, c, i)
				for done := false; !done; {
					req, err := http.NewRequest(http.MethodPost, "http://"+p.addr+"/events", strings.NewReader(`{"event": {"n": "`+n+`"}}`))
					if err != nil {
						return
					}
					req.Header.Set("Authorization", "Bearer "+token(p.t, "event_logger"))
					req.Header.Set("Content-Type", "application/json")
					req.Header.Set("Idempotency-Key", n)
					resp, err := http.DefaultClient.Do(req)
					mu.Lock()
					switch {
					case err != nil:
						unexpected, done = err, true
					case resp.StatusCode == http.StatusCreated:
						acked, done = append(acked, n), true
					case resp.StatusCode == http.StatusServiceUnavailable && resp.Header.Get("Retry-After") != "":
						again++
					default:
						unexpected, done = fmt.Errorf("event %s: %s", n, resp.Status), true
					}
					mu.Unlock()
					if err != nil {
						return
					}
					resp.Body.Close()
					if !done {
						time.Sleep(5 * time.Millisecond)
					}
				}
			}
		})
	}
	wg.Wait()
	return acked, again, unexpected
}

// TestPostgresOutage stops the database under load: crashes of it, wires that
// break, a database that takes no changes. Clients are told to come again, and
// what was acknowledged is stored, once.
func TestPostgresOutage(t *testing.T) {
	store := newDatabase(t)
	l, through := newLine(t, store)
	p, other := newServer(t, through), newServer(t, store)
	p.mustStart()
	p.mustPost("first")
	p.checkpoint()
	if err := os.CopyFS(other.dir, os.DirFS(p.dir)); err != nil { // as a second server is set up
		t.Fatal(err)
	}
	restoreModes(t, other.dir)
	other.mustStart()
	stop, done := make(chan struct{}), make(chan struct{}, 2)
	var acked, others []string
	var again int
	var err, otherErr error
	go func() { acked, again, err = p.persistent(stop, 6, "a"); done <- struct{}{} }()
	go func() { others, _, otherErr = other.persistent(stop, 2, "b"); done <- struct{}{} }()
	pause := func() { time.Sleep(250 * time.Millisecond) }
	ready := func() {
		t.Helper()
		for range 6000 {
			if p.ready() {
				return
			}
			time.Sleep(10 * time.Millisecond)
		}
		t.Errorf("the server does not get ready again: %s", p.notReady())
	}
	for range 3 {
		pause()
		crashDatabase(t, store)
		pause()
		ready()
	}
	l.cut(true)
	if why := p.notReady(); !strings.Contains(why, "database") || strings.Contains(why, dbPassword) {
		t.Errorf("/ready says %s", why)
	}
	pause()
	l.cut(false)
	ready()
	setReadOnly(t, store, true)
	if why := p.notReady(); !strings.Contains(why, "read-only") {
		t.Errorf("/ready says %s", why)
	}
	if status, _, err := p.do(t.Context(), http.MethodGet, "/events?limit=1", "auditor", ""); err != nil || status != http.StatusOK {
		t.Errorf("reading a read-only database: %d, %v", status, err)
	}
	setReadOnly(t, store, false)
	ready()
	pause()
	close(stop)
	<-done
	<-done
	if err != nil || otherErr != nil || again == 0 || len(acked) < 20 || len(others) < 5 {
		t.Fatalf("%d and %d acknowledged, %d times not: %v, %v\n%s", len(acked), len(others), again, err, otherErr, p.out)
	}
	counts := p.stored()
	contains(t, counts, append(acked, others...))
	if len(counts) != len(acked)+len(others)+1 {
		t.Errorf("%d events are stored, %d were acknowledged", len(counts), len(acked)+len(others)+1)
	}
	for _, s := range []*process{p, other} {
		if strings.Contains(s.out.String(), dbPassword) {
			t.Error("the log has the password")
		}
		s.stop()
	}
	other.must("verify")
	t.Logf("%d and %d events, %d times told to come again", len(acked), len(others), again)
}

// crashDatabase kills a backend: the server ends all sessions, and recovers.
func crashDatabase(t testing.TB, store string) {
	t.Helper()
	const own = "do $$ begin execute format('copy (select 1) to program %L', 'kill -9 ' || pg_backend_pid()); end $$"
	if err := pgtest.Exec(t.Context(), store, own); err == nil {
		t.Fatal("a session outlives its backend")
	}
}

// setReadOnly has all sessions of a database, from now on, take no changes, or
// take them again.
func setReadOnly(t testing.TB, store string, yes bool) {
	t.Helper()
	u, err := url.Parse(store)
	if err != nil {
		t.Fatal(err)
	}
	value := "reset default_transaction_read_only"
	if yes {
		value = "set default_transaction_read_only = on"
	}
	for _, script := range []string{
		"set transaction read write; alter database " + strings.TrimPrefix(u.Path, "/") + " " + value,
		pgtest.EndSessions("datname = current_database()"),
	} {
		if err := pgtest.Exec(t.Context(), store, script); err != nil {
			t.Fatal(err)
		}
	}
}
