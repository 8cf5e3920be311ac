package transfer_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"vigil"
	"vigil/internal/query"
	"vigil/internal/store"
	"vigil/internal/transfer"
)

// noFacts is a mapping that reads nothing.
type noFacts struct{}

func (noFacts) Number() uint32                         { return 1 }
func (noFacts) Facts(vigil.Format, []byte) vigil.Facts { return vigil.Facts{} }

func memory(t *testing.T) store.Store {
	t.Helper()
	s, err := store.NewMemory(store.Config{Mapping: noFacts{}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

// stored lists id, source id and document of every event.
func stored(t *testing.T, s store.Store) []string {
	t.Helper()
	var list []string
	for e, err := range s.Records(t.Context(), &query.Query{Table: "events", Limit: -1}) {
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, fmt.Sprintf("%d %d %s", e.ID, e.SourceID, e.Doc))
	}
	return list
}

func file(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "{\"id\": %d, \"event\": {\"n\": %d}}\n", 2*i+1, i)
	}
	return b.String()
}

func local(s store.Store) *transfer.Local {
	return &transfer.Local{Store: s, Table: "events", Format: vigil.FormatOf("events"), Sender: &vigil.Sender{Listener: "import"}}
}

func TestImportLocal(t *testing.T) {
	s := memory(t)
	in := file(25) + "{\n[1]\n" + file(2)
	var refused []string
	run := func(size int) transfer.Counts {
		im := transfer.Import{Target: local(s), MaxRecords: size, Refused: func(b *transfer.BadRecord) error {
			refused = append(refused, fmt.Sprintf("%s: %s", b.Error(), b.Text))
			return nil
		}}
		c, err := im.Run(t.Context(), transfer.Read(strings.NewReader(in), transfer.NDJSON, transfer.Options{}))
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	if d := cmp.Diff(transfer.Counts{Taken: 26, Merged: 2, Refused: 1, Offset: int64(len(in))}, run(10)); d != "" {
		t.Errorf("first run: -want +got\n%s", d)
	}
	if len(refused) != 1 || !strings.HasPrefix(refused[0], "line 26: ") || !strings.HasSuffix(refused[0], ": {") {
		t.Errorf("refused: %q", refused)
	}
	all := stored(t, s)
	if len(all) != 26 || all[0] != `1 0 {"n": 0}` || all[24] != `49 0 {"n": 24}` || all[25] != "50 0 [1]" {
		t.Errorf("stored: %q", all)
	}
	if d := cmp.Diff(transfer.Counts{Merged: 28, Refused: 1, Offset: int64(len(in))}, run(10)); d != "" {
		t.Errorf("second run: -want +got\n%s", d)
	}
	if again := stored(t, s); len(again) != len(all) {
		t.Errorf("%d events after the second run", len(again))
	}
}

// flaky breaks off after some chunks.
type flaky struct {
	transfer.Target
	left int
}

func (f *flaky) Append(ctx context.Context, key string, records []transfer.Record) (bool, error) {
	if f.left == 0 {
		return false, errors.New("the lights went out")
	}
	f.left--
	return f.Target.Append(ctx, key, records)
}

func TestImportResumes(t *testing.T) {
	s := memory(t)
	in := file(100)
	for i := range 4 {
		im := transfer.Import{Target: &flaky{local(s), 2 + i}, MaxRecords: 10}
		c, err := im.Run(t.Context(), transfer.Read(strings.NewReader(in), transfer.NDJSON, transfer.Options{}))
		if err == nil || c.Taken+c.Merged != int64(20+10*i) {
			t.Errorf("run %d: %+v, %v", i, c, err)
		}
	}
	im := transfer.Import{Target: local(s), MaxRecords: 10}
	c, err := im.Run(t.Context(), transfer.Read(strings.NewReader(in), transfer.NDJSON, transfer.Options{}))
	if want := (transfer.Counts{Taken: 50, Merged: 50, Offset: int64(len(in))}); err != nil || c != want {
		t.Errorf("last run: %+v, %v", c, err)
	}
	if all := stored(t, s); len(all) != 100 || all[99] != `199 0 {"n": 99}` {
		t.Errorf("%d events, the last %s", len(all), all[len(all)-1])
	}
}

func TestImportEnds(t *testing.T) {
	s := memory(t)
	im := transfer.Import{Target: local(s), MaxRecords: 2}
	c, err := im.Run(t.Context(), transfer.Read(strings.NewReader(`[1,2,3`), transfer.JSON, transfer.Options{}))
	if c.Taken != 3 || !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("a cut array: %+v, %v", c, err)
	}
	stop := errors.New("no room for the refused")
	im.Refused = func(*transfer.BadRecord) error { return stop }
	if _, err := im.Run(t.Context(), transfer.Read(strings.NewReader("{\n1\n"), transfer.NDJSON, transfer.Options{})); !errors.Is(err, stop) {
		t.Errorf("got %v, want %v", err, stop)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := im.Run(ctx, transfer.Read(strings.NewReader(file(5000)), transfer.NDJSON, transfer.Options{})); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}

// server keeps bodies by key, refuses lines with BAD and answers the first
// requests with the given statuses.
type server struct {
	t      *testing.T
	first  []int
	keys   map[string]string
	bodies []string
}

func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		s.t.Error(err)
	}
	if r.Method == "GET" {
		http.Error(w, `{"message":"this token only writes"}`, http.StatusForbidden)
		return
	}
	if r.Method != "POST" || r.URL.Path != "/events" || r.Header.Get("Content-Type") != "application/x-ndjson" ||
		r.Header.Get("Prefer") != "return=minimal" || r.Header.Get("Authorization") != "Bearer tok" {
		s.t.Errorf("%s %s %v", r.Method, r.URL, r.Header)
	}
	if len(s.first) > 0 {
		status := s.first[0]
		s.first = s.first[1:]
		w.Header().Set("Retry-After", "2")
		http.Error(w, `{"message":"not now","details":null}`, status)
		return
	}
	key := r.Header.Get("Idempotency-Key")
	old, seen := s.keys[key]
	switch {
	case strings.Contains(string(body), "BAD"):
		http.Error(w, `{"code":"23505","message":"taken","details":"it is","hint":null}`, http.StatusConflict)
		return
	case seen && old != string(body):
		http.Error(w, `{"message":"another body"}`, http.StatusUnprocessableEntity)
		return
	case seen:
		w.Header().Set("Idempotency-Replayed", "true")
	default:
		s.keys[key] = string(body)
		s.bodies = append(s.bodies, string(body))
	}
	w.WriteHeader(http.StatusCreated)
}

