package server

import (
	"context"
	"encoding/json"
	"log/slog"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/sync/semaphore"
	"golang.org/x/time/rate"

	"vigil"
)

// Doing is something Vigil did or refused to do, as it is written to the table
// system: the log of the log.
type Doing struct {
	Severity string // info, warning, error; empty is info
	Action   string // read, create, execute, login
	Who      string // principal; empty is Vigil itself
	Role     string
	IP       string
	Table    string
	Query    string
	Rows     int64
	Status   int // HTTP status; 0 where there was no request
	Message  string
	Count    int64 // how many doings this one stands for, where more than one
}

// RecorderConfig is what a [Recorder] needs.
type RecorderConfig struct {
	Store    vigil.Writer
	Observer string // names this server in its own events
	Version  string
	Now      func() time.Time
	Log      *slog.Logger
}

// The bounds of a Recorder. A refused request is cheap for who sends it, so only
// the first ones of a flood are written one by one; the rest are counted. A
// question may be a megabyte long, so that bytes are bounded as well: those that
// wait, and those of a group, which must fit a commit.
const (
	queueLength   = 8192
	queueBytes    = 32 << 20
	groupLength   = 1024
	groupBytes    = 1 << 20
	refusedPerSec = 20
	refusedBurst  = 100
)

// Recorder writes what Vigil does to the table system, behind the requests: a
// reader never waits for a disk, only, when the queue is full, for the writer to
// catch up. While the store takes nothing, doings are counted, and written as a
// gap with that count once it takes events again.
type Recorder struct {
	cfg        RecorderConfig
	queue      chan *vigil.Event
	room       *semaphore.Weighted // the bytes of documents that may wait
	limit      *rate.Limiter
	suppressed atomic.Int64 // refused requests that were only counted
	gap        atomic.Int64 // doings that the store could not take
	failing    atomic.Bool
	ending     context.Context // ends when Run begins to drain
	end        context.CancelFunc
}

// NewRecorder returns a Recorder; nothing is written before [Recorder.Run].
func NewRecorder(cfg RecorderConfig) *Recorder {
	r := &Recorder{
		cfg: cfg, queue: make(chan *vigil.Event, queueLength), room: semaphore.NewWeighted(queueBytes),
		limit: rate.NewLimiter(refusedPerSec, refusedBurst),
	}
	r.ending, r.end = context.WithCancel(context.Background())
	return r
}

// Record takes one doing. It is safe for concurrent use.
func (r *Recorder) Record(d Doing) {
	if r.failing.Load() {
		r.gap.Add(max(d.Count, 1))
		return
	}
	e := r.event(d)
	if r.ending.Err() != nil || r.room.Acquire(r.ending, weight(e)) != nil { // nobody reads the queue any more
		r.late(d)
		return
	}
	select {
	case r.queue <- e:
	case <-r.ending.Done():
		r.room.Release(weight(e))
		r.late(d)
	}
}

// weight is what an event takes of the room in the queue.
func weight(e *vigil.Event) int64 { return min(int64(len(e.Doc)), queueBytes) }

// late tells of a doing that came after the end: it is in no table.
func (r *Recorder) late(d Doing) {
	r.cfg.Log.Warn("a doing came too late to be recorded in the table system", "doing", d.Message, "status", d.Status)
}

// Refused takes one refused request, or counts it where there are too many.
func (r *Recorder) Refused(d Doing) {
	if !r.limit.AllowN(r.cfg.Now(), 1) {
		r.suppressed.Add(1)
		return
	}
	r.Record(d)
}

// Gap notes that n events of others could not be taken; they are part of the next gap.
func (r *Recorder) Gap(n int64) { r.gap.Add(n) }

// Run writes until ctx ends, and then what is still queued.
func (r *Recorder) Run(ctx context.Context) error {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	var watch clock
	start := time.Now()
	for {
		select {
		case e := <-r.queue:
			r.write(r.group(e))
		case <-tick.C:
			r.sum()
			if d, jumped := watch.jumped(r.cfg.Now(), time.Since(start)); jumped {
				r.write([]*vigil.Event{r.event(d)})
			}
		case <-ctx.Done():
			r.end()
			r.drain()
			if gap, refused := r.gap.Load(), r.suppressed.Load(); gap > 0 || refused > 0 {
				r.cfg.Log.Error("the store took no more of Vigil's own events", "events", gap, "refused_requests", refused)
			}
			return nil
		}
	}
}

// drain writes what was queued before the end.
func (r *Recorder) drain() {
	for {
		select {
		case e := <-r.queue:
			r.write(r.group(e))
		default:
			r.sum()
			return
		}
	}
}

// group takes what else is queued, as much as goes together.
func (r *Recorder) group(first *vigil.Event) []*vigil.Event {
	events, bytes := []*vigil.Event{first}, weight(first)
	r.room.Release(weight(first))
	for len(events) < groupLength && bytes < groupBytes {
		select {
		case e := <-r.queue:
			r.room.Release(weight(e))
			events, bytes = append(events, e), bytes+weight(e)
		default:
			return events
		}
	}
	return events
}

