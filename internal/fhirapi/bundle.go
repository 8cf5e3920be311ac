package fhirapi

import (
	"bytes"
	"net/http"
	"strconv"
	"strings"

	"vigil"
	"vigil/internal/auth"
	"vigil/internal/format/fhir"
	"vigil/internal/store"
	"vigil/internal/web"
)

// bundle answers a Bundle that is posted.
func (a *API) bundle(c *call) (*answer, error) {
	c.guessForm()
	if len(c.body) == 0 {
		return nil, fail(http.StatusBadRequest, "structure", "the body is empty")
	}
	c.access().Write = true
	b, err := a.readBundle(c)
	if err != nil {
		return nil, err
	}
	switch b.kind {
	case "batch":
		return a.batch(c, b)
	case "transaction":
		return a.transaction(c, b)
	case "collection":
		return a.collection(c, b)
	}
	return nil, fail(http.StatusBadRequest, "value", "Bundle.type must be batch, transaction or collection")
}

// batch does what each entry asks for. What one of them lacks is its own failure;
// only where nothing can be stored at all does the whole fail, so that the sender
// comes again. All that is added is added in one commit.
func (a *API) batch(c *call, b *bundle) (*answer, error) {
	creates := b.sort(c)
	if err := a.Allow(c.principal, vigil.TableAuditEvents, auth.Insert); err != nil {
		if len(creates) == len(b.entries) {
			return nil, err
		}
		for _, e := range creates { // the others may read
			e.err = err
		}
		creates = nil
	}
	a.reader(c).judge(creates)
	if err := a.add(c, creates, true); err != nil {
		return nil, err
	}
	a.others(c, b)
	return b.answer(c, "batch-response"), nil
}

// transaction does all that the entries ask for, or nothing.
func (a *API) transaction(c *call, b *bundle) (*answer, error) {
	creates := b.sort(c)
	a.reader(c).judge(creates)
	if err := b.failure(); err != nil {
		return nil, err
	}
	if err := a.add(c, creates, false); err != nil {
		return nil, err
	}
	if err := b.failure(); err != nil {
		return nil, err // a condition that more than one resource meets
	}
	a.others(c, b)
	return b.answer(c, "transaction-response"), nil
}

// failure returns why a transaction cannot be, with all that its entries lack.
func (b *bundle) failure() error {
	const most = 100 // issues that are told
	var out *Error
	for i, e := range b.entries {
		if e.err == nil {
			continue
		}
		err := located(e.err, i)
		if out == nil {
			out = err
			continue
		}
		if out.Issues = append(out.Issues, err.Issues...); len(out.Issues) > most {
			break
		}
	}
	if out == nil {
		return nil
	}
	return out
}

// sort finds out what each entry asks for, and returns those that add.
func (b *bundle) sort(c *call) []*entry {
	var creates []*entry
	for _, e := range b.entries {
		switch {
		case e.err != nil:
		case !e.asked:
			e.err = fail(http.StatusBadRequest, "required", "the entry has no request: Bundles of this type need one in each entry")
		default:
			e.err = e.plan(c)
			if e.err == nil && e.method == http.MethodPost {
				creates = append(creates, e)
			}
		}
	}
	return creates
}

// plan checks the request of an entry.
func (e *entry) plan(c *call) error {
	if e.method == http.MethodPost && e.url == auditEvent { // nearly every one
		e.condition = e.header.Get("If-None-Exist")
		return nil
	}
	x, err := c.entryCall(e.method, e.url, e.header)
	if err != nil {
		return err
	}
	if e.method != http.MethodPost {
		return nil
	}
	if x.kind != atCreate {
		return fail(http.StatusBadRequest, "not-supported", "an entry may POST to "+auditEvent+" only")
	}
	e.condition = x.condition()
	return nil
}

// add stores what the entries add, in one commit. Part says that entries whose
// condition fails leave the others alone.
func (a *API) add(c *call, creates []*entry, part bool) error {
	if len(creates) == 0 {
		return nil
	}
	if err := a.Allow(c.principal, vigil.TableAuditEvents, auth.Insert); err != nil {
		return err
	}
	for _, e := range creates {
		if e.err == nil && e.condition != "" {
			unlock, err := a.alone(c.ctx)
			if err != nil {
				return err
			}
			defer unlock()
			if err := a.conditions(c, creates); err != nil {
				return err
			}
			break
		}
	}
	key, err := idempotency(c)
	if err != nil {
		return err
	}
	batch := &store.Batch{Key: key}
	var added []*entry
	for _, e := range creates {
		switch {
		case e.err != nil && !part:
			return nil // told by the caller
		case e.err == nil && e.answer == nil:
			batch.Events, added = append(batch.Events, e.taken.event), append(added, e)
		}
	}
	if len(added) == 0 {
		return nil
	}
	receipt, err := a.Store.Append(c.ctx, batch)
	if err != nil {
		return err
	}
	if receipt.Replayed {
		events, err := a.entriesFrom(c.ctx, receipt)
		if err != nil {
			return err
		}
		if !replay(added, events) {
			return fail(http.StatusConflict, "conflict", "a request with this Idempotency-Key was taken before, and other resources of it")
		}
	} else {
		c.access().Rows += int64(len(added))
	}
	for _, e := range added {
		e.answer = c.created(e.taken)
		if c.prefer.ret == "representation" && e.answer.body == nil {
			if e.shown, err = a.show(e.taken.event, c.out.version); err != nil {
				a.Log.WarnContext(c.ctx, "a stored resource could not be shown", "uid", e.taken.event.UID.String(), "err", err)
			}
		}
	}
	return nil
}

