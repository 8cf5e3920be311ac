package remote

import (
	"context"
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"vigil"
	"vigil/internal/sink"
)

// unstored are events as a gateway without a store has them: without a UID and a
// time of receipt, each with a time of its own.
func unstored() []*vigil.Event {
	var list []*vigil.Event
	for _, doc := range []string{`{"ts":"2026-01-02T03:04:05.678Z","n":1}`, `{"ts":"2026-01-02T03:04:05.678Z","n":2}`, `{"@timestamp":"2026-01-02T03:04:06Z","n":3}`} {
		list = append(list, &vigil.Event{Table: "logs", Format: vigil.FormatAidbox, Doc: []byte(doc)})
	}
	return list
}

// TestRepeat: what is sent again, after a kill, later, and in other batches, is the
// same to the last byte: times, labels and ids do not depend on when it is sent. That
// is what every target needs that can tell a repeat.
func TestRepeat(t *testing.T) {
	day := taken
	for name, open := range kinds {
		for _, batch := range [][]*vigil.Event{events(`{"ev":"a"}`, `{"ts":"2024-01-31T13:35:43.123Z"}`, `"text"`), unstored()} {
			var sent [3][]string
			for i := range sent {
				srv := serve(t, say(http.StatusOK, good[name]))
				c := config(srv.URL, new(aside))
				c.BatchLines = 1
				c.Key = func(context.Context) string { return "k1" }
				c.Now = func() time.Time { day = day.Add(25 * time.Hour); return day }
				s := must(t)(open(c))
				to := sink.Resume(s, c.Key)
				if i == 2 { // the first was taken when the second failed
					srv.answer = func(n int, r request, w http.ResponseWriter) {
						if n == 1 {
							w.WriteHeader(http.StatusInternalServerError)
							return
						}
						say(http.StatusOK, good[name])(n, r, w)
					}
					if err := to.Write(t.Context(), batch); err == nil {
						t.Fatalf("%s: the server was well", name)
					}
				}
				if err := to.Write(t.Context(), batch); err != nil {
					t.Fatalf("%s: %v", name, err)
				}
				for n, r := range srv.requests() {
					if i != 2 || n != 1 {
						sent[i] = append(sent[i], r.body)
					}
				}
			}
			for i := 1; i < len(sent); i++ {
				if diff := cmp.Diff(sent[0], sent[i]); diff != "" || len(sent[0]) != len(batch) {
					t.Errorf("%s: of %d events, sent again (-first +again):\n%s", name, len(batch), diff)
				}
			}
		}
	}
}

// loki keeps lines as Loki does: a line with the labels and the time of one that is
// there is dropped, if it is the same.
type loki map[[3]string]int

func (l loki) push(t *testing.T, body string) {
	var got struct {
		Streams []struct {
			Stream map[string]string
			Values [][2]string
		}
	}
	if err := json.Unmarshal([]byte(body), &got); err != nil {
		t.Error(err)
	}
	for _, s := range got.Streams {
		labels, _ := json.Marshal(s.Stream)
		for _, v := range s.Values {
			l[[3]string{string(labels), v[0], v[1]}]++
		}
	}
}

// TestLokiOnce: Loki takes a batch and the answer is lost, as is the process. What
// begins anew sends the batch again with more behind it; Loki has each line once.
func TestLokiOnce(t *testing.T) {
	there := loki{}
	srv := serve(t, func(n int, r request, w http.ResponseWriter) {
		there.push(t, r.body)
		if n == 0 {
			panic(http.ErrAbortHandler)
		}
		w.WriteHeader(http.StatusNoContent)
	})
	batch := events(`{"ev":"a"}`, `{"ev":"b","ts":"2024-01-31T13:35:43.123Z"}`, `"text"`, `{"ev":"later"}`)
	labels := map[string]string{"z": "1", "box": "audit", "env": "t"}
	for i, n := range []int{3, 4} {
		c := config(srv.URL, new(aside))
		c.Line = sink.Envelope
		c.Now = func() time.Time { return taken.Add(time.Duration(i) * time.Hour) }
		s := must(t)(NewLoki(c, maps.Clone(labels)))
		if err := s.Write(t.Context(), batch[:n]); (err == nil) != (i == 1) {
			t.Fatal(err)
		}
	}
	if len(there) != len(batch) {
		t.Errorf("%d lines of %d: %v", len(there), len(batch), slices.Collect(maps.Keys(there)))
	}
	for line, n := range there {
		if again := !strings.Contains(line[2], `"later"`); (n == 2) != again {
			t.Errorf("%v came %d times", line, n)
		}
	}
}

// TestOTLPUID gives each record the attribute by which OpenTelemetry's conventions
// tell a record that comes twice: one for each line of an event.
func TestOTLPUID(t *testing.T) {
	srv := serve(t, say(http.StatusOK, good["otlp"]))
	c := config(srv.URL, new(aside))
	c.Line = func(dst []byte, e *vigil.Event) []byte { return append(sink.Document(dst, e), "{\"second\":1}\n"...) }
	s := must(t)(NewOTLP(c, OTLPOptions{}))
	batch := events(`{"n":1}`, `{"n":2}`)
	for range 2 {
		if err := s.Write(t.Context(), batch); err != nil {
			t.Fatal(err)
		}
	}
	uids := map[string]int{}
	for _, r := range srv.requests() {
		for i, part := range strings.Split(r.body, `"log.record.uid","value":{"stringValue":"`) {
			if uid, _, ok := strings.Cut(part, `"`); i > 0 && ok {
				uids[uid]++
			}
		}
	}
	want := map[string]int{}
	for _, e := range batch {
		want[e.UID.String()], want[e.UID.String()+"-1"] = 2, 2
	}
	if diff := cmp.Diff(want, uids); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
