package main

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestGatewayReload changes the policies of a running gateway by SIGHUP: sound ones
// are in force then, others are refused, and both are events.
func TestGatewayReload(t *testing.T) {
	fhir := newFHIR(t)
	p := newProcess(t, filepath.Join(t.TempDir(), "store"))
	listen, file := freeAddr(t), filepath.Join(t.TempDir(), "vigil.yaml")
	p.flags = []string{"--config", file}
	write := func(more string) {
		t.Helper()
		text := `gateways: [{name: front, listen: "` + listen + `", upstream: "` + fhir.URL + `/fhir", ` + more + `}]`
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	hangup := func(more string) {
		t.Helper()
		write(more)
		if err := p.cmd.Process.Signal(syscall.SIGHUP); err != nil {
			t.Fatal(err)
		}
	}
	// told waits until the last event of the gateway's own has all these words.
	told := func(words ...string) {
		t.Helper()
		body := ""
		for range 500 {
			status, answer, err := p.do(t.Context(), http.MethodGet, "/system?select=event&event->source->>observer=eq.front&order=id.desc&limit=1", "auditor", "")
			if err != nil || status != http.StatusOK {
				t.Fatal(status, err)
			}
			missing := false
			for _, w := range words {
				missing = missing || !strings.Contains(answer, w)
			}
			if body = answer; !missing {
				return
			}
			time.Sleep(20 * time.Millisecond)
		}
		t.Fatalf("the last event has not %q: %s\n%s", words, body, p.out)
	}
	ask := func(path string) {
		t.Helper()
		resp, err := http.Get("http://" + listen + path)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
	}

	write(`level: metadata, policies: [{route: /metadata, level: none}]`)
	p.mustStart()
	told(`policies of the gateway in force`, `"level": "none"`)
	hangup(`level: request`)
	told(`policies of the gateway changed`, `"level": "request"`, `"before"`)
	ask("/fhir/metadata") // is not left out any more
	hangup(`level: request, policies: [{methods: [GETT], level: none}]`)
	told(`are refused; the old ones stay in force`, `GETT`, `want GET, HEAD`)
	hangup(`level: [`)
	told(`are refused; the old ones stay in force`, `vigil.yaml`)
	hangup(`level: metadata, site: other, policies: [{route: /patients, level: none}]`)
	told(`policies of the gateway changed`, `/patients`)
	ask("/fhir/Patient/p-1")
	p.settled(func(exchanges map[string]int) bool { return len(exchanges) == 2 })
	if exchanges, _ := p.exchanges(); exchanges["metadata"] != 1 || exchanges["p-1"] != 1 {
		t.Errorf("recorded %v", exchanges)
	}
	p.stop()
	for _, want := range []string{"new policies are in force", "new policies are refused; the old ones stay in force", "Patient is meant", `needs a restart","gateway":"front","keys":"site"`} {
		if !strings.Contains(p.out.String(), want) {
			t.Errorf("%q is not in the log:\n%s", want, p.out)
		}
	}
	// What was in force last is known at the next start.
	p.mustStart()
	told(`policies of the gateway in force`, `/patients`)
}