// sum writes the counts that stand for many doings.
func (r *Recorder) sum() {
	var events []*vigil.Event
	refused, gap := r.suppressed.Swap(0), r.gap.Swap(0)
	if refused > 0 {
		events = append(events, r.event(Doing{
			Severity: "warning", Action: "execute", Count: refused,
			Message: "more requests were refused than are written one by one",
		}))
	}
	if gap > 0 {
		events = append(events, r.event(Doing{
			Severity: "error", Action: "execute", Count: gap,
			Message: "gap: the store took nothing while this many events were to be written",
		}))
	}
	if len(events) == 0 {
		return
	}
	if r.try(events) != nil {
		r.suppressed.Add(refused)
		r.gap.Add(gap)
	}
}

// write writes a group, or adds it to the gap. Where one event is at fault it
// takes no others with it.
func (r *Recorder) write(events []*vigil.Event) {
	switch err := r.try(events); {
	case err == nil:
	case vigil.ForGood(err) && len(events) > 1:
		for i := range events {
			r.write(events[i : i+1])
		}
	default:
		r.gap.Add(int64(len(events)))
	}
}

// try has the store take the events. The context is not a request's: a client
// that hangs up must not take the record with it.
func (r *Recorder) try(events []*vigil.Event) error {
	err := r.cfg.Store.Write(context.Background(), events)
	if was := r.failing.Swap(err != nil && !vigil.ForGood(err)); err != nil && !was {
		r.cfg.Log.Error("the store does not take Vigil's own events; they are counted until it does", "err", err)
	}
	return err
}

// event makes the document of d, in logserver's recommended schema.
func (r *Recorder) event(d Doing) *vigil.Event {
	now := r.cfg.Now().UTC()
	for _, s := range []*string{&d.Who, &d.Role, &d.Table, &d.Query, &d.Message} {
		*s = strings.ReplaceAll(*s, "\x00", "\uFFFD") // clients' words; jsonb holds no NUL
	}
	d.Query = withoutSecrets(d.Query)
	type agent struct {
		Who  string `json:"who"`
		Type string `json:"type"`
		Role string `json:"role,omitempty"`
		IP   string `json:"ip_address,omitempty"`
	}
	type source struct {
		Observer string `json:"observer"`
		Type     string `json:"type"`
		Version  string `json:"version"`
	}
	type entity struct {
		Detail []map[string]string `json:"detail,omitempty"`
		Query  string              `json:"query,omitempty"`
	}
	doc := struct {
		Severity string    `json:"severity"`
		Version  string    `json:"version"`
		Action   string    `json:"action"`
		Occurred time.Time `json:"occurred"`
		Agent    agent     `json:"agent"`
		Source   source    `json:"source"`
		Entity   *entity   `json:"entity,omitempty"`
		Outcome  string    `json:"outcome,omitempty"`
		Message  string    `json:"message"`
	}{
		Severity: d.Severity, Version: "1", Action: d.Action, Occurred: now,
		Agent:   agent{Who: d.Who, Type: "user", Role: d.Role, IP: d.IP},
		Source:  source{Observer: r.cfg.Observer, Type: "vigil", Version: r.cfg.Version},
		Message: d.Message,
	}
	if doc.Severity == "" {
		doc.Severity = "info"
	}
	switch {
	case d.Who == "" && d.Role == "" && d.IP == "":
		doc.Agent = agent{Who: "vigil", Type: "system"}
	case d.Who == "" && d.Role == "": // a token that was refused
		doc.Agent.Who = "unknown"
	case d.Who == "": // a token that names nobody: its role is all that is known
		doc.Agent.Who = d.Role
	}
	if d.Status != 0 {
		doc.Outcome = strconv.Itoa(d.Status)
	}
	if e := (entity{Detail: details(d), Query: d.Query}); e.Query != "" || e.Detail != nil {
		doc.Entity = &e
	}
	b, err := json.Marshal(doc)
	if err != nil { // the parts are strings and a time: only a year past 9999 fails
		b = []byte(`{"severity":"error","version":"1","action":"execute","message":"an event of Vigil's own could not be written as JSON"}`)
	}
	return &vigil.Event{
		Table: vigil.TableSystem, Format: vigil.FormatSystem, Doc: b,
		Sender: &vigil.Sender{Listener: "vigil", Authenticated: true},
	}
}

// details returns the tagged values of a doing.
func details(d Doing) []map[string]string {
	var out []map[string]string
	if d.Table != "" {
		out = append(out, map[string]string{"table": d.Table}, map[string]string{"rows": strconv.FormatInt(d.Rows, 10)})
	}
	if d.Count > 0 {
		out = append(out, map[string]string{"count": strconv.FormatInt(d.Count, 10)})
	}
	return out
}
