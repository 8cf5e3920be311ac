package config_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"vigil/internal/config"
)

const root = "../../"

func read(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile(root + name)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// TestCompose expects compose.yaml to name settings that there are, and to run
// Vigil with no more rights than it needs.
func TestCompose(t *testing.T) {
	var compose struct {
		Services map[string]struct {
			Environment map[string]string
			Ports       []string
			Volumes     []string
			Healthcheck struct{ Test []string }
			ReadOnly    bool     `yaml:"read_only"`
			CapDrop     []string `yaml:"cap_drop"`
		}
		Volumes map[string]any
	}
	if err := yaml.Unmarshal([]byte(read(t, "compose.yaml")), &compose); err != nil {
		t.Fatal(err)
	}
	s, ok := compose.Services["vigil"]
	if !ok || len(compose.Services) != 1 {
		t.Fatalf("services %v", compose.Services)
	}
	if !s.ReadOnly || len(s.CapDrop) != 1 || s.CapDrop[0] != "ALL" || len(s.Healthcheck.Test) < 2 {
		t.Errorf("%+v", s)
	}
	for _, v := range s.Volumes {
		name, _, _ := strings.Cut(v, ":")
		if _, ok := compose.Volumes[name]; !ok {
			t.Errorf("volume %s is not named", name)
		}
	}
	var env []string
	for k, v := range s.Environment {
		env = append(env, k+"="+interpolate(v, map[string]string{"PGRST_JWT_SECRET": strings.Repeat("s", 32)}))
	}
	c, err := config.Load(nil, env, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	_, port, _ := strings.Cut(interpolate(s.Ports[0], nil), ":")
	if c.Listen != "0.0.0.0:"+port || c.Auth.AnonRole != "web_anon" || len(c.Auth.Secrets) != 1 {
		t.Errorf("listen %s on port %s, %+v", c.Listen, port, c.Auth)
	}
	mounted := false
	for _, v := range s.Volumes {
		_, dir, _ := strings.Cut(v, ":")
		mounted = mounted || strings.HasPrefix(c.Store, "dir:"+dir+"/")
	}
	if !mounted {
		t.Errorf("%s is on no volume", c.Store)
	}
}

// TestComposeLogserver expects the files with logserver's names to have these
// names, and to run Vigil on the database that they make.
func TestComposeLogserver(t *testing.T) {
	var compose struct {
		Services map[string]struct {
			Image       string
			Environment map[string]string
			Ports       []string
			Volumes     []string
			ReadOnly    bool `yaml:"read_only"`
		}
		Volumes map[string]any
	}
	for _, name := range []string{"docker-compose.yaml", "docker-compose.expose.yaml"} {
		if err := yaml.Unmarshal([]byte(read(t, name)), &compose); err != nil {
			t.Fatal(err)
		}
		if name == "docker-compose.expose.yaml" {
			continue
		}
		var env []string
		for k, v := range compose.Services["postgrest"].Environment {
			env = append(env, k+"="+interpolate(v, map[string]string{"PGRST_JWT_SECRET": strings.Repeat("s", 32)}))
		}
		c, err := config.Load(nil, env, t.TempDir())
		if err != nil {
			t.Fatal(err)
		}
		db := compose.Services["postgres"]
		password := interpolate(db.Environment["POSTGRES_PASSWORD"], nil)
		if want := "postgres://" + db.Environment["POSTGRES_USER"] + ":" + password + "@postgres:5432/" + db.Environment["POSTGRES_DB"]; c.Store != want || want != "postgres://app_user:secret@postgres:5432/app_db" {
			t.Errorf("store %s, the database is %s", c.Store, want)
		}
		if !c.Postgres.Migrate || c.Auth.AnonRole != "web_anon" || !compose.Services["postgrest"].ReadOnly || !strings.HasPrefix(db.Image, "postgres:") {
			t.Errorf("%+v", c.Postgres)
		}
		for _, at := range []string{c.Postgres.StateDir, c.Guard} {
			if !slices.ContainsFunc(compose.Services["postgrest"].Volumes, func(v string) bool { return strings.HasSuffix(v, ":"+at) }) {
				t.Errorf("%s is on no volume", at)
			}
		}
	}
	if p := compose.Services["postgrest"].Ports; len(p) != 1 || interpolate(p[0], nil) != "3000:3000" {
		t.Errorf("ports %v", p)
	}
}

// interpolate does what docker compose does with ${NAME:-default}, ${NAME-default}
// and ${NAME:?message}.
func interpolate(s string, vars map[string]string) string {
	return regexp.MustCompile(`\$\{([A-Z_]+)(:?[-?])([^}]*)\}`).ReplaceAllStringFunc(s, func(m string) string {
		p := regexp.MustCompile(`\$\{([A-Z_]+)(:?[-?])([^}]*)\}`).FindStringSubmatch(m)
		if v, ok := vars[p[1]]; ok {
			return v
		}
		return p[3]
	})
}

// TestDefaultEnv expects default.env to be accepted as it is, and once filled in.
func TestDefaultEnv(t *testing.T) {
	env := read(t, "default.env")
	c := load(t, nil, nil, map[string]string{".env": env})
	if len(c.Auth.Secrets) != 0 || c.Listen != "127.0.0.1:3000" || len(c.Warnings) != 0 {
		t.Errorf("listen %s, warnings %v", c.Listen, c.Warnings)
	}
	secret := strings.Repeat("s", 32)
	c = load(t, nil, nil, map[string]string{".env": strings.Replace(env, "PGRST_JWT_SECRET=", "PGRST_JWT_SECRET="+secret, 1)})
	if len(c.Auth.Secrets) != 1 || c.Auth.Secrets[0] != secret {
		t.Error("the secret is not read")
	}
}

// TestUnit expects the settings of vigil.service and of the Dockerfile to be some
// that there are.
func TestUnit(t *testing.T) {
	for name, line := range map[string]string{
		"packaging/vigil.service": `(?m)^Environment=(VIGIL_\S+)$`,
		"Dockerfile":              `(?m)^\s*(?:ENV )?\s*(VIGIL_[A-Z_]+=\S+)`,
	} {
		var env []string
		for _, m := range regexp.MustCompile(line).FindAllStringSubmatch(read(t, name), -1) {
			env = append(env, m[1])
		}
		if len(env) < 3 {
			t.Errorf("%s: settings %v", name, env)
		}
		if _, err := config.Load(nil, env, t.TempDir()); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestGenerateJWT runs generate_JWT.py on the spellings of a secret that Vigil
// takes, and expects the token that logserver's own script makes.
func TestGenerateJWT(t *testing.T) {
	python, err := exec.LookPath("python3")
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal(err)
		}
		t.Skip("generate_JWT.py is not tested: there is no python3")
	}
	script := t.TempDir() + "/generate_JWT.py" // beside no .env
	if err := os.WriteFile(script, []byte(read(t, "generate_JWT.py")), 0o600); err != nil {
		t.Fatal(err)
	}
	const secret = "an/invented+secret#of=32 characters or more=="
	const signed = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJyb2xlIjoiZXZlbnRfbG9nZ2VyIn0"
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte(signed))
	want := signed + "." + base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
	for name, c := range map[string]struct{ env, dotenv string }{
		"environment": {"PGRST_JWT_SECRET=" + secret, "PGRST_JWT_SECRET=another"},
		"file":        {"PGRST_JWT_SECRET=", "A=1\nPGRST_JWT_SECRET=" + secret + "\n"},
		"colon":       {"X=", "PGRST_JWT_SECRET: " + secret + "\n"},
		"quotes":      {"X=", `export PGRST_JWT_SECRET="` + secret + `" # ours`},
		"comment":     {"X=", "VIGIL_JWT_SECRET=" + secret + "  # ours"},
	} {
		cmd := exec.Command(python, script)
		cmd.Dir = dir(t, map[string]string{".env": c.dotenv})
		cmd.Env = []string{c.env, "PATH=" + os.Getenv("PATH")}
		out, err := cmd.Output()
		if err != nil || strings.TrimSpace(string(out)) != want {
			t.Errorf("%s: %s, %v", name, out, err)
		}
		// What the script reads, Vigil reads.
		got, err := config.Load(nil, cmd.Env, cmd.Dir)
		if err != nil || len(got.Auth.Secrets) == 0 || got.Auth.Secrets[0] != secret {
			t.Errorf("%s: Vigil reads another secret, %v", name, err)
		}
	}
	cmd := exec.Command(python, script)
	cmd.Dir, cmd.Env = t.TempDir(), []string{"PGRST_JWT_SECRET=short"}
	if out, err := cmd.CombinedOutput(); err == nil || strings.Contains(string(out), "Traceback") {
		t.Errorf("a short secret: %s, %v", out, err)
	}
}
