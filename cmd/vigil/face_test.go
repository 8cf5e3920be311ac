package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"
)

// rows serves a table with ids 1, 3, 5, … and bounds its answers; after some
// rows it breaks a connection.
type rows struct {
	last, most int64
	breakAt    []int64 // row ids before which an answer breaks off, each once
	asked      []string
}

func (s *rows) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	s.asked = append(s.asked, r.URL.RawQuery)
	if q.Get("order") == "id.desc" {
		fmt.Fprintf(w, "{\"id\":%d}\n", s.last)
		return
	}
	after, _ := strconv.ParseInt(strings.TrimPrefix(q["id"][0], "gt."), 10, 64)
	to, _ := strconv.ParseInt(strings.TrimPrefix(q["id"][1], "lte."), 10, 64)
	n := int64(0)
	for id := after + 1; id <= to && n < s.most; id++ {
		if id%2 == 0 {
			continue
		}
		n++
		if len(s.breakAt) > 0 && s.breakAt[0] == id {
			s.breakAt = s.breakAt[1:]
			fmt.Fprintf(w, `{"id":%d,"ev`, id)
			w.(http.Flusher).Flush()
			panic(http.ErrAbortHandler)
		}
		fmt.Fprintf(w, "{\"id\":%d,\"event\":%d}\n", id, id)
	}
}

func TestExportGoesOn(t *testing.T) {
	s := &rows{last: 99, most: 7, breakAt: []int64{1, 21, 23}}
	srv := httptest.NewServer(s)
	defer srv.Close()
	std := &stdio{Out: &bytes.Buffer{}, Err: io.Discard, Dir: t.TempDir()}
	c := exportCmd{Question: `events?event->>a=eq."é x"`, Output: "ndjson"}
	c.URL = srv.URL
	if err := c.Run(t.Context(), std); err != nil {
		t.Fatal(err)
	}
	var want strings.Builder
	for id := 1; id < 100; id += 2 {
		fmt.Fprintf(&want, "{\"id\":%d,\"event\":%d}\n", id, id)
	}
	if got := std.Out.(*bytes.Buffer).String(); got != want.String() {
		t.Errorf("got\n%s", got)
	}
	if want := "select=id,event&order=id.asc&limit=20000&id=gt.0&id=lte.99&event-%3E%3Ea=eq.%22%C3%A9%20x%22"; s.asked[1] != want {
		t.Errorf("asked %s, want %s", s.asked[1], want)
	}
	s.breakAt = []int64{33, 33, 33}
	if err := c.Run(t.Context(), std); !errors.Is(err, errBroken) {
		t.Errorf("a server that always breaks off: %v", err)
	}
}

func TestTailGoesOn(t *testing.T) {
	var from []string
	ctx, cancel := context.WithCancel(t.Context())
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		from = append(from, r.Header.Get("Last-Event-Id")+" "+r.URL.RawQuery)
		if len(from) == 1 {
			fmt.Fprint(w, ": live\n\nid: 4\ndata: {\"id\":4}\n\n:\n\nid: 5\nda")
			return
		}
		fmt.Fprint(w, "id: 5\ndata: {\"id\":5}\n\n")
		w.(http.Flusher).Flush()
		<-r.Context().Done()
	}))
	defer srv.Close()
	out := &until{text: `{"id":5}`, found: cancel}
	c := tailCmd{Question: "events?id=gt.3", Since: "2026-11-22T09:00:00+01:00"}
	c.URL = srv.URL
	if err := c.Run(ctx, &stdio{Out: out, Err: io.Discard}); err != nil {
		t.Fatal(err)
	}
	if got := out.b.String(); got != "{\"id\":4}\n{\"id\":5}\n" {
		t.Errorf("got %q", got)
	}
	const since = "id=gt.3&since=2026-11-22T09%3A00%3A00%2B01%3A00"
	if len(from) != 2 || from[0] != " "+since || from[1] != "4 "+since {
		t.Errorf("asked %q", from)
	}
}

// until calls found when text was written.
type until struct {
	b     bytes.Buffer
	text  string
	found func()
}

func (u *until) Write(p []byte) (int, error) {
	n, err := u.b.Write(p)
	if strings.Contains(u.b.String(), u.text) {
		u.found()
	}
	return n, err
}

func TestInProcess(t *testing.T) {
	left := make(chan struct{})
	c := &http.Client{Transport: inProcess{http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/break":
			fmt.Fprint(w, "half")
			panic(http.ErrAbortHandler)
		case "/empty":
		case "/endless":
			defer close(left)
			w.(http.Flusher).Flush()
			<-r.Context().Done()
		default:
			body, _ := io.ReadAll(r.Body)
			w.Header().Set("X", "y")
			w.WriteHeader(http.StatusTeapot)
			w.Header().Set("X", "late")
			fmt.Fprintf(w, "%s %s", r.Method, body)
		}
	})}}
	res, err := c.Post("http://vigil/", "text/plain", strings.NewReader("hello"))
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(res.Body)
	if string(body) != "POST hello" || err != nil || res.StatusCode != http.StatusTeapot || res.Header.Get("X") != "y" {
		t.Errorf("%d %q %v %v", res.StatusCode, body, res.Header, err)
	}
	if res, err = c.Get("http://vigil/break"); err != nil {
		t.Fatal(err)
	}
	if body, err := io.ReadAll(res.Body); string(body) != "half" || !errors.Is(err, errAborted) {
		t.Errorf("broken off: %q %v", body, err)
	}
	if res, err = c.Get("http://vigil/empty"); err != nil || res.StatusCode != http.StatusOK {
		t.Fatal(res, err)
	}
	if res, err = c.Get("http://vigil/endless"); err != nil {
		t.Fatal(err)
	}
	_ = res.Body.Close()
	select {
	case <-left:
	case <-time.After(10 * time.Second):
		t.Error("the handler does not hear that its reader has left")
	}
}

func TestTable(t *testing.T) {
	var out bytes.Buffer
	tab := newTable(&out)
	tab.screen = 20
	tab.add([]string{"id", "message"})
	tab.add([]string{"1", "\x1b]0;title\a and more"})
	tab.add([]string{"22", "表計算表計算表計算"})
	if err := tab.flush(); err != nil {
		t.Fatal(err)
	}
	tab.add([]string{"333", "e\u0301 \u202e\u009b"})
	if err := tab.flush(); err != nil {
		t.Fatal(err)
	}
	want := "id  message\n1   \\u001b]0;title…\n22  表計算表計算表…\n3…  e\u0301 \\u202e\\u009b\n"
	if out.String() != want {
		t.Errorf("got\n%q\nwant\n%q", out.String(), want)
	}
	for line := range strings.Lines(out.String()) {
		if n := columns(strings.TrimSuffix(line, "\n")); n > 20 {
			t.Errorf("%q takes %d columns", line, n)
		}
	}
}

func TestHarmless(t *testing.T) {
	const text = "{\"a\":\"é\u009b表\u202e\U000e0001\"}\n\x1b[2J\x7f\n"
	const want = `{"a":"é\u009b表\u202e\udb40\udc01"}` + "\n" + `\u001b[2J\u007f` + "\n"
	for size := 1; size < 9; size++ {
		var out bytes.Buffer
		h := &harmless{w: &out}
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
