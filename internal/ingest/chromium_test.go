package ingest_test

import (
	"bufio"
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// hostile are texts that would run a script where a page shows them as HTML.
var hostile = []string{
	`<script>document.title="owned"</script>`,
	`<img src=x onerror='document.title="owned";fetch("/owned")'>`,
	`"><svg onload=document.title='owned'>`,
	`<iframe src="javascript:parent.document.title='owned'"></iframe>`,
	`javascript:fetch('/owned')`, `</script><script src=/owned></script>`, `<link rel=stylesheet href=/owned>`,
	`{{constructor.constructor("document.title='owned'")()}}`, "\u202e<b>",
}

// TestLogsInChromium shows hostile lines in the page and looks at what the
// browser made of them.
func TestLogsInChromium(t *testing.T) {
	browser := ""
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if path, err := exec.LookPath(name); err == nil {
			browser = path
			break
		}
	}
	if browser == "" {
		if os.Getenv("CI") == "true" {
			t.Fatal("Chromium is missing: scripts/tools.sh installs it")
		}
		t.Skip("without Chromium")
	}
	f := newFace(t, nil)
	var owned atomic.Int64
	var asked atomic.Pointer[string]
	auditor := f.token("auditor")
	ready := make(chan struct{}, 1)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case strings.HasPrefix(r.URL.Path, "/owned"), r.URL.Path == "/x":
			owned.Add(1)
			path := r.URL.Path
			asked.Store(&path)
			w.WriteHeader(http.StatusNoContent)
			return
		case r.URL.Path == "/_logs" && r.Header.Get("Accept") == "application/x-ndjson":
			r.Header.Set("Authorization", auditor) // nobody types a token into this page
			select {
			case ready <- struct{}{}:
			default:
			}
		}
		f.ServeHTTP(w, r)
	}))
	defer s.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 60*time.Second)
	defer cancel()
	page := openPage(ctx, t, browser, s.URL+"/_logs?format=ui")
	select {
	case <-ready:
	case <-ctx.Done():
		t.Fatal("the page asked for no stream")
	}
	page.until(`document.getElementById("state").textContent === "live"`)
	for _, text := range hostile {
		b, _ := json.Marshal(map[string]any{"type": text, "message": text, text: text})
		if res := f.write("/$loggy", string(b)); res.Code != http.StatusOK {
			t.Fatalf("%s: %d %s", b, res.Code, res.Body)
		}
	}
	f.write("/$loggy", `{"type":"sample","message":"the last line"}`)
	page.until(`document.getElementById("body").textContent.includes("the last line")`)
	dom := page.eval(`document.documentElement.outerHTML`)
	if owned.Load() > 0 || !strings.Contains(dom, "<title>Vigil logs</title>") {
		t.Errorf("something in a line ran: %v", asked.Load())
	}
	body := dom[strings.Index(dom, `<tbody`):strings.Index(dom, "</tbody>")]
	for _, tag := range []string{"<script", "<img", "<svg", "<iframe", "<link", "<b>"} {
		if strings.Contains(body, tag) {
			t.Errorf("a line made an element %s", tag)
		}
	}
	if !strings.Contains(body, "&lt;script&gt;") {
		t.Error("the hostile lines are not shown")
	}
}

// page is a page of a browser that is driven through a pipe (Chrome DevTools
// Protocol: messages of JSON, each ended by NUL).
type page struct {
	t       *testing.T
	ctx     context.Context
	out     *os.File
	in      *bufio.Reader
	id      int
	session string
}

// openPage starts the browser and opens a page.
func openPage(ctx context.Context, t *testing.T, browser, url string) *page {
	t.Helper()
	toRead, toWrite, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	fromRead, fromWrite, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	profile, err := os.MkdirTemp("", "chromium")
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(ctx, browser, "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
		"--user-data-dir="+profile, "--remote-debugging-pipe")
	cmd.ExtraFiles = []*os.File{toRead, fromWrite}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	toRead.Close()
	fromWrite.Close()
	p := &page{t: t, ctx: ctx, out: toWrite, in: bufio.NewReader(fromRead)}
	t.Cleanup(func() {
		p.send("Browser.close", nil)
		cmd.Wait() // it is killed when it does not end
		toWrite.Close()
		fromRead.Close()
		// Processes of the browser's own may still write when it has ended.
		for end := time.Now().Add(10 * time.Second); os.RemoveAll(profile) != nil && time.Now().Before(end); {
			time.Sleep(20 * time.Millisecond)
		}
	})
	target := p.call("Target.createTarget", map[string]any{"url": url})
	p.session, _ = p.call("Target.attachToTarget", map[string]any{"targetId": target["targetId"], "flatten": true})["sessionId"].(string)
	return p
}

func (p *page) send(method string, params map[string]any) {
	p.id++
	message := map[string]any{"id": p.id, "method": method, "params": params}
	if p.session != "" && method != "Browser.close" {
		message["sessionId"] = p.session
	}
	b, err := json.Marshal(message)
	if err != nil {
		p.t.Fatal(err)
	}
	// A browser that is closing may be gone before it is told to.
	if _, err := p.out.Write(append(b, 0)); err != nil && method != "Browser.close" {
		p.t.Errorf("%s: %v", method, err)
	}
}

// call sends a command and returns its result.
func (p *page) call(method string, params map[string]any) map[string]any {
	p.t.Helper()
	p.send(method, params)
	for {
		b, err := p.in.ReadBytes(0)
		if err != nil {
			p.t.Fatalf("%s: %v", method, err)
		}
		var answer struct {
			ID            int
			Result, Error map[string]any
		}
		if err := json.Unmarshal(b[:len(b)-1], &answer); err != nil {
			p.t.Fatal(err)
		}
		if answer.ID != p.id {
			continue // an event
		}
		if answer.Error != nil {
			p.t.Fatalf("%s: %v", method, answer.Error)
		}
		return answer.Result
	}
}

// eval returns what an expression is in the page, as text.
func (p *page) eval(expression string) string {
	p.t.Helper()
	result, _ := p.call("Runtime.evaluate", map[string]any{"expression": "String(" + expression + ")"})["result"].(map[string]any)
	text, _ := result["value"].(string)
	return text
}

// until waits until an expression holds in the page.
func (p *page) until(expression string) {
	p.t.Helper()
	for p.eval(expression) != "true" {
		if p.ctx.Err() != nil {
			p.t.Fatalf("never: %s\n%s", expression, p.eval("document.documentElement.outerHTML"))
		}
		time.Sleep(20 * time.Millisecond)
	}
}
