package main

import (
	"bufio"
	"bytes"
	"fmt"
	"net"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/alecthomas/kong"
	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func TestRewrite(t *testing.T) {
	parser, err := kong.New(&cli{}, kong.Vars{"version": ""})
	if err != nil {
		t.Fatal(err)
	}
	for in, want := range map[string]string{
		"":                                    "",
		"help":                                "--help",
		"help serve":                          "serve --help",
		"serve --tls-cert a --tls-key=b=c":    "serve --set tls-cert=a --set tls-key=b=c",
		"serve --listen x --store dir:s":      "serve --listen x --store dir:s",
		"serve --nonsense x --set zone=UTC":   "serve --nonsense x --set zone=UTC",
		"serve --tls-cert":                    "serve --tls-cert",
		"token --listen x --role r":           "token --set listen=x --role r",
		"query -- --listen x":                 "query -- --listen x",
		"version --listen x":                  "version --listen x",
		"health --admin off --log-level=warn": "health --admin off --set log-level=warn",
	} {
		if d := cmp.Diff(strings.Fields(want), append([]string{}, rewrite(parser, strings.Fields(in))...)); d != "" {
			t.Errorf("%s: -want +got\n%s", in, d)
		}
	}
}

// TestQuote asks a shell what the words are.
func TestQuote(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		s := rapid.StringMatching(`[ -~é\n\t]{0,12}`).Draw(rt, "s")
		out, err := exec.CommandContext(t.Context(), "sh", "-c", "printf %s "+quote(s)).Output()
		if err != nil || string(out) != s {
			rt.Fatalf("%q is quoted as %s: %q, %v", s, quote(s), out, err)
		}
	})
}

func TestLifetime(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"7d": 7 * 24 * time.Hour, "24h": 24 * time.Hour, "1d12h": 36 * time.Hour, "90m": 90 * time.Minute, "-1h": -time.Hour,
		"": -1, "d": -1, "7": -1, "7days": -1, "-7d": -1, "99999d": -1,
	} {
		var l lifetime
		if err := l.UnmarshalText([]byte(text)); (err != nil) != (want == -1) || err == nil && time.Duration(l) != want {
			t.Errorf("%q: %s, %v", text, time.Duration(l), err)
		}
	}
}

// TestHarmlessCSV keeps cells on their lines.
func TestHarmlessCSV(t *testing.T) {
	const text = "id,m\n1,\"a\r\nroot: \"\"x\"\"\nb\"\n2,c\n"
	const want = "id,m\n" + `1,"a\r\nroot: ""x""\nb"` + "\n2,c\n"
	for size := 1; size < 9; size++ {
		var out bytes.Buffer
		h := &harmless{w: &out, csv: true}
		for rest := text; rest != ""; rest = rest[min(size, len(rest)):] {
			if _, err := h.Write([]byte(rest[:min(size, len(rest))])); err != nil {
				t.Fatal(err)
			}
		}
		if out.String() != want {
			t.Errorf("in pieces of %d: %q", size, out.String())
		}
	}
}

// TestSecondSignal ends a server at once that waits for a request to end.
func TestSecondSignal(t *testing.T) {
	p := newProcess(t, filepath.Join(t.TempDir(), "store"))
	p.flags = []string{"--shutdown-time=1h"}
	p.mustStart()
	slow := holdRequest(t, p.addr)
	defer slow.Close()
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	for end := time.Now().Add(10 * time.Second); accepts(p.addr) && time.Now().Before(end); {
		time.Sleep(10 * time.Millisecond) // until the first signal has been heard
	}
	select {
	case <-p.end:
		t.Fatalf("it ended at the first signal:\n%s", p.out)
	default:
	}
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	p.waitEnd()
	if code := p.cmd.ProcessState.ExitCode(); code != 1 {
		t.Errorf("code %d:\n%s", code, p.out)
	}
}

// holdRequest begins a request and does not end it.
func holdRequest(t *testing.T, addr string) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := fmt.Fprintf(c, "POST /events HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\nContent-Type: application/json\r\nContent-Length: 100\r\nExpect: 100-continue\r\n\r\n", token(t, "event_logger")); err != nil {
		t.Fatal(err)
	}
	// The server asks for the body when it has begun.
	if _, err := bufio.NewReader(c).ReadString('\n'); err != nil {
		t.Fatal(err)
	}
	return c
}

// accepts tells whether somebody listens.
func accepts(addr string) bool {
	c, err := net.Dial("tcp", addr)
	if err == nil {
		_ = c.Close()
	}
	return err == nil
}
