package fhirapi

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"net/http"
	"sync"

	"vigil"
	"vigil/internal/auth"
	"vigil/internal/format/fhir"
	"vigil/internal/jsonb"
	"vigil/internal/store"
)

// maxAppends is how many entries of a collection are on their way at a time. The
// store commits them together.
const maxAppends = 256

// collection takes a Bundle as Aidbox pushes its audit log: entries without a
// request, and references of its own. Aidbox sends a Bundle that is not answered
// by 2xx again for ever, in whole or in part, so that
//   - what cannot be taken goes to quarantine, and the answer is 2xx all the same;
//   - an entry that was taken before is not added again: each has a key, of the
//     sender, the id that it gave, and the text.
//
// Only where the store takes nothing does the request fail; what was added until
// then is known when it comes again.
func (a *API) collection(c *call, b *bundle) (*answer, error) {
	if err := a.Allow(c.principal, vigil.TableAuditEvents, auth.Insert); err != nil {
		return nil, err
	}
	r := a.reader(c)
	r.native = true
	keys := make([]*store.Key, len(b.entries))
	for i, e := range b.entries {
		e.method = http.MethodPost
		keys[i] = entryKey(c, e.document())
		e.keep()
	}
	r.judge(b.entries)
	for i, e := range b.entries {
		if e.err != nil {
			e.quarantine(r)
			keys[i].Scope += "/quarantine"
		}
	}
	if err := a.addEach(c, b.entries, keys); err != nil {
		return nil, err
	}
	return b.answer(c, "batch-response"), nil
}

// entryKey returns the key of an entry. Equal entries have equal keys, however
// they were packed.
func entryKey(c *call, doc []byte) *store.Key {
	id := ""
	if jsonb.Kind(doc) == '{' {
		if v, ok := jsonb.Get(doc, "id"); ok {
			id = text(v)
		}
	}
	sum := sha256.Sum256(doc)
	return &store.Key{Scope: c.principal.Scope() + "\x00fhir-collection", Key: id + "\x00" + hex.EncodeToString(sum[:]), Body: sum}
}

// keep keeps the text of an entry for quarantine, as long as it may be needed.
func (e *entry) keep() {
	if e.node != nil {
		e.text = fhir.AppendJSON(nil, e.node)
	}
}

// quarantine has an entry that cannot be taken go to quarantine.
func (e *entry) quarantine(r *reader) {
	err := asError(e.err)
	doc := e.text
	if doc == nil {
		doc = []byte("null")
	}
	e.taken = &taken{held: true, issues: err.Issues}
	e.taken.event = quarantined(doc, formatOf(r.form.version), r.sender, "it is no valid AuditEvent", err.Issues)
	e.err = nil
}

// addEach stores each entry under its key.
func (a *API) addEach(c *call, entries []*entry, keys []*store.Key) error {
	var wg sync.WaitGroup
	slots := make(chan struct{}, maxAppends)
	errs := make([]error, len(entries))
	for i, e := range entries {
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			errs[i] = a.addOne(c, e, keys[i])
		})
	}
	wg.Wait()
	for _, e := range entries {
		if e.answer != nil && e.answer.status != http.StatusOK {
			c.access().Rows++
		}
	}
	return errors.Join(errs...)
}

func (a *API) addOne(c *call, e *entry, key *store.Key) error {
	receipt, err := a.Store.Append(c.ctx, &store.Batch{Events: []*vigil.Event{e.taken.event}, Key: key})
	if err != nil {
		return err
	}
	if !receipt.Replayed {
		e.answer = c.created(e.taken)
		return nil
	}
	e.answer = &answer{status: http.StatusOK, body: outcome([]fhir.Issue{information("this was taken before")})}
	return nil
}
