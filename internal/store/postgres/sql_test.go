package postgres_test

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/prometheus/client_golang/prometheus"

	"vigil"
	"vigil/internal/query"
	"vigil/internal/store"
	"vigil/internal/store/postgres"
	"vigil/internal/store/storetest"
)

func itoa(i int) string { return strconv.Itoa(i) }

func state(err error) string {
	if e, ok := errors.AsType[*pgconn.PgError](err); ok {
		return e.Code
	}
	return ""
}

// TestInjection puts SQL wherever a question or an event has room for text. A
// table that any of it would drop is there in the end.
func TestInjection(t *testing.T) {
	t.Parallel()
	s, url := open(t)
	conn := dial(t, url)
	if _, err := conn.Exec(t.Context(), "create table public.tripwire (); grant all on public.tripwire to public; alter table public.tripwire owner to vigil_writer"); err != nil {
		t.Fatal(err)
	}
	evils := []string{
		`'; drop table public.tripwire; --`, `"; drop table public.tripwire; --`, `\'; drop table public.tripwire; --`,
		`$1; drop table public.tripwire`, `{"a","b'; drop table public.tripwire; --"}`, `%'; drop table public.tripwire; --`,
		`x' or '1'='1`, `);drop table public.tripwire;--`, "$$;drop table public.tripwire;$$", `*/ drop table public.tripwire; /*`, "’; drop table public.tripwire; --",
	}
	oracle, err := store.NewMemory(storetest.Config(nil))
	if err != nil {
		t.Fatal(err)
	}
	for i, evil := range evils {
		doc := fmt.Sprintf(`{%q: {%q: %q}, "action": %q, "patient": [%q], "subject": %q}`, evil, evil, evil, evil, evil, evil)
		for _, st := range []store.Store{s, oracle} {
			e := &vigil.Event{Table: vigil.TableEvents, Format: vigil.Format("f" + itoa(i)), Doc: []byte(doc), Sender: &vigil.Sender{Subject: evil}}
			if _, err := st.Append(t.Context(), &store.Batch{Events: []*vigil.Event{e}, Key: &store.Key{Scope: evil, Key: evil}}); err != nil {
				t.Fatalf("%s: %v", doc, err)
			}
		}
	}
	found := 0
	older := value(t, conn, "select (current_setting('server_version_num')::int < 140000)::text") == "true"
	for _, evil := range evils {
		for _, q := range questions(evil) {
			got, gotErr := storetest.Answer(t.Context(), s, q)
			want, wantErr := storetest.Answer(t.Context(), oracle, q)
			if where, ok := q.Where.(query.Test); ok && where.Op == query.WFTS && older {
				want, wantErr = got, gotErr // before 14 a quotation mark within a word was read otherwise
			}
			if fmt.Sprint(got) != fmt.Sprint(want) || (gotErr != nil) != (wantErr != nil) {
				t.Errorf("%+v: got %v, %v; want %v, %v", q, got, gotErr, want, wantErr)
			}
			if gotErr != nil && strings.Contains(gotErr.Error(), "SQLSTATE 42601") {
				t.Errorf("%+v: %v", q, gotErr)
			}
			found += len(got)
		}
	}
	if found < 100 {
		t.Errorf("only %d rows were found: the questions do not reach the database", found)
	}
	value(t, conn, "select 'public.tripwire'::regclass::text")
}

// questions has a text in every place of a query.
func questions(evil string) []*query.Query {
	step := query.Step{Key: evil}
	last := query.Step{Key: evil, Text: true}
	inner := query.Path{Column: "event", Steps: []query.Step{step, last}}
	var paths []query.Path
	for _, c := range []string{"_patient", "_action", "_format", "id", "_uid", "_sender", evil} {
		paths = append(paths, query.Path{Column: c})
	}
	paths = append(paths, inner, query.Path{Column: "event", Steps: []query.Step{{Key: "subject", Text: true}}}, query.Path{Column: "_sender", Steps: []query.Step{{Key: "sub", Text: true}}})
	ops := []query.Op{query.Eq, query.Neq, query.Lt, query.Gte, query.Like, query.ILike, query.Match, query.In, query.IsDistinct, query.Cs, query.Cd, query.Ov, query.PlFTS, query.FTS, query.WFTS, query.Is}
	byID := []query.Order{{Path: query.Path{Column: "id"}}}
	var out []*query.Query
	for _, p := range paths {
		for _, op := range ops {
			out = append(out, &query.Query{Table: vigil.TableEvents, Where: query.Test{Path: p, Op: op, Value: evil, List: []string{evil, "x"}}, Limit: -1, Order: byID})
		}
		if p.Column == "_uid" {
			continue // it is random
		}
		out = append(out, &query.Query{Table: vigil.TableEvents, Select: []query.Item{{Path: p, Alias: evil}}, Order: []query.Order{{Path: p, Desc: true}, byID[0]}, Limit: 3})
		out = append(out, &query.Query{Table: vigil.TableEvents, Select: []query.Item{{Path: p, Alias: evil}, {Agg: query.AggCount, Alias: evil}}, Limit: 3})
		out = append(out, &query.Query{Table: vigil.TableEvents, Select: []query.Item{{Path: p, Cast: evil}}, Limit: -1})
	}
	return append(out, &query.Query{Table: evil, Limit: -1})
}