func TestImportRemote(t *testing.T) {
	srv := &server{t: t, first: []int{503, 502, 429}, keys: map[string]string{}}
	web := httptest.NewServer(srv)
	defer web.Close()
	var pauses []time.Duration
	target := &transfer.Remote{Client: web.Client(), Base: web.URL + "/", Table: "events", Token: "tok", Pause: func(_ context.Context, d time.Duration) error {
		pauses = append(pauses, d)
		return nil
	}}
	in := "[{\"a\":\n1},{\"id\":7,\"event\":\"x\\ny\"},\"BAD\",{\"b\":2},\"BAD\"]"
	var refused []string
	run := func() transfer.Counts {
		im := transfer.Import{Target: target, Refused: func(b *transfer.BadRecord) error {
			refused = append(refused, b.Error())
			return nil
		}}
		c, err := im.Run(t.Context(), transfer.Read(strings.NewReader(in), transfer.JSON, transfer.Options{}))
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	if c := run(); c.Taken != 3 || c.Refused != 2 || c.Merged != 0 {
		t.Errorf("%+v", c)
	}
	if c := run(); c.Taken != 0 || c.Refused != 2 || c.Merged != 3 {
		t.Errorf("again: %+v", c)
	}
	if want := []string{"{\"event\":{\"a\": 1}}\n{\"id\":7,\"event\":\"x\\ny\"}\n", "{\"event\":{\"b\":2}}\n"}; !cmp.Equal(want, srv.bodies) {
		t.Errorf("bodies %q", srv.bodies)
	}
	if want := "line 2: the server answers 409 Conflict: taken: it is"; len(refused) != 4 || refused[0] != want {
		t.Errorf("refused %q", refused)
	}
	if len(pauses) != 3 || pauses[0] != 2*time.Second {
		t.Errorf("paused %v", pauses)
	}
	srv.first = []int{401}
	im := transfer.Import{Target: target}
	if _, err := im.Run(t.Context(), transfer.Read(strings.NewReader("1"), transfer.JSON, transfer.Options{})); err == nil || err.Error() != "the server answers 401 Unauthorized: not now" {
		t.Errorf("401: %v", err)
	}
	srv.first = []int{503, 503, 503, 503, 503, 503, 503}
	if _, err := im.Run(t.Context(), transfer.Read(strings.NewReader("2"), transfer.JSON, transfer.Options{})); err == nil || len(srv.first) != 1 {
		t.Errorf("503 for ever: %v, %d attempts left", err, len(srv.first))
	}
	web.Close()
	if _, err := im.Run(t.Context(), transfer.Read(strings.NewReader("3"), transfer.JSON, transfer.Options{})); err == nil {
		t.Error("no server, no error")
	}
}

// TestImportStops ends while the file gives nothing more, as a pipe may.
func TestImportStops(t *testing.T) {
	in, out := io.Pipe()
	defer out.Close()
	ctx, cancel := context.WithCancel(t.Context())
	im := transfer.Import{Target: local(memory(t)), MaxRecords: 1, Progress: func(transfer.Counts) { cancel() }}
	go func() { _, _ = io.WriteString(out, "1\n") }()
	c, err := im.Run(ctx, transfer.Read(in, transfer.NDJSON, transfer.Options{}))
	if c.Taken != 1 || !errors.Is(err, context.Canceled) {
		t.Errorf("%+v, %v", c, err)
	}
}

func BenchmarkImport(b *testing.B) {
	doc := `{"message": "` + strings.Repeat("x", 850) + `", "n": [1, 2, 3]}` + "\n"
	in := strings.Repeat(doc, 10_000)
	b.SetBytes(int64(len(in)))
	for b.Loop() {
		im := transfer.Import{Target: nowhere{}}
		c, err := im.Run(b.Context(), transfer.Read(strings.NewReader(in), transfer.NDJSON, transfer.Options{}))
		if err != nil || c.Taken != 10_000 {
			b.Fatal(c, err)
		}
	}
}

type nowhere struct{}

func (nowhere) Append(context.Context, string, []transfer.Record) (bool, error) { return false, nil }
