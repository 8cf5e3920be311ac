package web

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"
)

// Listen listens on a TCP address such as 127.0.0.1:3000, or on a unix socket,
// written unix:/path, that only the server's own user can connect to.
func Listen(addr string) (net.Listener, error) {
	if path, ok := strings.CutPrefix(addr, "unix:"); ok {
		return listenUnix(path)
	}
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("listen on %s: %w", addr, err)
	}
	return l, nil
}

// unixListener takes its socket away when it closes.
type unixListener struct {
	*net.UnixListener
	path string
	once sync.Once
}

// Close implements net.Listener.
func (l *unixListener) Close() error {
	l.once.Do(func() { _ = os.Remove(l.path) }) // a socket left behind is replaced by the next start
	return l.UnixListener.Close()
}

// listenUnix makes the socket in a directory that nobody else can enter, and
// moves it to its place once its mode is right: at no time can others connect.
func listenUnix(path string) (net.Listener, error) {
	if err := replaceable(path); err != nil {
		return nil, fmt.Errorf("listen on unix:%s: %w", path, err)
	}
	dir, err := os.MkdirTemp(filepath.Dir(path), ".s")
	if err != nil {
		return nil, fmt.Errorf("listen on unix:%s: %w", path, err)
	}
	defer os.RemoveAll(dir)
	aside := filepath.Join(dir, "s")
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: aside, Net: "unix"})
	if err != nil {
		return nil, fmt.Errorf("listen on unix:%s: %w", path, err)
	}
	l.SetUnlinkOnClose(false)
	if err = os.Chmod(aside, 0o600); err == nil {
		err = os.Rename(aside, path)
	}
	if err != nil {
		return nil, fmt.Errorf("listen on unix:%s: %w", path, errors.Join(err, l.Close()))
	}
	return &unixListener{UnixListener: l, path: path}, nil
}

// replaceable refuses a path that is in use or not a socket.
func replaceable(path string) error {
	fi, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if fi.Mode().Type() != fs.ModeSocket {
		return errors.New("there is a file that is no socket; move it away")
	}
	c, err := net.DialTimeout("unix", path, time.Second)
	if err == nil {
		return errors.Join(errors.New("another process serves it; stop that one first"), c.Close())
	}
	return nil
}