// TestLongValues makes sure that a text which no index has room for keeps
// nothing out, and is found.
func TestLongValues(t *testing.T) {
	t.Parallel()
	s, _ := open(t)
	var letters []byte
	for i := range 30_000 { // does not compress well
		letters = append(letters, byte('a'+(i*i*7+i/3)%26), byte('A'+(i*i*i+5*i)%26))
	}
	long := string(letters)
	write(t, s, []*vigil.Event{{
		Table: vigil.TableEvents, Format: vigil.FormatLogserver,
		Doc: fmt.Appendf(nil, `{"subject":%q,"patient":[%q],"source":{"type":%q},"tags":[%q],"agent":%q,"action":%q}`, long, long, long, long, long, long),
	}})
	for _, p := range []query.Path{
		{Column: "_patient"},
		{Column: "_agent"},
		{Column: "_action"},
		{Column: "event", Steps: []query.Step{{Key: "subject", Text: true}}},
		{Column: "event", Steps: []query.Step{{Key: "source"}, {Key: "type", Text: true}}},
	} {
		for value, want := range map[string]int64{long: 1, long[:len(long)-1]: 0, "x": 0} {
			n, err := s.Count(t.Context(), &query.Query{Table: vigil.TableEvents, Where: query.Test{Path: p, Op: query.Eq, Value: value}, Limit: -1})
			if err != nil || n != want {
				t.Errorf("%v: %d rows, %v; want %d", p, n, err, want)
			}
		}
	}
}

// TestIndexes makes sure that the statements which are sent can be served by the
// indexes that the migrations make.
func TestIndexes(t *testing.T) {
	t.Parallel()
	s, url := open(t)
	for i := range 4 {
		var batch []*vigil.Event
		for k := range 1000 {
			n := i*1000 + k
			batch = append(batch, &vigil.Event{Table: vigil.TableEvents, Format: vigil.FormatLogserver, Doc: fmt.Appendf(nil,
				`{"subject":"Patient/%d","patient":["Patient/%d"],"source":{"type":"t%d"},"tags":["a%d"],"agent":"u%d"}`, n, n, n%300, n%500, n%400)})
		}
		write(t, s, batch)
	}
	conn := dial(t, url)
	if _, err := conn.Exec(t.Context(), "analyze"); err != nil {
		t.Fatal(err)
	}
	month := value(t, conn, "select relname::text from api.events e join pg_class c on c.oid = e.tableoid limit 1")
	for _, c := range []struct {
		where query.Test
		index string
	}{
		{query.Test{Path: query.Path{Column: "event", Steps: []query.Step{{Key: "subject", Text: true}}}, Op: query.Eq, Value: "Patient/17"}, "_left_idx"},
		{query.Test{Path: query.Path{Column: "event", Steps: []query.Step{{Key: "source"}, {Key: "type", Text: true}}}, Op: query.Eq, Value: "t17"}, "_left_idx"},
		{query.Test{Path: query.Path{Column: "event", Steps: []query.Step{{Key: "tags"}}}, Op: query.Cs, Value: `["a17"]`}, "_expr"},
		{query.Test{Path: query.Path{Column: "_patient"}, Op: query.Eq, Value: "Patient/17"}, "__keys_idx"},
		{query.Test{Path: query.Path{Column: "_agent"}, Op: query.Eq, Value: "u17"}, "__keys_idx"},
		{query.Test{Path: query.Path{Column: "id"}, Op: query.Eq, Value: "17"}, "_pkey"},
	} {
		q := &query.Query{Table: vigil.TableEvents, Where: c.where, Limit: -1}
		plan, err := postgres.Explain(t.Context(), s, q)
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(plan, month+c.index) || strings.Contains(plan, "Seq Scan on "+month) {
			t.Errorf("%v is not served by an index:\n%s", c.where, plan)
		}
	}
	newest := &query.Query{Table: vigil.TableEvents, Order: []query.Order{{Path: query.Path{Column: "id"}, Desc: true}}, Limit: 25}
	if plan, err := postgres.Explain(t.Context(), s, newest); err != nil || strings.Contains(plan, "Sort  (") {
		t.Errorf("the newest rows are sorted for: %v\n%s", err, plan)
	}
}

