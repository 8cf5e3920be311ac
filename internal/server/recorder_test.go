package server

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"vigil"
	"vigil/internal/store"
)

// faulty is a store that can be made to refuse.
type faulty struct {
	vigil.Writer
	mu  sync.Mutex
	err error
}

func (f *faulty) refuse(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.err = err
}

func (f *faulty) Write(ctx context.Context, events []*vigil.Event) error {
	f.mu.Lock()
	err := f.err
	f.mu.Unlock()
	if err != nil {
		return err
	}
	return f.Writer.Write(ctx, events)
}

// doc is a recorded event.
type doc struct {
	Severity, Action, Message, Outcome string
	Agent                              struct{ Who, Type, Role string }
	Entity                             struct {
		Query  string
		Detail []map[string]string
	}
}

// recording runs a Recorder over a memory store in the bubble of a synctest.
func recording(t *testing.T) (r *Recorder, f *faulty, stop func() []doc) {
	t.Helper()
	m, err := store.NewMemory(store.Config{})
	if err != nil {
		t.Fatal(err)
	}
	f = &faulty{Writer: m}
	r = NewRecorder(RecorderConfig{Store: f, Observer: "test", Version: "0", Now: time.Now, Log: slog.New(slog.DiscardHandler)})
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := r.Run(ctx); err != nil {
			t.Error(err)
		}
	}()
	return r, f, func() (docs []doc) {
		cancel()
		<-done
		for e, err := range m.Entries(context.Background(), 0) {
			if err != nil {
				t.Fatal(err)
			}
			var d doc
			if err := json.Unmarshal(e.Doc, &d); err != nil {
				t.Fatal(err)
			}
			if e.Table != vigil.TableSystem || e.Format != vigil.FormatSystem || e.Sender.Listener != "vigil" {
				t.Errorf("recorded as %s in %s by %+v", e.Format, e.Table, e.Sender)
			}
			docs = append(docs, d)
		}
		return docs
	}
}

func TestRecorderKeepsOrderAndContent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, _, stop := recording(t)
		r.Record(Doing{Action: "read", Who: "reader\x00", Role: "auditor", IP: "192.0.2.1", Table: "events", Query: "id=eq.1\x00\xff", Rows: 3, Status: 200, Message: "log read"})
		r.Record(Doing{Action: "read", Role: "auditor", Table: "events", Message: "log read"})
		r.Record(Doing{Action: "execute", Message: "vigil stopped"})
		docs := stop()
		if len(docs) != 3 {
			t.Fatalf("%d events, want 3", len(docs))
		}
		d := docs[0]
		if d.Agent.Who != "reader\uFFFD" || d.Agent.Role != "auditor" || d.Outcome != "200" || d.Severity != "info" || d.Entity.Detail[1]["rows"] != "3" {
			t.Errorf("recorded %+v", d)
		}
		if strings.ContainsAny(d.Entity.Query, "\x00") {
			t.Errorf("the query keeps a NUL, which no jsonb text can: %q", d.Entity.Query)
		}
		if docs[1].Agent.Who != "auditor" || docs[1].Agent.Type != "user" {
			t.Errorf("a token that names nobody is recorded as %+v", docs[1].Agent)
		}
		if docs[2].Agent.Who != "vigil" || docs[2].Agent.Type != "system" {
			t.Errorf("Vigil's own doing is recorded as %+v", docs[2].Agent)
		}
	})
}

func TestRecorderCountsAFlood(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, _, stop := recording(t)
		const flood = 5000
		for range flood {
			r.Refused(Doing{Action: "execute", Message: "request refused"})
		}
		time.Sleep(2 * time.Second)
		docs := stop()
		sum, singles := 0, 0
		for _, d := range docs {
			if d.Entity.Detail == nil {
				singles++
				continue
			}
			var n int
			if err := json.Unmarshal([]byte(d.Entity.Detail[0]["count"]), &n); err != nil {
				t.Fatal(err)
			}
			sum += n
		}
		if singles != refusedBurst || singles+sum != flood {
			t.Errorf("%d written one by one and %d counted, want %d and %d in all", singles, sum, refusedBurst, flood)
		}
	})
}

func TestRecorderRecordsTheGap(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, f, stop := recording(t)
		r.Record(Doing{Action: "read", Message: "before"})
		synctest.Wait()
		f.refuse(errors.New("the disk is full"))
		for range 7 {
			r.Record(Doing{Action: "read", Message: "lost"})
			synctest.Wait()
		}
		r.Gap(3) // what others could not write
		time.Sleep(3 * time.Second)
		f.refuse(nil)
		time.Sleep(2 * time.Second)
		r.Record(Doing{Action: "read", Message: "after"})
		synctest.Wait()
		docs := stop()
		if len(docs) != 3 || docs[0].Message != "before" || docs[2].Message != "after" {
			t.Fatalf("recorded %+v", docs)
		}
		if gap := docs[1]; gap.Severity != "error" || !strings.HasPrefix(gap.Message, "gap") || gap.Entity.Detail[0]["count"] != "10" {
			t.Errorf("the gap is recorded as %+v", gap)
		}
	})
}

// TestRecorderTakesLongQuestions has more asked at a time than fits one commit.
func TestRecorderTakesLongQuestions(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, f, stop := recording(t)
		w := f.Writer
		f.Writer = vigil.WriterFunc(func(ctx context.Context, events []*vigil.Event) error {
			bytes := 0
			for _, e := range events {
				bytes += len(e.Doc)
			}
			if bytes > 2*groupBytes {
				return vigil.Errorf(vigil.TooLarge, "%d bytes fit no commit", bytes)
			}
			return w.Write(ctx, events)
		})
		const asked = 60
		long := strings.Repeat("<", 20_000) // six bytes each in JSON
		for range asked {
			r.Record(Doing{Action: "read", Who: "reader", Table: "events", Query: long, Message: "log read"})
		}
		docs := stop()
		if len(docs) != asked {
			t.Fatalf("%d events, want %d: the last is %q", len(docs), asked, docs[len(docs)-1].Message)
		}
		for _, d := range docs {
			if d.Message != "log read" || d.Entity.Query != long {
				t.Fatalf("recorded %q with a question of %d bytes", d.Message, len(d.Entity.Query))
			}
		}
	})
}

// TestRecorderLosesOneOfAGroup has one event of a group that the store never takes.
func TestRecorderLosesOneOfAGroup(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, f, stop := recording(t)
		w := f.Writer
		f.Writer = vigil.WriterFunc(func(ctx context.Context, events []*vigil.Event) error {
			for _, e := range events {
				if strings.Contains(string(e.Doc), "the bad one") {
					return vigil.Errorf(vigil.Invalid, "it cannot be kept")
				}
			}
			return w.Write(ctx, events)
		})
		group := []*vigil.Event{r.event(Doing{Message: "before"}), r.event(Doing{Message: "the bad one"}), r.event(Doing{Message: "after"})}
		r.write(group)
		r.Record(Doing{Message: "role \"\x00\" does not exist"})
		synctest.Wait()
		time.Sleep(2 * time.Second)
		docs := stop()
		if len(docs) != 4 || docs[0].Message != "before" || docs[1].Message != "after" || docs[2].Message != "role \"\uFFFD\" does not exist" {
			t.Fatalf("recorded %+v", docs)
		}
		if gap := docs[3]; gap.Entity.Detail[0]["count"] != "1" {
			t.Errorf("the gap is recorded as %+v", gap)
		}
	})
}
