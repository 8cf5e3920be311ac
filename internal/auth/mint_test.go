package auth

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

// TestMintAsLogserver makes the token that logserver's own clients were seen to
// send; their secret is 32 letters x.
func TestMintAsLogserver(t *testing.T) {
	files, err := filepath.Glob("../../../shared/data/logserver/captured/*.http")
	if err != nil {
		t.Fatal(err)
	}
	if len(files) == 0 {
		t.Skip("the captured requests are not beside this checkout")
	}
	key := strings.Repeat("x", 32)
	want, err := Mint(key, "event_logger", time.Time{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	a := mustNew(t, Config{Secrets: []string{key}})
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		m := regexp.MustCompile(`(?im)^authorization: (Bearer (.*?))\r?$`).FindSubmatch(b)
		if m == nil || string(m[2]) != want {
			t.Errorf("%s: sent %s, minted %s", f, m[2], want)
			continue
		}
		if got := outcome(a.Authenticate(request(string(m[1])))); got != "role event_logger" {
			t.Errorf("%s: %s", f, got)
		}
	}
}

func TestMintAsPyJWT(t *testing.T) {
	var py pyjwt
	readJSON(t, "testdata/pyjwt.json", &py)
	if len(py.Mint) < 4 {
		t.Fatal("too few tokens")
	}
	for _, m := range py.Mint {
		var expires time.Time
		extra := map[string]any{}
		for k, v := range m.Claims {
			switch k {
			case "role":
			case "exp":
				expires = time.Unix(int64(v.(float64)), 0)
			default:
				extra[k] = v
			}
		}
		got, err := Mint(py.Secret, m.Claims["role"].(string), expires, extra)
		if err != nil || got != m.Token {
			t.Errorf("%v:\n got %s, %v\nwant %s", m.Claims, got, err, m.Token)
		}
	}
}

func TestMintRefuses(t *testing.T) {
	if _, err := Mint("short", "admin", time.Time{}, nil); err == nil || strings.Contains(err.Error(), `short"`) {
		t.Errorf("got %v", err)
	}
	if _, err := Mint(secret, "admin", time.Time{}, map[string]any{"role": "x"}); err == nil {
		t.Error("two roles: no error")
	}
	if _, err := Mint(secret, "admin", time.Unix(1, 0), map[string]any{"exp": 2}); err == nil {
		t.Error("two ends: no error")
	}
	if _, err := Mint(secret, "admin", time.Time{}, map[string]any{"f": func() {}}); err == nil {
		t.Error("a claim that is no JSON: no error")
	}
}

func FuzzToken(f *testing.F) {
	for _, s := range []string{
		raw(f, `{"alg":"HS256","typ":"JWT"}`, `{"role":"admin","aud":["a"],"exp":1.5}`, secret),
		raw(f, `{"alg":"HS256","kid":"k"}`, `{"role":["nope","admin"],"scope":"system/*.*"}`, secret),
		"a.b.c", "..", "",
	} {
		f.Add(s)
	}
	a := mustNew(f, Config{Secrets: []string{secret}, AnonRole: "web_anon"})
	f.Fuzz(func(t *testing.T, s string) {
		// The machine that mutates does not know the secret: what comes through
		// has the one signature that fits.
		p, err := a.Authenticate(request("Bearer " + s))
		if (p == nil) == (err == nil) {
			t.Fatalf("%v, %v", p, err)
		}
		if err != nil {
			if got := outcome(nil, err); strings.HasPrefix(got, "n") || !utf8.ValidString(got) {
				t.Fatalf("%q: %s", s, got)
			}
			if !strings.HasPrefix(Challenge(err), "Bearer") || strings.ContainsAny(Challenge(err), "\r\n") {
				t.Fatalf("%q: challenge %q", s, Challenge(err))
			}
		}
	})
}

// FuzzClaims gives claims of any kind the right signature.
func FuzzClaims(f *testing.F) {
	for _, s := range []string{`{"role":"admin"}`, `{"exp":1e10,"aud":["x"],"role":[["a"],null]}`, `{"scope":["system/AuditEvent.cruds"]}`, `{"a":{"a":{}}}`} {
		f.Add(s)
	}
	a := mustNew(f, Config{Secrets: []string{secret}})
	f.Fuzz(func(t *testing.T, s string) {
		p, err := a.Authenticate(request("Bearer " + raw(t, `{"alg":"HS256"}`, s, secret)))
		if err != nil {
			if got := outcome(nil, err); strings.HasPrefix(got, "n") {
				t.Fatalf("%q: %s", s, got)
			}
			return
		}
		if !json.Valid([]byte(s)) {
			t.Fatalf("%q is taken for JSON", s)
		}
		if _, scope := smart(p.Scopes); !a.Grants().Known(p.Role) && p.Role != scope {
			t.Fatalf("%q: role %q", s, p.Role)
		}
	})
}