// TestMapping makes sure that facts by another mapping are not looked at.
func TestMapping(t *testing.T) {
	t.Parallel()
	s, url := open(t)
	write(t, s, []*vigil.Event{{Table: vigil.TableEvents, Format: vigil.FormatLogserver, Doc: []byte(`{"action":"read"}`)}})
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	c := storetest.Config(nil)
	c.Mapping = upper{}
	other, err := postgres.Open(t.Context(), postgres.Options{URL: url}, c)
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	count := func(st store.Store, action string, want int64) {
		t.Helper()
		n, err := st.Count(t.Context(), &query.Query{Table: vigil.TableEvents, Where: query.Test{Path: query.Path{Column: "_action"}, Op: query.Eq, Value: action}, Limit: -1})
		if err != nil || n != want {
			t.Errorf("_action=eq.%s: %d, %v; want %d", action, n, err, want)
		}
	}
	count(other, "read", 0)
	count(other, "READ", 1)
	write(t, other, []*vigil.Event{{Table: vigil.TableEvents, Format: vigil.FormatLogserver, Doc: []byte(`{"action":"read"}`)}})
	count(other, "READ", 2)
	again := connect(t, url)
	count(again, "read", 2)
	count(again, "READ", 0)
	again.Close()

	uses := func() bool {
		plan, err := postgres.Explain(t.Context(), other, &query.Query{Table: vigil.TableEvents, Where: query.Test{Path: query.Path{Column: "_action"}, Op: query.Eq, Value: "READ"}, Limit: -1})
		return err == nil && strings.Contains(plan, "_facts_events")
	}
	if uses() {
		t.Error("facts of several mappings are looked at")
	}
	if n, err := postgres.Reindex(t.Context(), url, c); err != nil || n != 1 {
		t.Errorf("facts were made anew for %d events, %v; want 1", n, err)
	}
	until(t, uses) // the server is told
	count(other, "READ", 2)
	count(other, "read", 0)
	write(t, other, []*vigil.Event{{Table: vigil.TableEvents, Format: vigil.FormatLogserver, Doc: []byte(`{"action":"read"}`)}})
	if count(other, "READ", 3); !uses() {
		t.Error("facts are not looked at after a commit")
	}
}

// upper is another mapping than the suite's.
type upper struct{ storetest.Mapping }

func (upper) Number() uint32 { return 8 }

func (u upper) Facts(f vigil.Format, doc []byte) vigil.Facts {
	facts := u.Mapping.Facts(f, doc)
	for i, v := range facts.Values[vigil.FactAction] {
		facts.Values[vigil.FactAction][i] = strings.ToUpper(v)
	}
	return facts
}

// TestPartitions goes from one month to the next, and to one without a partition.
func TestPartitions(t *testing.T) {
	t.Parallel()
	var micros atomic.Int64
	micros.Store(time.Date(2026, 11, 30, 23, 59, 59, 999_999_000, time.UTC).UnixMicro())
	c := storetest.Config(func() time.Time { return time.UnixMicro(micros.Load()) })
	a := at{}
	s := a.open(t, c)
	conn := dial(t, a[s])
	step := func(want string) {
		t.Helper()
		if err := s.Write(t.Context(), numbered(vigil.TableEvents, 0, 2)); err != nil {
			t.Fatal(err)
		}
		micros.Add(1)
		got := value(t, conn, "select string_agg(distinct relname::text, ' ' order by relname::text) from api.events e join pg_class c on c.oid = e.tableoid")
		if got != want {
			t.Errorf("events are in %s, want %s", got, want)
		}
	}
	step("events_202611")
	step("events_202611 events_202612")
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	micros.Store(time.Date(2027, 2, 28, 23, 59, 59, 999_999_000, time.UTC).UnixMicro())
	s = a.connect(t, a[s], c)
	if _, err := conn.Exec(t.Context(), "drop table vigil.events_202703, vigil._facts_events_202703"); err != nil {
		t.Fatal(err)
	}
	step("events_202611 events_202612 events_202702")
	step("events_202611 events_202612 events_202702 events_default")
	storetest.CheckRoot(t, s)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	reg := prometheus.NewRegistry()
	c.Metrics = reg
	s = a.connect(t, a[s], c)
	defer s.Close()
	for name, want := range map[string]float64{"vigil_store_default_partition_tables": 1, "vigil_store_partitions_missing": 1} {
		if got := gauge(t, reg, name); got != want {
			t.Errorf("%s is %v, want %v", name, got, want)
		}
	}
}

func gauge(t testing.TB, reg *prometheus.Registry, name string) float64 {
	t.Helper()
	all, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range all {
		if f.GetName() == name {
			return f.GetMetric()[0].GetGauge().GetValue()
		}
	}
	t.Fatalf("there is no metric %s", name)
	return 0
}
