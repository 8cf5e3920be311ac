package postgres_test

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"vigil/internal/pgtest"
)

// server is a PostgreSQL whose process a test stops, starts and copies.
type server struct {
	t        testing.TB
	bin, dir string
	port     int
	who      *syscall.Credential // nil: the caller
	settings []string

	hold io.Closer // its end stops the server at once
	done chan struct{}
}

// immediately runs a program until its standard input ends, which is when the
// test closes it or dies, and then ends it with SIGQUIT: pg_ctl stop -m immediate.
const immediately = `"$@" </dev/null & pid=$!; cat >/dev/null; kill -QUIT $pid; wait $pid`

// startServer makes a cluster that syncs, and starts it.
func startServer(t testing.TB, settings ...string) *server {
	t.Helper()
	s := place(t, settings)
	s.run("initdb", "-D", s.data(), "-U", "vigil", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync")
	s.start()
	return s
}

// place prepares a directory and a port.
func place(t testing.TB, settings []string) *server {
	t.Helper()
	bin, err := pgtest.BinDir()
	if errors.Is(err, pgtest.ErrNotInstalled) && os.Getenv("CI") != "true" {
		t.Skipf("left out: %v", err)
	} else if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	dir, err := os.MkdirTemp("", "vigil-pg-")
	if err != nil {
		t.Fatal(err)
	}
	s := &server{t: t, bin: bin, dir: dir, port: l.Addr().(*net.TCPAddr).Port, settings: settings}
	if os.Getuid() == 0 { // PostgreSQL does not run as root
		u, err := user.Lookup("postgres")
		if err != nil {
			t.Fatal(err)
		}
		uid, _ := strconv.Atoi(u.Uid)
		gid, _ := strconv.Atoi(u.Gid)
		s.who = &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid), NoSetGroups: true}
		if err := os.Chown(dir, uid, gid); err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(func() {
		s.stop()
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	return s
}

func (s *server) data() string { return filepath.Join(s.dir, "data") }

func (s *server) address() string { return fmt.Sprintf("127.0.0.1:%d", s.port) }

func (s *server) url() string {
	return "postgres://vigil@" + s.address() + "/postgres?sslmode=disable"
}

// run runs one of PostgreSQL's programs to its end.
func (s *server) run(program string, args ...string) {
	s.t.Helper()
	cmd := exec.Command(filepath.Join(s.bin, program), args...)
	cmd.Dir, cmd.SysProcAttr = s.dir, &syscall.SysProcAttr{Credential: s.who}
	if out, err := cmd.CombinedOutput(); err != nil {
		s.t.Fatalf("%s: %v: %s", program, err, out)
	}
}

// start starts the server, and waits until it answers.
func (s *server) start() {
	s.t.Helper()
	args := []string{"-c", immediately, "sh", filepath.Join(s.bin, "postgres"), "-D", s.data(), "-p", strconv.Itoa(s.port)}
	for _, set := range append([]string{"listen_addresses=127.0.0.1", "unix_socket_directories="}, s.settings...) {
		args = append(args, "-c", set)
	}
	cmd := exec.Command("/bin/sh", args...)
	cmd.Dir, cmd.SysProcAttr = s.dir, &syscall.SysProcAttr{Credential: s.who, Setpgid: true}
	hold, err := cmd.StdinPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		s.t.Fatal(err)
	}
	done := make(chan struct{})
	s.hold, s.done = hold, done
	go func() {
		_ = cmd.Wait() // a server that was ended has no good status
		close(done)
	}()
	until(s.t, func() bool {
		conn, err := pgx.Connect(s.t.Context(), s.url())
		if err != nil {
			time.Sleep(10 * time.Millisecond)
			return false
		}
		return conn.Close(s.t.Context()) == nil
	})
}

// stop ends the server as it is, without a checkpoint and without a word to clients.
func (s *server) stop() {
	if s.hold != nil {
		_ = s.hold.Close()
		<-s.done
		s.hold = nil
	}
}

// copied returns another server that begins with what this one has now.
func (s *server) copied() *server {
	s.t.Helper()
	other := place(s.t, s.settings)
	if _, err := os.Stat(filepath.Join(s.bin, "pg_basebackup")); err == nil {
		s.run("pg_basebackup", "-d", s.url(), "-D", other.data(), "-X", "stream", "-c", "fast", "--no-sync")
	} else { // builds of other versions may come without it
		s.copyFiles(other)
	}
	other.start()
	return other
}

// copyFiles does what pg_basebackup does, by the functions for those who copy files.
func (s *server) copyFiles(to *server) {
	s.t.Helper()
	conn := dial(s.t, s.url())
	begin, end := "select pg_backup_start('copy', true)::text", "select labelfile from pg_backup_stop(false)"
	if value(s.t, conn, "select (current_setting('server_version_num')::int < 150000)::text") == "true" {
		begin, end = "select pg_start_backup('copy', true, false)::text", "select labelfile from pg_stop_backup(false, false)"
	}
	value(s.t, conn, begin)
	// A file may go while it is copied; what was in it is in the log that is copied last.
	s.sh(`cp -R "$1" "$2"; rm -f "$2/postmaster.pid"`, s.data(), to.data())
	label := value(s.t, conn, end)
	s.sh(`cp -R "$1/pg_wal/." "$2/pg_wal" && printf %s "$3" >"$2/backup_label"`, s.data(), to.data(), label)
}

// sh runs a script of the shell as the servers' account.
func (s *server) sh(script string, args ...string) {
	s.t.Helper()
	cmd := exec.Command("/bin/sh", append([]string{"-c", script, "sh"}, args...)...)
	cmd.Dir, cmd.SysProcAttr = s.dir, &syscall.SysProcAttr{Credential: s.who}
	if out, err := cmd.CombinedOutput(); err != nil {
		s.t.Fatalf("%s: %v: %s", script, err, out)
	}
}
