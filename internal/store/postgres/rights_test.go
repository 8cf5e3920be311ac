package postgres_test

import (
	"errors"
	"fmt"
	"net/url"
	"strings"
	"testing"

	"vigil"
	"vigil/internal/pgtest"
	"vigil/internal/query"
	"vigil/internal/store"
	"vigil/internal/store/postgres"
	"vigil/internal/store/storetest"
)

// TestLeastRights has an owner who is no superuser, and a server's login that
// may do nothing but what the store does.
func TestLeastRights(t *testing.T) {
	t.Parallel()
	super := pgtest.Postgres(t)
	u, err := url.Parse(super)
	if err != nil {
		t.Fatal(err)
	}
	database := strings.TrimPrefix(u.Path, "/")
	if err := pgtest.Exec(t.Context(), super, fmt.Sprintf(`
		do $$ begin create role lr_owner login createrole; exception when duplicate_object then null; end $$;
		do $$ begin create role lr_server login; exception when duplicate_object then null; end $$;
		grant create on database %s to lr_owner;
		do $$ begin grant vigil_writer, vigil_reader to lr_owner with admin option; exception when undefined_object then null; end $$`, database)); err != nil {
		t.Fatal(err)
	}
	as := func(user string) string {
		v := *u
		v.User = url.User(user)
		return v.String()
	}
	c := storetest.Config(nil)
	if _, err := postgres.Open(t.Context(), postgres.Options{URL: as("lr_server")}, c); err == nil {
		t.Error("an empty database was opened")
	}
	if err := postgres.Migrate(t.Context(), as("lr_owner"), c, postgres.Grants{User: "lr_server"}); err != nil {
		t.Fatal(err)
	}
	if err := pgtest.Exec(t.Context(), super, "do $$ begin create role lr_stranger login; exception when duplicate_object then null; end $$"); err != nil {
		t.Fatal(err)
	}
	if _, err := postgres.Open(t.Context(), postgres.Options{URL: as("lr_stranger")}, c); !errors.Is(err, postgres.ErrLogin) || !strings.Contains(err.Error(), "lr_stranger") {
		t.Errorf("a login without rights: %v", err)
	}
	more := storetest.Config(nil)
	more.Tables = append(more.Tables, "one_more")
	if err := postgres.Migrate(t.Context(), as("lr_server"), more, postgres.Grants{}); err == nil || !strings.Contains(err.Error(), "owner's address") {
		t.Errorf("a migration by another login than the owner's: %v", err)
	}
	s, err := postgres.Open(t.Context(), postgres.Options{URL: as("lr_server")}, c)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	key := &store.Key{Scope: "s", Key: "k"}
	for i := range 2 {
		r, err := s.Append(t.Context(), &store.Batch{Events: numbered(vigil.TableEvents, 0, 600), Key: key})
		if err != nil || r.Replayed != (i == 1) {
			t.Fatalf("append: %+v, %v", r, err)
		}
	}
	if n, err := s.Count(t.Context(), &query.Query{Table: vigil.TableEvents, Where: query.Test{Path: query.Path{Column: "_patient"}, Op: query.Eq, Value: "Patient/3"}, Limit: -1}); err != nil || n != 86 {
		t.Errorf("%d rows, %v; want 86", n, err)
	}
	storetest.CheckRoot(t, s)
	conn := dial(t, as("lr_server"))
	for _, sql := range []string{
		"update api.events set event = '{}'", "delete from vigil.tiles", "truncate api.events", "drop schema vigil cascade", "alter table api.events disable trigger all",
		"select vigil.make_table('more')", "create table api.mine ()", "create table vigil.mine ()", "update vigil.tables set name = 'x'",
	} {
		if err := try(t, conn, "", sql); state(err) != "42501" {
			t.Errorf("as the server's login: %s: %v", sql, err)
		}
	}
}

// TestLockedOut shuts the login of a server out while it runs: its readers are
// told to come back.
func TestLockedOut(t *testing.T) {
	t.Parallel()
	super := pgtest.Postgres(t)
	u, err := url.Parse(super)
	if err != nil {
		t.Fatal(err)
	}
	if err := pgtest.Exec(t.Context(), super, "create role locked_out login"); err != nil {
		t.Fatal(err)
	}
	c := storetest.Config(nil)
	if err := postgres.Migrate(t.Context(), super, c, postgres.Grants{User: "locked_out"}); err != nil {
		t.Fatal(err)
	}
	u.User = url.User("locked_out")
	s, err := postgres.Open(t.Context(), postgres.Options{URL: u.String()}, c)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if err := pgtest.Exec(t.Context(), super, `alter role locked_out nologin;
		select pg_terminate_backend(pid) from pg_stat_activity where usename = 'locked_out'`); err != nil {
		t.Fatal(err)
	}
	for range 3 { // the pool may have more connections that it does not know to be gone
		_, err = s.Count(t.Context(), &query.Query{Table: vigil.TableEvents, Limit: -1})
		if e, ok := errors.AsType[*vigil.Error](err); !ok || e.Kind != vigil.Unavailable || e.RetryAfter == 0 {
			t.Errorf("a read: %v", err)
		}
	}
}
