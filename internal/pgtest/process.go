package pgtest

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"
	"time"
)

// keeper runs "$@" until its standard input ends, which it does when we close
// it or die; then it stops the program (SIGINT is PostgreSQL's fast shutdown)
// and removes the directory. It ignores the terminal's signals so that it can.
const keeper = `trap "" INT TERM HUP
dir=$1; shift
( trap - INT TERM HUP; exec "$@" </dev/null ) &
pid=$!
( while read -r _; do :; done )
kill -INT $pid 2>/dev/null
( sleep 5; kill -KILL $pid ) >/dev/null 2>&1 &
late=$!
wait $pid 2>/dev/null
kill -KILL $late 2>/dev/null
rm -rf "$dir"`

// process is a program under a keeper.
type process struct {
	cmd  *exec.Cmd
	dir  string
	hold io.WriteCloser // the keeper's standard input
	done chan struct{}
}

// spawn starts the program args with the environment env, its output going to
// the file log. Dir is removed when the process stops.
func spawn(dir string, who *account, log string, env, args []string) (*process, error) {
	out, err := os.OpenFile(log, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o644)
	if err != nil {
		return nil, fmt.Errorf("open log: %w", err)
	}
	defer out.Close()
	cmd := exec.Command("/bin/sh", append([]string{"-c", keeper, "sh", dir}, args...)...)
	// A group of its own keeps ^C at the terminal from the programs: the keeper stops them.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Credential: who.credential()}
	cmd.Dir, cmd.Env, cmd.Stdout, cmd.Stderr = dir, env, out, out
	hold, err := cmd.StdinPipe()
	if err != nil {
		return nil, fmt.Errorf("open pipe: %w", err)
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", args[0], err)
	}
	p := &process{cmd: cmd, dir: dir, hold: hold, done: make(chan struct{})}
	go func() {
		_ = cmd.Wait() // the keeper's exit code says nothing
		close(p.done)
	}()
	return p, nil
}

// stop ends the program and waits until its files are gone.
func (p *process) stop() error {
	_ = p.hold.Close() // the second close of a second stop is harmless
	select {
	case <-p.done:
	case <-time.After(15 * time.Second):
		_ = syscall.Kill(-p.cmd.Process.Pid, syscall.SIGKILL)
		<-p.done
		return errors.New("the program did not stop and was killed")
	}
	// The keeper may not remove the directory itself from a folder of ours.
	return os.RemoveAll(p.dir)
}

// account is who the programs run as; nil is the caller.
type account struct{ uid, gid uint32 }

// unprivileged returns the account to use: the caller's, or for root that of
// postgres or nobody.
func unprivileged() (*account, error) {
	if os.Getuid() != 0 {
		return nil, nil
	}
	for _, name := range []string{"postgres", "nobody"} {
		u, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, err1 := strconv.ParseUint(u.Uid, 10, 32)
		gid, err2 := strconv.ParseUint(u.Gid, 10, 32)
		if err := errors.Join(err1, err2); err != nil {
			return nil, fmt.Errorf("look up user %s: %w", name, err)
		}
		return &account{uint32(uid), uint32(gid)}, nil
	}
	return nil, errors.New("PostgreSQL does not run as root: add a user postgres or nobody")
}

func (a *account) credential() *syscall.Credential {
	if a == nil {
		return nil
	}
	return &syscall.Credential{Uid: a.uid, Gid: a.gid, NoSetGroups: true}
}

// own makes dir, empty for a new temporary one, and gives it to the account.
func (a *account) own(dir string) (string, error) {
	var err error
	if dir == "" {
		dir, err = os.MkdirTemp("", "vigil-pg-")
	} else {
		err = os.MkdirAll(dir, 0o700)
	}
	if err != nil {
		return "", fmt.Errorf("make directory: %w", err)
	}
	if dir, err = filepath.Abs(dir); err != nil {
		return "", fmt.Errorf("make directory: %w", err)
	}
	if a != nil {
		if err := os.Chown(dir, int(a.uid), int(a.gid)); err != nil {
			return "", fmt.Errorf("give directory away: %w", err)
		}
	}
	return dir, nil
}
