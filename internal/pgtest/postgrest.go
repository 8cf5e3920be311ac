package pgtest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"syscall"

	"vigil/internal/freeport"
)

// Server is a running PostgREST.
type Server struct {
	URL string // http://127.0.0.1:PORT
	Log string // file with its messages

	proc *process
}

// StartPostgREST starts PostgREST over the database at dbURI and waits until
// it is ready. It serves the schema api to the role web_anon unless env, in
// PostgREST's PGRST_ names, says otherwise.
func StartPostgREST(dbURI string, env map[string]string) (*Server, error) {
	program, err := findPostgREST()
	if err != nil {
		return nil, err
	}
	who, err := unprivileged()
	if err != nil {
		return nil, err
	}
	dir, err := who.own("")
	if err != nil {
		return nil, err
	}
	s, err := startPostgREST(dir, program, who, dbURI, env)
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	return s, nil
}

func startPostgREST(dir, program string, who *account, dbURI string, env map[string]string) (*Server, error) {
	if who != nil { // the tools' folder need not be open to others
		copied := filepath.Join(dir, "postgrest")
		if err := copyFile(copied, program); err != nil {
			return nil, err
		}
		program = copied
	}
	port, err1 := freeport.Find()
	admin, err2 := freeport.Find()
	if err := errors.Join(err1, err2); err != nil {
		return nil, err
	}
	settings := map[string]string{
		"PGRST_DB_URI":            dbURI,
		"PGRST_DB_SCHEMAS":        "api",
		"PGRST_DB_ANON_ROLE":      "web_anon",
		"PGRST_SERVER_HOST":       "127.0.0.1",
		"PGRST_SERVER_PORT":       strconv.Itoa(port),
		"PGRST_ADMIN_SERVER_PORT": strconv.Itoa(admin),
		"PGRST_LOG_LEVEL":         "crit",
	}
	maps.Copy(settings, env)
	environ := baseEnv()
	for k, v := range settings {
		environ = append(environ, k+"="+v)
	}
	s := &Server{URL: "http://127.0.0.1:" + settings["PGRST_SERVER_PORT"], Log: filepath.Join(dir, "log")}
	var err error
	if s.proc, err = spawn(dir, who, s.Log, environ, []string{program}); err != nil {
		return nil, err
	}
	if err := s.ready(settings["PGRST_ADMIN_SERVER_PORT"]); err != nil {
		log, _ := os.ReadFile(s.Log)
		return nil, errors.Join(fmt.Errorf("start PostgREST: %w: %s", err, log), s.Stop())
	}
	return s, nil
}

// ready waits until the schema is loaded.
func (s *Server) ready(adminPort string) error {
	return wait(s.proc, func(ctx context.Context) error {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://127.0.0.1:"+adminPort+"/ready", nil)
		if err != nil {
			return err
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			return err
		}
		defer resp.Body.Close()
		if resp.StatusCode != http.StatusOK {
			return fmt.Errorf("ready: %s", resp.Status)
		}
		return nil
	})
}

// Stop ends the server.
func (s *Server) Stop() error { return s.proc.stop() }

// findPostgREST looks for the program at $POSTGREST, else at .tools/postgrest
// in the module that the working directory is in.
func findPostgREST() (string, error) {
	if p := os.Getenv("POSTGREST"); p != "" {
		if _, err := os.Stat(p); err != nil {
			return "", fmt.Errorf("POSTGREST: %w", err)
		}
		return filepath.Abs(p)
	}
	dir, err := os.Getwd()
	if err != nil {
		return "", fmt.Errorf("find PostgREST: %w", err)
	}
	for {
		p := filepath.Join(dir, ".tools", "postgrest")
		if fi, err := os.Stat(p); err == nil && fi.Mode().IsRegular() {
			return p, nil
		}
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil || dir == filepath.Dir(dir) {
			return "", fmt.Errorf("PostgREST 12.0.2 (`make tools` gets it, or set POSTGREST): %w", ErrNotInstalled)
		}
		dir = filepath.Dir(dir)
	}
}

// baseEnv is the environment of the programs: nothing of ours that changes them.
func baseEnv() []string {
	return []string{"PATH=" + os.Getenv("PATH"), "LC_ALL=C", "TZ=UTC"}
}

func sysProcAttr(who *account) *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Credential: who.credential()}
}

func copyFile(to, from string) (err error) {
	in, err := os.Open(from)
	if err != nil {
		return fmt.Errorf("copy program: %w", err)
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_CREATE|os.O_WRONLY|os.O_EXCL, 0o755)
	if err != nil {
		return fmt.Errorf("copy program: %w", err)
	}
	defer func() { err = errors.Join(err, out.Close()) }()
	if _, err := io.Copy(out, in); err != nil {
		return fmt.Errorf("copy program: %w", err)
	}
	return nil
}