// replay gives entries the events that an earlier request with the same key made
// of them, and reports whether it made one of each. It may have made more: what
// it added meets the condition of an entry now.
func replay(added []*entry, events []*vigil.Event) bool {
	for i, e := range added {
		for len(events) > len(added)-i && !bytes.Equal(events[0].Doc, e.taken.event.Doc) {
			events = events[1:]
		}
		if len(events) == 0 {
			return false
		}
		e.taken.event, events = events[0], events[1:]
	}
	return true
}

// conditions searches for what entries are to be added only if it is not there.
func (a *API) conditions(c *call, creates []*entry) error {
	asked := 0
	for _, e := range creates {
		if e.err != nil || e.condition == "" {
			continue
		}
		if asked += len(e.condition); asked > maxRecorded {
			return errCostly()
		}
		values, err := parseCondition(e.condition)
		if err != nil {
			e.err = err
			continue
		}
		found, err := a.matches(c, values, 2)
		switch {
		case err != nil && !isFinal(err):
			return err
		case err != nil:
			e.err = err
		case len(found) == 1:
			c.recordRead(e.condition)
			e.answer = described(http.StatusOK, found[0])
			e.answer.location = c.versionURL(found[0])
		case len(found) > 1:
			c.recordRead(e.condition)
			e.err = errMultiple()
		}
	}
	return nil
}

// others answers the entries that read. The record of access then is one of a
// read, with what was asked: a Bundle is no way around it.
func (a *API) others(c *call, b *bundle) {
	access := c.access()
	ctx, cancel := a.bounded(c.ctx)
	defer cancel()
	c.ctx = ctx
	var asked []string
	rows, length := int64(0), 0
	for _, e := range b.entries {
		if e.err != nil || e.answer != nil || e.method == http.MethodPost {
			continue
		}
		if length += len(e.url); length > maxRecorded || len(asked) == maxReads || rows >= int64(a.MaxCount) {
			e.err = errCostly()
			continue
		}
		access.Rows = 0
		x, err := c.entryCall(e.method, e.url, e.header)
		switch {
		case err != nil:
		case x.kind == atVerify || x.kind == atStatus:
			err = fail(http.StatusForbidden, "too-costly", "the integrity is verified by a request of its own")
		default:
			e.answer, err = a.do(x)
		}
		if e.err = err; err == nil && e.method != http.MethodHead {
			e.shown = e.answer.body
		}
		asked = append(asked, e.method+" "+e.url)
		rows += access.Rows
	}
	if asked != nil {
		c.recordRead(strings.Join(asked, "\n"))
		access.Rows = rows
	}
}

// maxReads is how many entries of a Bundle may read. What they may show together
// is what one page may have, and one more page.
const maxReads = 100

// maxRecorded is how long the questions of a Bundle may be together, in bytes:
// each is recorded whole.
const maxRecorded = 1 << 20

func errCostly() *Error {
	return fail(http.StatusForbidden, "too-costly", "the Bundle reads too much: send several")
}

// recordRead has the record of access say that the request read, although it also
// writes, and what it asked beside what it asked before.
func (c *call) recordRead(question string) {
	access := c.access()
	question = web.Readable(question)
	if !access.Write {
		question = access.Query + "\n" + question
	}
	access.Write, access.Asked, access.Query = false, true, question
}

// answer makes the answer to the Bundle, an entry for each of its entries.
func (b *bundle) answer(c *call, kind string) *answer {
	out := &fhir.Node{Resource: "Bundle", Children: make([]*fhir.Node, 0, len(b.entries)+1)}
	out.Add(fhir.NewString("type", kind))
	for i, e := range b.entries {
		out.Add(e.response(c, i))
	}
	return &answer{status: http.StatusOK, body: out}
}

// response makes the entry of an answer.
func (e *entry) response(c *call, i int) *fhir.Node {
	n := fhir.NewObject("entry").Listed()
	response := fhir.NewObject("response")
	if e.err != nil {
		err := located(e.err, i)
		return n.Add(response.Add(status(err.Status), named("outcome", outcome(err.Issues))))
	}
	ans := e.answer
	if e.shown != nil {
		n.Add(named("resource", e.shown))
	}
	response.Add(status(ans.status))
	if ans.location != "" {
		response.Add(fhir.NewString("location", ans.location))
	}
	if tag := ans.header.Get("ETag"); tag != "" {
		response.Add(fhir.NewString("etag", tag))
	}
	if ans.event != nil {
		response.Add(fhir.NewString("lastModified", instant(ans.event.Received)))
	}
	switch {
	case e.method == http.MethodPost && ans.body != nil:
		response.Add(named("outcome", ans.body))
	case e.taken != nil && len(e.taken.issues) > 0:
		response.Add(named("outcome", outcome(e.taken.issues)))
	}
	return n.Add(response)
}

// named gives a resource the name of the element that it is put into.
func named(name string, n *fhir.Node) *fhir.Node {
	n.Name = name
	return n
}

// status returns the element that says how an entry ended.
func status(code int) *fhir.Node {
	return fhir.NewString("status", strconv.Itoa(code)+" "+http.StatusText(code))
}
