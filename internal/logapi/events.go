package logapi

import (
	"bufio"
	"context"
	"encoding/base64"
	"net/http"
	"strconv"
	"time"

	"vigil"
	"vigil/internal/store"
)

// proof serves the proof that an event is in the log (C2SP tlog-proof). For an
// event that no checkpoint covers yet it waits for one.
func (a *API) proof(w http.ResponseWriter, r *http.Request, uid string) error {
	e, err := a.event(r, uid)
	if err != nil {
		return err
	}
	log := a.Store.Log()
	ctx, cancel := context.WithTimeout(r.Context(), a.Wait)
	defer cancel()
	if err := log.WaitCheckpoint(ctx, e.Index+1); err != nil {
		if r.Context().Err() != nil {
			return context.Cause(r.Context())
		}
		return &vigil.Error{
			Kind: vigil.Unavailable, Message: "no checkpoint covers the event yet",
			Hint: "The event is stored; ask again in a moment.", RetryAfter: time.Second,
		}
	}
	record := store.LeafOf(e).AppendText(nil)
	b, err := log.Proof(e.Index, record)
	if err != nil {
		return err
	}
	a.Observe(r, e.Table, "proof/"+uid, 1)
	h := w.Header()
	h.Set("Cache-Control", "private, no-cache")
	h.Set("Content-Disposition", `attachment; filename="`+uid+`.tlog-proof"`)
	return write(w, r, plainText, b)
}

// raw serves the bytes of a document that its commitment is made of, and in
// headers what else that is made of. These are the bytes that were received,
// unless Vigil-Form is canonical: then only their text as PostgreSQL prints it is
// kept.
func (a *API) raw(w http.ResponseWriter, r *http.Request, uid string) error {
	e, err := a.event(r, uid)
	if err != nil {
		return err
	}
	if e.Erased {
		return store.ErrErased(e)
	}
	a.Observe(r, e.Table, "raw/"+uid, 1)
	h := w.Header()
	h.Set("Cache-Control", "private, no-store")
	h.Set("Content-Security-Policy", "default-src 'none'; sandbox") // the document is a stranger's
	l := store.LeafOf(e)
	h.Set("Vigil-Index", strconv.FormatInt(e.Index, 10))
	h.Set("Vigil-Epoch", strconv.Itoa(l.Epoch))
	h.Set("Vigil-Table", l.Table)
	h.Set("Vigil-Id", strconv.FormatInt(l.ID, 10))
	h.Set("Vigil-Received", l.Received.UTC().Format("2006-01-02T15:04:05.000000Z"))
	h.Set("Vigil-Format", string(e.Format))
	h.Set("Vigil-Form", l.Form)
	h.Set("Vigil-Salt", base64.StdEncoding.EncodeToString(e.Salt[:]))
	h.Set("Vigil-Sender", base64.StdEncoding.EncodeToString(store.AppendSender(nil, e.Sender)))
	return write(w, r, mediaType(e), e.Doc)
}

// mediaType returns the type of a document.
func mediaType(e *vigil.Event) string {
	switch e.Format {
	case vigil.FormatDICOM:
		return "application/xml"
	case vigil.FormatSyslog:
		return plainText
	}
	return "application/json"
}

// entries streams the events of all tables from a place in the log on, up to
// its size now, with everything that a verifier needs: a line of JSON each.
func (a *API) entries(w http.ResponseWriter, r *http.Request) error {
	if err := a.Authorize(r, ""); err != nil {
		return err
	}
	q, err := parameters(r, "from")
	if err != nil {
		return err
	}
	from, err := number(q, "from", 0)
	if err != nil {
		return err
	}
	size := a.Store.Log().Size()
	if from > size {
		return &vigil.Error{
			Kind: vigil.OutOfRange, Message: "the log does not reach that far",
			Details: "It has " + strconv.FormatInt(size, 10) + " entries.",
		}
	}
	h := w.Header()
	h.Set("Cache-Control", "private, no-store")
	h.Set("Content-Type", "application/x-ndjson")
	if r.Method == http.MethodHead {
		return nil
	}
	rows := int64(0)
	defer func() { a.Observe(r, "*", "entries from "+strconv.FormatInt(from, 10), rows) }()
	out := bufio.NewWriterSize(w, 64<<10)
	var line []byte
	for e, err := range a.Store.Entries(r.Context(), from) {
		if err != nil {
			return err // what is in the buffer is not sent: a part is no answer
		}
		line = store.EntryOf(e).AppendJSON(line[:0])
		if _, err := out.Write(line); err != nil {
			return err
		}
		rows++
	}
	return out.Flush()
}
