package postgres_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"vigil"
	"vigil/internal/pgtest"
	"vigil/internal/store/postgres"
	"vigil/internal/store/storetest"
)

// TestFaultDiskFull fills the disk that the events are on. Where no file system
// may be mounted, a trigger says what the server would.
func TestFaultDiskFull(t *testing.T) {
	t.Parallel()
	srv := startServer(t, "fsync=off")
	if err := postgres.Migrate(t.Context(), srv.url(), storetest.Config(nil), postgres.Grants{}); err != nil {
		t.Fatal(err)
	}
	s, err := postgres.Open(t.Context(), postgres.Options{URL: srv.url()}, storetest.Config(nil))
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	write(t, s, numbered(vigil.TableEvents, 0, 5))
	free := fillDisk(t, srv)
	want := int64(5)
	for vigil.KindOf(err) != vigil.Full {
		if err = s.Write(t.Context(), numbered(vigil.TableEvents, 0, 200)); err == nil {
			want += 200
		} else if vigil.KindOf(err) != vigil.Full {
			t.Fatalf("append to a full disk: %v", err)
		}
	}
	wantKind(t, "append to a full disk", err, vigil.Full, "")
	wantKind(t, "the state of the store", s.Err(), vigil.Full, "")
	if n, err := s.Count(t.Context(), everything()); err != nil || n != want {
		t.Errorf("%d rows with a full disk, %v; want %d", n, err, want)
	}
	free()
	write(t, s, numbered(vigil.TableEvents, 0, 200))
	if err := s.Err(); err != nil {
		t.Errorf("with space again: %v", err)
	}
	storetest.CheckRoot(t, s)
}

// fillDisk leaves little space for events, and returns what makes space again.
func fillDisk(t testing.TB, srv *server) (free func()) {
	t.Helper()
	exec := func(script string) {
		if err := pgtest.Exec(t.Context(), srv.url(), script); err != nil {
			t.Fatal(err)
		}
	}
	dir := filepath.Join(srv.dir, "small")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=4m")
	if errors.Is(err, fs.ErrPermission) {
		exec(`create function public.full() returns trigger language plpgsql as $$ begin raise exception 'no space' using errcode = 'disk_full'; end $$;
			create trigger full_disk before insert on api.events for each row execute function public.full()`)
		return func() { exec("drop function public.full() cascade") }
	} else if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		srv.stop()
		if err := syscall.Unmount(dir, 0); err != nil {
			t.Error(err)
		}
	})
	if srv.who != nil {
		if err := os.Chown(dir, int(srv.who.Uid), int(srv.who.Gid)); err != nil {
			t.Fatal(err)
		}
	}
	filler := filepath.Join(dir, "filler")
	exec("create tablespace small location '" + dir + "'")
	exec(`do $$ declare p regclass; begin
		for p in select inhrelid::regclass from pg_inherits where inhparent = 'api.events'::regclass loop
			execute format('alter table %s set tablespace small', p);
		end loop; end $$`)
	if err := os.WriteFile(filler, make([]byte, 3<<20+512<<10), 0o600); err != nil {
		t.Fatal(err)
	}
	return func() {
		if err := os.Remove(filler); err != nil {
			t.Fatal(err)
		}
	}
}
