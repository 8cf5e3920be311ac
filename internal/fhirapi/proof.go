package fhirapi

import (
	"context"
	"encoding/base64"
	"net/http"
	"time"

	"vigil/internal/format/fhir"
	"vigil/internal/store"
)

// proofWait is how long a proof waits for a checkpoint that covers the event.
const proofWait = 3 * time.Second

// proof answers $proof: the proof that the event is in the log (C2SP tlog-proof),
// as text, or in a Binary where FHIR is asked for.
func (a *API) proof(c *call) (*answer, error) {
	e, err := a.leaf(c) // a document that was removed leaves its proof
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(c.ctx, proofWait)
	defer cancel()
	log := a.Store.Log()
	if err := log.WaitCheckpoint(ctx, e.Index+1); err != nil {
		if c.ctx.Err() != nil {
			return nil, context.Cause(c.ctx)
		}
		return nil, fail(http.StatusServiceUnavailable, "transient", "no checkpoint covers the event yet: it is stored; ask again in a moment")
	}
	p, err := log.Proof(e.Index, store.LeafOf(e).AppendText(nil))
	if err != nil {
		return nil, err
	}
	c.access().Rows++
	ans := described(http.StatusOK, e)
	if !c.out.text && c.asksFHIR() {
		ans.body = &fhir.Node{Resource: "Binary"}
		ans.body.Add(fhir.NewString("contentType", "text/plain; charset=utf-8"), fhir.NewString("data", base64.StdEncoding.EncodeToString(p)))
		return ans, nil
	}
	ans.text = p
	return ans, nil
}

// asksFHIR reports whether the client named one of FHIR's media types.
func (c *call) asksFHIR() bool {
	if c.query.Get("_format") != "" || c.entry {
		return true
	}
	d := *c
	for _, h := range c.header["Accept"] {
		d.header = http.Header{"Accept": {h}}
		if h != "" && h != "*/*" && d.accept() == nil {
			return true
		}
	}
	return false
}
