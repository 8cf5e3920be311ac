package fhirapi

import (
	"context"
	"crypto/sha256"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"vigil"
	"vigil/internal/auth"
	"vigil/internal/format/fhir"
	"vigil/internal/store"
	"vigil/internal/web"
)

// create takes one AuditEvent. A Bundle that is sent here is taken as one: some
// senders know one address only.
func (a *API) create(c *call) (*answer, error) {
	if err := a.Allow(c.principal, vigil.TableAuditEvents, auth.Insert); err != nil {
		return nil, err
	}
	c.guessForm()
	if len(c.body) == 0 {
		return nil, fail(http.StatusBadRequest, "structure", "the body is empty")
	}
	if !c.entry && isBundle(c.body, c.in.xml) {
		return a.bundle(c)
	}
	c.access().Write = true
	r := a.reader(c)
	r.keep = c.prefer.ret == "" || c.prefer.ret == "representation"
	t, err := r.document(c.body)
	if err != nil {
		return nil, err
	}
	key, err := idempotency(c)
	if err != nil {
		return nil, err
	}
	batch := &store.Batch{Events: []*vigil.Event{t.event}, Key: key}
	if uid := c.header.Get(retryHeader); uid != "" {
		if err := a.retry(c, batch, uid, t); err != nil {
			return nil, err
		}
	}
	ans, err := a.createIf(c, c.condition(), func() (*answer, error) {
		receipt, err := a.Store.Append(c.ctx, batch)
		if err != nil {
			return nil, err
		}
		if receipt.Replayed {
			return a.replayed(c, receipt)
		}
		c.access().Rows++
		return c.created(t), nil
	})
	if err != nil {
		return nil, err
	}
	return a.preferred(c, ans, t)
}

// createIf runs create unless a search finds what is to be created (If-None-Exist).
// Searches and creates of this kind do not interleave, so that two senders of the
// same condition make one resource.
func (a *API) createIf(c *call, condition string, create func() (*answer, error)) (*answer, error) {
	if condition == "" {
		return create()
	}
	values, err := parseCondition(condition)
	if err != nil {
		return nil, err
	}
	unlock, err := a.alone(c.ctx)
	if err != nil {
		return nil, err
	}
	defer unlock()
	found, err := a.matches(c, values, 2)
	if err != nil {
		return nil, err
	}
	if len(found) == 0 {
		return create()
	}
	c.recordRead(condition) // the answer tells that it is there
	c.access().Rows += int64(len(found))
	if len(found) == 1 {
		ans := described(http.StatusOK, found[0])
		ans.location = c.versionURL(found[0])
		return ans, nil
	}
	return nil, errMultiple()
}

