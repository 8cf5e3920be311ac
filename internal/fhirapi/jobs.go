package fhirapi

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"vigil/internal/format/fhir"
	"vigil/internal/web"
)

// The bounds of verifications: each reads the whole log.
const (
	maxRunning = 2   // at a time, behind requests or in them
	maxJobs    = 100 // whose results are kept
)

// jobs are the verifications that run, or that have ended lately.
type jobs struct {
	mu      sync.Mutex
	byID    map[string]*job
	running int
}

// job is one verification.
type job struct {
	id       string
	owner    string // scope of who began it
	began    time.Time
	cancel   context.CancelFunc
	progress atomic.Int64 // percent

	done   chan struct{} // closed when issues and err are set
	issues []fhir.Issue
	err    error
}

// start runs a job behind the request. It ends early when the server stops.
func (js *jobs) start(c *call, now func() time.Time, run func(context.Context, *job) ([]fhir.Issue, error)) (*job, error) {
	if err := js.enter(); err != nil {
		return nil, err
	}
	js.mu.Lock()
	defer js.mu.Unlock()
	js.makeRoom(now())
	var random [16]byte
	rand.Read(random[:])
	ctx, cancel := context.WithCancel(context.WithoutCancel(c.ctx))
	// The record of the request is over by then.
	ctx = web.WithAccess(ctx, new(web.Access))
	j := &job{id: hex.EncodeToString(random[:]), owner: c.principal.Scope(), began: now(), cancel: cancel, done: make(chan struct{})}
	if js.byID == nil {
		js.byID = map[string]*job{}
	}
	js.byID[j.id] = j
	stopping := web.Stopping(c.ctx)
	go func() {
		select {
		case <-stopping:
			cancel()
		case <-j.done:
		}
	}()
	go func() {
		defer cancel()
		j.err = guarded(func() (err error) {
			j.issues, err = run(ctx, j)
			return err
		})
		js.leave()
		close(j.done)
	}()
	return j, nil
}

// enter counts a verification that begins, and leave one that ends.
func (js *jobs) enter() error {
	js.mu.Lock()
	defer js.mu.Unlock()
	if js.running >= maxRunning {
		return fail(http.StatusTooManyRequests, "throttled", "too many verifications run already: come again later")
	}
	js.running++
	return nil
}

func (js *jobs) leave() {
	js.mu.Lock()
	defer js.mu.Unlock()
	js.running--
}

// makeRoom forgets results that were kept long enough, and the oldest one where
// there are too many: those that run are fewer. It is called with mu held.
func (js *jobs) makeRoom(now time.Time) {
	var oldest *job
	for id, j := range js.byID {
		if now.Sub(j.began) > jobLife {
			j.cancel()
			delete(js.byID, id)
			continue
		}
		select {
		case <-j.done:
			if oldest == nil || j.began.Before(oldest.began) {
				oldest = j
			}
		default:
		}
	}
	if oldest != nil && len(js.byID) >= maxJobs {
		delete(js.byID, oldest.id)
	}
}

// find returns the job that a request names, nil where the caller has none such.
func (js *jobs) find(c *call) *job {
	id := c.query.Get("_id")
	if id == "" {
		id = c.query.Get("id")
	}
	js.mu.Lock()
	defer js.mu.Unlock()
	if j := js.byID[id]; j != nil && j.owner == c.principal.Scope() {
		return j
	}
	return nil
}

// remove ends a job and forgets it.
func (js *jobs) remove(j *job) {
	j.cancel()
	js.mu.Lock()
	defer js.mu.Unlock()
	delete(js.byID, j.id)
}
