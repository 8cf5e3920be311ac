package remote

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"vigil"
)

// cluster is two servers of one index.
func cluster(t *testing.T) (x *index, a, b *server) {
	x = new(index)
	return x, serve(t, x.answer), serve(t, x.answer)
}

// TestNodeDies goes on with the next node when one is gone, and back to the first
// when that one is gone in turn: every line is there, and once.
func TestNodeDies(t *testing.T) {
	x, a, b := cluster(t)
	s := must(t)(NewElasticsearch(config(a.URL, new(aside)), ElasticsearchOptions{Index: "'i'", Nodes: []string{b.URL}}))
	written := 0
	write := func(n int) {
		t.Helper()
		var docs []string
		for range n {
			written++
			docs = append(docs, fmt.Sprintf(`{"n":%d}`, written))
		}
		list := events(docs...)
		for i, e := range list {
			e.UID = vigil.NewUID(taken, [10]byte{9: byte(written - n + i)})
		}
		if err := s.Write(t.Context(), list); err != nil {
			t.Fatal(err)
		}
	}
	write(5)
	if len(b.requests()) != 0 {
		t.Error("the second node was asked while the first one was there")
	}
	a.CloseClientConnections()
	a.Close()
	write(5)
	write(5)
	if len(x.docs) != written || x.again != 0 {
		t.Errorf("%d documents of %d, %d again", len(x.docs), written, x.again)
	}
	if n := len(b.requests()); n != 2 {
		t.Errorf("%d requests of the second node", n)
	}
	b.CloseClientConnections()
	b.Close()
	err := s.Write(t.Context(), events(`{"n":0}`))
	if vigil.KindOf(err) != vigil.Unavailable {
		t.Fatal(err)
	}
	for _, u := range []string{a.URL, b.URL} {
		if host := strings.TrimPrefix(u, "http://"); !strings.Contains(err.Error(), host) {
			t.Errorf("%v does not name %s", err, host)
		}
	}
}

// TestNodeAnswerLost: the first node took the lines and died before it said so. The
// second has them of it, so that they are there once.
func TestNodeAnswerLost(t *testing.T) {
	x := new(index)
	a := serve(t, func(_ int, r request, _ http.ResponseWriter) {
		x.bulk(r.body)
		panic(http.ErrAbortHandler)
	})
	b := serve(t, x.answer)
	for _, gzip := range []bool{false, true} {
		c := config(a.URL, new(aside))
		c.Gzip = gzip
		s := must(t)(NewElasticsearch(c, ElasticsearchOptions{Index: "'i'", Nodes: []string{b.URL}}))
		x.docs, x.again = nil, 0
		if err := s.Write(t.Context(), events(`{"n":1}`, `{"n":2}`, `{"n":3}`)); err != nil {
			t.Fatal(err)
		}
		if len(x.docs) != 3 || x.again != 3 {
			t.Errorf("%d documents, %d again", len(x.docs), x.again)
		}
	}
}

// TestNodeFails: a node that says that it is away is passed at once, one that fails
// otherwise when the lines come again; neither is asked any more while the other is
// well. A line that is refused is no node's fault.
func TestNodeFails(t *testing.T) {
	for _, c := range []struct {
		status, first, asked int
	}{
		{http.StatusServiceUnavailable, 0, 1},
		{http.StatusBadGateway, 0, 1},
		{http.StatusInternalServerError, 1, 1},
		{http.StatusUnauthorized, 1, 1},
	} {
		x := new(index)
		a, b := serve(t, say(c.status, "no")), serve(t, x.answer)
		s := must(t)(NewElasticsearch(config(a.URL, new(aside)), ElasticsearchOptions{Index: "'i'", Nodes: []string{b.URL}}))
		failed := 0
		for range 3 {
			if err := s.Write(t.Context(), events(`{"n":1}`)); err != nil {
				failed++
			}
		}
		if failed != c.first || len(a.requests()) != c.asked || len(x.docs) != 1 {
			t.Errorf("%d: failed %d times, asked %d times, %d documents", c.status, failed, len(a.requests()), len(x.docs))
		}
	}
	x := new(index)
	x.item = func(doc string) (int, string) {
		if strings.Contains(doc, "bad") {
			return 400, "mapper"
		}
		return 0, ""
	}
	a, b := serve(t, x.answer), serve(t, x.answer)
	var kept aside
	s := must(t)(NewElasticsearch(config(a.URL, &kept), ElasticsearchOptions{Index: "'i'", Nodes: []string{b.URL}}))
	if err := s.Write(t.Context(), events(`{"n":1}`, `{"bad":1}`)); err != nil || len(kept.got) != 1 || len(b.requests()) != 0 {
		t.Error(err, kept.got, len(b.requests()))
	}
}

// TestNodeCredentials keeps each node's own user and password to that node, and the
// path of the API at each.
func TestNodeCredentials(t *testing.T) {
	a, b := serve(t, say(http.StatusBadGateway, "")), serve(t, new(index).answer)
	with := func(u string) string { return strings.Replace(u, "http://", "http://own:secret@", 1) }
	for _, addresses := range [][2]string{{a.URL, with(b.URL)}, {with(a.URL), b.URL}} {
		c := config(addresses[0], new(aside))
		c.User, c.Password = "all", "common"
		s := must(t)(NewElasticsearch(c, ElasticsearchOptions{Index: "'i'", Nodes: addresses[1:]}))
		if err := s.Write(t.Context(), events(`{"n":1}`)); err != nil {
			t.Fatal(err)
		}
	}
	for i, want := range []string{"all own", "own all"} {
		var users []string
		for _, srv := range []*server{a, b} {
			r := srv.requests()[i]
			user, _, _ := (&http.Request{Header: r.header}).BasicAuth()
			if users = append(users, user); r.path != "/_bulk" || !strings.HasPrefix(r.query, "filter_path=") {
				t.Errorf("%s?%s", r.path, r.query)
			}
		}
		if got := strings.Join(users, " "); got != want {
			t.Errorf("users %s, want %s", got, want)
		}
	}
	_, err := NewElasticsearch(config(a.URL, new(aside)), ElasticsearchOptions{Index: "'i'", Nodes: []string{"own:secret@nowhere"}})
	if err == nil || strings.Contains(err.Error(), "secret") {
		t.Errorf("a node that is no address: %v", err)
	}
}