// alone waits until no other conditional create of this server is between its
// search and its end. Servers over one database do not know of each other.
func (a *API) alone(ctx context.Context) (unlock func(), err error) {
	select {
	case a.conditional <- struct{}{}:
		return func() { <-a.conditional }, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// condition returns the condition of a create. Aidbox's clients write it into the
// address, as parameters of a search.
func (c *call) condition() string {
	if condition := c.header.Get("If-None-Exist"); condition != "" {
		return condition
	}
	values := maps.Clone(c.query)
	for _, name := range []string{"_format", "_pretty"} {
		delete(values, name)
	}
	return values.Encode()
}

// parseCondition reads If-None-Exist: what stands behind the question mark of a
// URL. HAPI's client sends the whole URL.
func parseCondition(condition string) (url.Values, error) {
	if before, query, ok := strings.Cut(condition, "?"); ok && !strings.Contains(before, "=") {
		condition = query
	}
	values, err := url.ParseQuery(condition)
	if err != nil || len(values) == 0 {
		return nil, fail(http.StatusBadRequest, "invalid", "If-None-Exist must be search parameters, as in a URL after the question mark")
	}
	return values, nil
}

func errMultiple() *Error {
	return fail(http.StatusPreconditionFailed, "multiple-matches", "more than one AuditEvent matches If-None-Exist")
}

// created is the answer for what was stored just now.
func (c *call) created(t *taken) *answer {
	if t.held {
		// It is kept, under this id, but it is no AuditEvent of the repository.
		return c.held(t.event, t.issues)
	}
	ans := described(http.StatusCreated, t.event)
	ans.location = c.versionURL(t.event)
	return ans
}

// held is the answer for what went to quarantine.
func (c *call) held(e *vigil.Event, issues []fhir.Issue) *answer {
	where := information("the resource is in quarantine as " + e.UID.String())
	return &answer{status: http.StatusAccepted, body: outcome(append(slices.Clip(issues), where))}
}

// replayed is the answer for what an earlier request with the same key stored.
func (a *API) replayed(c *call, receipt store.Receipt) (*answer, error) {
	events, err := a.entriesFrom(c.ctx, receipt)
	if err != nil {
		return nil, err
	}
	e := events[0]
	if e.Erased {
		return nil, fail(http.StatusGone, "deleted", "what was stored under this Idempotency-Key was removed since")
	}
	if e.Table == vigil.TableQuarantine {
		return c.held(e, nil), nil
	}
	ans := described(http.StatusCreated, e).set("Idempotency-Replayed", "true")
	ans.location = c.versionURL(e)
	return ans, nil
}

// entriesFrom returns the events that a receipt stands for.
func (a *API) entriesFrom(ctx context.Context, receipt store.Receipt) ([]*vigil.Event, error) {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	var out []*vigil.Event
	for e, err := range a.Store.Entries(ctx, receipt.First) {
		if err != nil {
			return nil, err
		}
		if out = append(out, e); len(out) == receipt.Count {
			return out, nil
		}
	}
	return nil, fail(http.StatusInternalServerError, "exception", "what was stored before cannot be found")
}

// preferred puts into a create's answer what Prefer asks for: without it the
// resource, since many clients go on with what they get back.
func (a *API) preferred(c *call, ans *answer, t *taken) (*answer, error) {
	if ans.location != "" {
		ans.set("Location", ans.location)
	}
	if ans.body != nil {
		return ans, nil
	}
	var warnings []fhir.Issue
	for _, i := range t.issues {
		if i.Severity == fhir.Warning {
			warnings = append(warnings, i)
		}
	}
	if len(warnings) > 0 && ans.status == http.StatusCreated {
		ans.set("Warning", `199 - "`+strconv.Itoa(len(warnings))+` warnings; Prefer: return=OperationOutcome lists them"`)
	}
	switch c.prefer.ret {
	case "minimal":
	case "OperationOutcome":
		issues := t.issues
		if len(issues) == 0 {
			issues = []fhir.Issue{information("the AuditEvent is stored")}
		}
		ans.body = outcome(issues)
	default:
		if t.node != nil && ans.event == t.event && c.in.version == c.out.version {
			label(t.node, t.event, t.broken)
			ans.body = t.node
			return ans, nil
		}
		n, err := a.show(ans.event, c.out.version)
		if err != nil {
			// It is stored: the answer must say so, with or without it.
			a.Log.WarnContext(c.ctx, "a stored resource could not be shown", "uid", ans.event.UID.String(), "err", err)
			return ans, nil
		}
		ans.body = n
	}
	return ans, nil
}

// idempotency returns the key of the request, nil where it has none.
func idempotency(c *call) (*store.Key, error) {
	key, ok := web.IdempotencyKey(c.header)
	if !ok {
		return nil, fail(http.StatusBadRequest, "value", "there may be one Idempotency-Key, of 1 to "+strconv.Itoa(web.MaxIdempotencyKey)+" bytes")
	}
	if key == "" {
		return nil, nil
	}
	return &store.Key{Scope: c.principal.Scope() + "\x00fhir", Key: key, Body: sha256.Sum256(c.body)}, nil
}
