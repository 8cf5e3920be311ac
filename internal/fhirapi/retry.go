package fhirapi

import (
	"crypto/sha256"
	"net/http"

	"vigil"
	"vigil/internal/auth"
	"vigil/internal/store"
)

// retryHeader names the record of quarantine whose document is posted again.
const retryHeader = "Vigil-Retry"

// retry has a batch say, in the commit that adds the event, that a record of
// quarantine was taken after all. Its key keeps the same record from being taken
// twice.
func (a *API) retry(c *call, batch *store.Batch, text string, t *taken) error {
	uid, err := vigil.ParseUID(text)
	if err != nil {
		return fail(http.StatusBadRequest, "value", retryHeader+" must be the UID of a record in quarantine")
	}
	if err := a.Allow(c.principal, vigil.TableQuarantine, auth.Select); err != nil {
		return err
	}
	e, err := a.Store.ByUID(c.ctx, uid)
	if err != nil || e.Table != vigil.TableQuarantine {
		return fail(http.StatusNotFound, "not-found", "there is no such record in quarantine")
	}
	if t.held {
		return &Error{Status: http.StatusUnprocessableEntity, Issues: t.issues}
	}
	batch.Events = append(batch.Events, &vigil.Event{
		Table: vigil.TableQuarantine, Format: vigil.FormatSystem, Sender: t.event.Sender,
		Doc: []byte(`{"retried":"` + uid.String() + `","for":"` + vigil.TableAuditEvents + `"}`),
	})
	batch.Key = &store.Key{Scope: "fhir-retry", Key: uid.String(), Body: sha256.Sum256(t.event.Doc)}
	return nil
}
