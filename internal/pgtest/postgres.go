package pgtest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"time"

	"vigil/internal/freeport"

	"github.com/jackc/pgx/v5"
)

// binVariable names the environment variable with the directory of the programs of
// another PostgreSQL than this machine's, which all tests are run with then.
const binVariable = "POSTGRES_BIN"

// ErrNotInstalled says that a program which is needed is not on this machine.
var ErrNotInstalled = errors.New("not installed")

// Options are how a cluster is started. The zero value is right for tests.
type Options struct {
	// Fsync makes commits durable, as benchmarks need it to be.
	Fsync bool
	// Settings are further settings of postgresql.conf.
	Settings map[string]string
}

// Cluster is a running PostgreSQL with encoding UTF8, collation C, time zone
// UTC and the text search configuration simple. Whoever reaches its port is
// its superuser.
type Cluster struct {
	Port   int
	Socket string // directory of its Unix socket, empty where the path is too long for one
	Log    string // file with its messages

	proc *process
}

// Start makes a cluster in dir, which must be empty or absent, and waits until
// it answers. The directory is removed by Stop and when this process ends. An
// empty dir is a new temporary one.
func Start(dir string, o Options) (*Cluster, error) {
	bin, err := BinDir()
	if err != nil {
		return nil, err
	}
	who, err := unprivileged()
	if err != nil {
		return nil, err
	}
	if dir, err = who.own(dir); err != nil {
		return nil, err
	}
	data := filepath.Join(dir, "data")
	initdb := exec.Command(filepath.Join(bin, "initdb"), "-D", data, "-U", "vigil", "-A", "trust",
		"-E", "UTF8", "--locale=C", "--no-sync")
	initdb.SysProcAttr = sysProcAttr(who)
	initdb.Dir, initdb.Env = dir, baseEnv()
	if out, err := initdb.CombinedOutput(); err != nil {
		_ = os.RemoveAll(dir)
		return nil, fmt.Errorf("initdb: %w: %s", err, out)
	}
	c, err := run(dir, filepath.Join(bin, "postgres"), who, o)
	if err != nil {
		_ = os.RemoveAll(dir)
		return nil, err
	}
	return c, nil
}

func run(dir, postgres string, who *account, o Options) (*Cluster, error) {
	port, err := freeport.Find()
	if err != nil {
		return nil, err
	}
	c := &Cluster{Port: port, Socket: dir, Log: filepath.Join(dir, "log")}
	// sockaddr_un has room for 107 bytes.
	if len(filepath.Join(dir, ".s.PGSQL.65535.lock")) > 107 {
		c.Socket = ""
	}
	args := []string{postgres, "-D", filepath.Join(dir, "data")}
	set := func(k, v string) { args = append(args, "-c", k+"="+v) }
	set("listen_addresses", "127.0.0.1")
	set("port", strconv.Itoa(port))
	set("unix_socket_directories", c.Socket)
	set("timezone", "UTC")
	set("log_timezone", "UTC")
	set("default_text_search_config", "pg_catalog.simple")
	set("max_connections", "200")
	if !o.Fsync {
		set("fsync", "off")
		set("synchronous_commit", "off")
		set("full_page_writes", "off")
	}
	for k, v := range o.Settings {
		set(k, v)
	}
	if c.proc, err = spawn(dir, who, c.Log, baseEnv(), args); err != nil {
		return nil, err
	}
	if err := c.ready(); err != nil {
		log, _ := os.ReadFile(c.Log)
		return nil, errors.Join(fmt.Errorf("start PostgreSQL: %w: %s", err, log), c.Stop())
	}
	return c, nil
}

// ready waits until the cluster answers.
func (c *Cluster) ready() error {
	return wait(c.proc, func(ctx context.Context) error {
		conn, err := pgx.Connect(ctx, c.URI("postgres"))
		if err != nil {
			return err
		}
		return conn.Close(ctx)
	})
}

// wait calls try until it succeeds, the program ends, or 30 s have gone by.
func wait(p *process, try func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		err := try(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-p.done:
			return errors.New("it ended")
		case <-ctx.Done():
			return err
		case <-tick.C:
		}
	}
}

// URI returns the address of a database of the cluster, over TCP.
func (c *Cluster) URI(database string) string {
	return fmt.Sprintf("postgres://vigil@127.0.0.1:%d/%s?sslmode=disable", c.Port, database)
}

// CreateDatabase makes an empty database.
func (c *Cluster) CreateDatabase(ctx context.Context, name string) error {
	return Exec(ctx, c.URI("postgres"), "create database "+pgx.Identifier{name}.Sanitize())
}

// Stop ends the cluster and removes its files.
func (c *Cluster) Stop() error { return c.proc.stop() }

// Exec runs a script of SQL statements, in one transaction unless it says
// otherwise, in the database at uri.
func Exec(ctx context.Context, uri, script string) (err error) {
	conn, err := pgx.Connect(ctx, uri)
	if err != nil {
		return fmt.Errorf("connect: %w", err)
	}
	defer func() { err = errors.Join(err, conn.Close(ctx)) }()
	if _, err := conn.PgConn().Exec(ctx, script).ReadAll(); err != nil {
		return fmt.Errorf("run script: %w", err)
	}
	return nil
}

// EndSessions returns a statement that ends the sessions of which, a condition on
// pg_stat_activity, other than its own, and waits until they are gone, for five
// seconds at most: pg_terminate_backend does not wait before PostgreSQL 14.
func EndSessions(which string) (script string) {
	return `do $end$
		declare pids integer[] := array(select pid from pg_stat_activity where pid <> pg_backend_pid() and (` + which + `));
		begin
			perform pg_terminate_backend(p) from unnest(pids) p;
			for i in 1..500 loop
				perform pg_stat_clear_snapshot();
				exit when not exists (select from pg_stat_activity where pid = any(pids));
				perform pg_sleep(0.01);
			end loop;
		end $end$`
}

// BinDir finds the directory of PostgreSQL's server programs: what the variable
// POSTGRES_BIN names, else Debian's place of PostgreSQL 15, the PATH, or where
// pg_config says. The directory that is named must be open to the account that
// servers run as, and may have no more than initdb and postgres.
func BinDir() (string, error) {
	if d := os.Getenv(binVariable); d != "" {
		if _, err := os.Stat(filepath.Join(d, "initdb")); err != nil {
			return "", fmt.Errorf("%s: %w", binVariable, err)
		}
		return filepath.Abs(d)
	}
	dirs := []string{"/usr/lib/postgresql/15/bin"}
	if p, err := exec.LookPath("initdb"); err == nil {
		dirs = append(dirs, filepath.Dir(p))
	}
	if out, err := exec.Command("pg_config", "--bindir").Output(); err == nil {
		dirs = append(dirs, string(out[:max(0, len(out)-1)]))
	}
	for _, d := range dirs {
		if _, err := os.Stat(filepath.Join(d, "initdb")); err == nil {
			return d, nil
		}
	}
	return "", fmt.Errorf("PostgreSQL 15's initdb: %w", ErrNotInstalled)
}
