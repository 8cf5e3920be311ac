package bench

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"vigil/internal/freeport"
)

// Secret signs the tokens of both servers in a measurement.
const Secret = "bench-secret-of-no-use-elsewhere-0123456789"

// Vigil is a server process under measurement.
type Vigil struct {
	Binary string
	Dir    string // the store's directory, or that of what lies outside of Store
	Store  string // address of a database; empty is Dir
	Addr   string
	Admin  string
	Args   []string // the command and its flags; empty is serve
	Env    []string // beyond what every server gets
	cmd    *exec.Cmd
}

// NewVigil chooses free ports for a server over dir.
func NewVigil(binary, dir string) (*Vigil, error) {
	addr, err := freeport.Addr()
	if err != nil {
		return nil, err
	}
	admin, err := freeport.Addr()
	if err != nil {
		return nil, err
	}
	return &Vigil{Binary: binary, Dir: dir, Addr: addr, Admin: admin}, nil
}

// Start starts the server and returns how long it took until it was ready.
func (v *Vigil) Start(ctx context.Context) (time.Duration, error) {
	store := []string{"VIGIL_STORE=dir:" + v.Dir}
	if v.Store != "" {
		store = []string{"VIGIL_STORE=" + v.Store, "VIGIL_POSTGRES_MIGRATE=true", "VIGIL_STATE_DIR=" + v.Dir}
	}
	args := v.Args
	if args == nil {
		args = []string{"serve", "--listen", v.Addr}
	}
	v.cmd = exec.CommandContext(ctx, v.Binary, append(slices.Clip(args), "--admin", v.Admin)...)
	v.cmd.Env = append(append(os.Environ(), "PGRST_JWT_SECRET="+Secret, "PGRST_DB_ANON_ROLE=web_anon", "VIGIL_LOG_LEVEL=error"), store...)
	v.cmd.Env = append(v.cmd.Env, v.Env...)
	v.cmd.Dir = filepath.Dir(v.Dir)
	var out strings.Builder
	v.cmd.Stderr = &out
	start := time.Now()
	if err := v.cmd.Start(); err != nil {
		return 0, err
	}
	for time.Since(start) < time.Minute {
		resp, err := http.Get("http://" + v.Admin + "/ready")
		if err == nil {
			resp.Body.Close()
			if resp.StatusCode == http.StatusOK {
				return time.Since(start), nil
			}
		}
		time.Sleep(2 * time.Millisecond)
	}
	v.Kill()
	return 0, fmt.Errorf("vigil was not ready within a minute: %s", out.String())
}

// Stop ends the server with SIGTERM and waits for it.
func (v *Vigil) Stop() error {
	if err := v.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	return v.cmd.Wait()
}

// Kill ends the server with SIGKILL.
func (v *Vigil) Kill() {
	_ = v.cmd.Process.Kill() // it may be gone
	_ = v.cmd.Wait()         // a killed process has no good status
}

// Memory returns the resident set now and its highest value since the last
// ResetPeak, in bytes.
func (v *Vigil) Memory() (now, peak int64, err error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", v.cmd.Process.Pid))
	if err != nil {
		return 0, 0, err
	}
	for line := range strings.Lines(string(b)) {
		name, value, _ := strings.Cut(line, ":")
		kb, _ := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(value), " kB"), 10, 64)
		switch name {
		case "VmRSS":
			now = kb << 10
		case "VmHWM":
			peak = kb << 10
		}
	}
	if now == 0 {
		return 0, 0, errors.New("the kernel tells no VmRSS")
	}
	return now, peak, nil
}

// ResetPeak makes the kernel forget the highest resident set.
func (v *Vigil) ResetPeak() error {
	return os.WriteFile(fmt.Sprintf("/proc/%d/clear_refs", v.cmd.Process.Pid), []byte("5"), 0o200)
}

// Disk returns the bytes of the store's files, without the journal.
func (v *Vigil) Disk() (int64, error) {
	var sum int64
	err := filepath.WalkDir(v.Dir, func(path string, d fs.DirEntry, err error) error {
		switch {
		case errors.Is(err, fs.ErrNotExist): // sealed or merged away under the walk
			return nil
		case err != nil:
			return err
		case d.IsDir() && d.Name() == "journal":
			return fs.SkipDir
		case !d.Type().IsRegular():
			return nil
		}
		info, err := d.Info()
		if err != nil {
			return nil
		}
		sum += info.Size()
		return nil
	})
	return sum, err
}
