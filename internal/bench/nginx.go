package bench

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"vigil/internal/freeport"
)

// nginxConf is nginx as who knows it would set it up for such an upstream: it
// keeps connections, streams uploads and writes its usual access log.
const nginxConf = `
daemon off;
worker_processes auto;
pid %[1]s/nginx.pid;
error_log %[1]s/error.log;
events { worker_connections 1024; }
http {
  access_log %[1]s/access.log;
  client_body_temp_path %[1]s/body;
  proxy_temp_path %[1]s/proxy;
  fastcgi_temp_path %[1]s/fastcgi;
  uwsgi_temp_path %[1]s/uwsgi;
  scgi_temp_path %[1]s/scgi;
  keepalive_requests 1000000000;
  client_max_body_size 0;
  upstream fhir { server %[3]s; keepalive 128; keepalive_requests 1000000000; }
  server {
    listen %[2]s;
    location / {
      proxy_pass http://fhir;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_set_header Host $http_host;
      proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
      proxy_set_header X-Forwarded-Host $http_host;
      proxy_set_header X-Forwarded-Proto $scheme;
      proxy_request_buffering off;
    }
  }
}
`

// Process is a peer that runs beside us.
type Process struct {
	Addr string
	cmd  *exec.Cmd
	out  strings.Builder
}

// StartNginx starts nginx before the server at upstream, HOST:PORT, with its
// files in dir. The error is an [exec.ErrNotFound] where there is none.
func StartNginx(ctx context.Context, dir, upstream string) (*Process, error) {
	path, err := exec.LookPath("nginx")
	if err != nil {
		// A user's path often lacks where Debian puts it.
		if path, err = exec.LookPath("/usr/sbin/nginx"); err != nil {
			return nil, exec.ErrNotFound
		}
	}
	addr, err := freeport.Addr()
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	conf := filepath.Join(dir, "nginx.conf")
	if err := os.WriteFile(conf, fmt.Appendf(nil, nginxConf, dir, addr, upstream), 0o644); err != nil {
		return nil, err
	}
	return StartProcess(ctx, addr, path, "-p", dir, "-e", filepath.Join(dir, "error.log"), "-c", conf)
}

// StartProcess starts a program and waits until it listens at addr.
func StartProcess(ctx context.Context, addr, program string, args ...string) (*Process, error) {
	p := &Process{Addr: addr, cmd: exec.CommandContext(ctx, program, args...)}
	p.cmd.Stderr = &p.out
	// SIGKILL would leave nginx's workers behind.
	p.cmd.Cancel = func() error { return p.cmd.Process.Signal(syscall.SIGTERM) }
	p.cmd.WaitDelay = 5 * time.Second
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	for range 500 {
		conn, err := net.Dial("tcp", addr)
		if err == nil {
			return p, conn.Close()
		}
		time.Sleep(10 * time.Millisecond)
	}
	_ = p.cmd.Process.Kill()
	_ = p.cmd.Wait()
	return nil, fmt.Errorf("%s did not listen: %s", program, p.out.String())
}

// Stop ends the program with SIGTERM, which takes nginx's workers along.
func (p *Process) Stop() error {
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	err := p.cmd.Wait()
	if exit, ok := errors.AsType[*exec.ExitError](err); ok && killedBy(exit, syscall.SIGTERM) {
		return nil
	}
	return err
}

func killedBy(exit *exec.ExitError, s syscall.Signal) bool {
	status, ok := exit.Sys().(syscall.WaitStatus)
	return ok && status.Signaled() && status.Signal() == s
}
