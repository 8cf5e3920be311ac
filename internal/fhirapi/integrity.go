package fhirapi

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"vigil"
	"vigil/internal/auth"
	"vigil/internal/fhirapi/search"
	"vigil/internal/format/fhir"
	"vigil/internal/ledger"
	"vigil/internal/store"
)

// maxBroken is how many events that are not what was logged are named.
const maxBroken = 100

// hashesPerTile is how many entries of the log a tile is of.
const hashesPerTile = 256

// verify answers $verify-integrity: the whole log is made again from the events
// and compared with the last signed checkpoint, so that an event that was
// changed, added or taken out is found; the parameters choose which AuditEvents
// are counted. With Prefer: respond-async the answer is an address to ask for
// the result (FHIR's asynchronous pattern).
func (a *API) verify(c *call) (*answer, error) {
	if err := a.Allow(c.principal, vigil.TableAuditEvents, auth.Select); err != nil {
		return nil, err
	}
	values := url.Values{}
	for name, v := range c.query {
		if name != "_format" && name != "_pretty" {
			values[name] = v
		}
	}
	var s *search.Search // nil is all
	if len(values) > 0 {
		var err error
		if s, err = a.parseSearch(c, values, false); err != nil {
			return nil, err
		}
	}
	asked, original := *c, c.self()
	run := func(ctx context.Context, j *job) ([]fhir.Issue, error) {
		asked.ctx = ctx
		return a.verified(&asked, s, original, j)
	}
	if !c.prefer.async {
		if err := a.jobs.enter(); err != nil {
			return nil, err
		}
		defer a.jobs.leave()
		issues, err := run(c.ctx, new(job))
		if err != nil {
			return nil, err
		}
		return &answer{status: http.StatusOK, body: outcome(issues)}, nil
	}
	j, err := a.jobs.start(c, a.Now, run)
	if err != nil {
		return nil, err
	}
	ans := &answer{status: http.StatusAccepted, body: outcome([]fhir.Issue{information("the verification has begun: ask for its result at the address in Content-Location")})}
	return ans.set("Content-Location", c.base+"/"+auditEvent+"/$verify-integrity-status?_id="+j.id), nil
}

// verified verifies and says what it found, in Firely's words.
func (a *API) verified(c *call, s *search.Search, original string, j *job) ([]fhir.Issue, error) {
	began := a.Now()
	r := &revision{log: a.Store.Log(), job: j, broken: map[int64]brokenEvent{}}
	if err := r.run(c.ctx, a.Store); err != nil {
		return nil, err
	}
	processed := r.audits
	named := map[int64]string{}
	for index, e := range r.broken { // what the caller may not read has no name
		if a.Allow(c.principal, e.Table, auth.Select) == nil {
			named[index] = e.UID.String()
		}
	}
	readable := named
	if s != nil {
		processed, named = 0, map[int64]string{}
		for e, err := range a.found(c.ctx, s) {
			if err != nil {
				return nil, err
			}
			processed++
			if uid, ok := readable[e.Event.Index]; ok {
				named[e.Event.Index] = uid
			}
		}
	}
	c.access().Rows += processed
	issues := []fhir.Issue{
		information(fmt.Sprintf("%d Audit Event processed", processed)),
		information("Transaction time: " + instant(began)),
		information("Original Request: " + original),
	}
	for _, uid := range named {
		issues = append(issues, fhir.Issue{
			Severity: fhir.Error, Code: "processing", Location: auditEvent + "/" + uid,
			Text: "Signature for the event does not match audit event content",
		})
	}
	if len(r.broken) >= maxBroken {
		issues = append(issues, fhir.Issue{
			Severity: fhir.Error, Code: "too-costly",
			Text: "Process interrupted because too many signature validation errors encountered.",
		})
	}
	for _, p := range r.problems {
		issues = append(issues, fhir.Issue{Severity: fhir.Error, Code: "processing", Text: "The log is not what was signed: " + p.String()})
	}
	if r.size > 0 {
		issues = append(issues, information(fmt.Sprintf("The log was made again from its %d entries and compared with the checkpoint of %d entries.", r.size, r.signed)))
	}
	return issues, nil
}

// revision makes the log again from what is stored.
type revision struct {
	log      *ledger.Log
	job      *job
	size     int64                 // entries looked at
	signed   int64                 // entries that the checkpoint covers
	audits   int64                 // AuditEvents among them
	broken   map[int64]brokenEvent // by their place
	problems []ledger.Problem

	tile []byte // leaf hashes
}

// brokenEvent is an event that is not what was logged.
type brokenEvent struct {
	Table string
	UID   vigil.UID
}

func (r *revision) run(ctx context.Context, s store.Store) error {
	size, root := r.log.Published()
	expect := []ledger.Expect{{Name: "tree", Size: size, Root: root}}
	if c, ok := r.log.Signed(); ok {
		r.signed = c.Size
		expect = append(expect, ledger.Expect{Name: "checkpoint", Size: c.Size, Root: c.Root})
	}
	v := ledger.NewVerifier(ledger.VerifierConfig{Tile: r.log.Tile, Size: size, Expect: expect})
	for e, err := range s.Entries(ctx, 0) {
		if err != nil {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			v.Unreadable(err)
			break
		}
		if e.Index >= size {
			break
		}
		entry := store.EntryOf(e)
		v.AddEntry(entry)
		if e.Table == vigil.TableAuditEvents && !e.Erased {
			r.audits++
		}
		if !r.same(e.Index, size, ledger.HashLeaf(entry.Record(nil))) {
			r.broken[e.Index] = brokenEvent{e.Table, e.UID}
			if len(r.broken) >= maxBroken {
				break
			}
		}
		r.size++
		r.job.progress.Store(r.size * 100 / size)
	}
	if len(r.broken) < maxBroken {
		r.problems = v.Finish()
	}
	return nil
}

// same reports whether the log has this hash at a place.
func (r *revision) same(index, size int64, h ledger.Hash) bool {
	at := index % hashesPerTile
	if r.tile == nil || at == 0 {
		first := index - at
		b, err := r.log.Tile(0, index/hashesPerTile, int(min(hashesPerTile, size-first)))
		if err != nil {
			r.tile = nil
			return true // the verifier tells that the tile is missing
		}
		r.tile = b
	}
	from := int(at) * len(h)
	return from+len(h) > len(r.tile) || string(r.tile[from:from+len(h)]) == string(h[:])
}

// status answers for the result of a verification.
func (a *API) status(c *call) (*answer, error) {
	j := a.jobs.find(c)
	if j == nil {
		return nil, fail(http.StatusNotFound, "not-found", "there is no verification with this id: results are kept for an hour")
	}
	if c.verb == http.MethodDelete {
		a.jobs.remove(j)
		return &answer{status: http.StatusAccepted, body: outcome([]fhir.Issue{information("the verification was given up")})}, nil
	}
	select {
	case <-j.done:
	default:
		ans := &answer{status: http.StatusAccepted, body: outcome([]fhir.Issue{information("the verification goes on")})}
		return ans.set("X-Progress", fmt.Sprintf("%d %%", j.progress.Load())).set("Retry-After", "1"), nil
	}
	if j.err != nil {
		return nil, j.err
	}
	return &answer{status: http.StatusOK, body: outcome(j.issues)}, nil
}

// jobLife is how long a result is kept.
const jobLife = time.Hour
