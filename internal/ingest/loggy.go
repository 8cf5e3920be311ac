package ingest

import (
	"context"
	"mime"
	"net/http"
	"strings"

	"vigil"
	"vigil/internal/auth"
	"vigil/internal/jsonb"
	"vigil/internal/store"
	"vigil/internal/web"
)

// Loggy returns the face of POST /$loggy: one record of an application, as JSON
// or YAML, becomes a line of the log.
func (a *API) Loggy() http.Handler { return web.Handle(a.loggy, a.writer(plainError)) }

func (a *API) loggy(w http.ResponseWriter, r *http.Request) error {
	if a.cors(w, r) {
		return nil
	}
	p, body, release, err := a.open(w, r, a.anyone, http.MethodPost)
	if err != nil {
		return err
	}
	defer release()
	idempotency, err := key(r, p, "loggy", body)
	if err != nil {
		return err
	}
	rec, err := a.record(r, body)
	if err != nil {
		return err
	}
	access := web.AccessOf(r.Context())
	doc := a.line(&rec, p, access.ID, r.Header.Get("X-Correlation-Id"))
	e := &vigil.Event{Table: vigil.TableLogs, Format: vigil.FormatAidbox, Doc: doc, Sender: sender(r, p, "loggy")}
	receipt, err := a.Store.Append(r.Context(), &store.Batch{Events: []*vigil.Event{e}, Key: idempotency})
	if err != nil {
		return err
	}
	access.Rows = int64(receipt.Count)
	ctx := access.ID
	if receipt.Replayed {
		if ctx, err = a.context(r.Context(), receipt.First, ctx); err != nil {
			return err
		}
	}
	replayed(w, receipt)
	respond(w, http.StatusOK, append(jsonb.AppendLineString([]byte(`{"ctx":`), ctx), '}'))
	return nil
}

// context returns the ctx of the record that stands at a place of the log, which
// is the one that was answered when it was taken; none where it was removed since.
func (a *API) context(ctx context.Context, place int64, none string) (string, error) {
	for e, err := range a.Store.Entries(ctx, place) {
		if err != nil {
			return "", err
		}
		if e.Erased {
			break
		}
		if first, ok := jsonb.Get(e.Doc, "ctx"); ok {
			return string(jsonb.AppendText(nil, first)), nil
		}
		break
	}
	return none, nil
}

// anyone returns who sends: who gives no credentials too, where that is allowed.
func (a *API) anyone(r *http.Request) (*auth.Principal, error) {
	if a.Anonymous && r.Header.Get("Authorization") == "" && (r.TLS == nil || len(r.TLS.PeerCertificates) == 0) {
		return &auth.Principal{Anonymous: true, Role: "aidbox"}, nil
	}
	return a.logger(r)
}

// record is what a request to $loggy says: JSON values, nil where they are not there.
type record struct {
	message, kind, version, function []byte
	rest                             []byte // members without a meaning, as an object; empty for none
}

// record reads a body. What has no message is refused, as in Aidbox; what has no
// type is taken, since Aidbox's clients leave it out.
func (a *API) record(r *http.Request, body []byte) (rec record, err error) {
	if isYAML(r.Header.Get("Content-Type"), body) {
		if body, err = a.yaml(r.Context(), body); err != nil {
			return rec, err
		}
	}
	if err := a.check(body); err != nil {
		return rec, err
	}
	if jsonb.Kind(body) != '{' {
		return rec, vigil.Errorf(vigil.Unprocessable, "The body must be an object with a message")
	}
	for name, val := range jsonb.Members(body) {
		switch name {
		case "message":
			rec.message = val
		case "type":
			rec.kind = val
		case "v":
			rec.version = val
		case "fx":
			rec.function = val
		default:
			rec.rest = append(jsonb.AppendLineString(append(rec.rest, ','), name), ':')
			rec.rest = append(rec.rest, val...)
		}
	}
	if len(rec.message) == 0 || string(rec.message) == "null" {
		return rec, &vigil.Error{
			Kind: vigil.Unprocessable, Message: "message is required",
			Hint: `For example {"type": "ui", "message": {"error": "Access denied."}}.`,
		}
	}
	return rec, nil
}

// isYAML reports whether a body is YAML: because it is called so, or because it
// is not called JSON and does not look like it.
func isYAML(contentType string, body []byte) bool {
	media, _, _ := mime.ParseMediaType(contentType)
	switch {
	case strings.HasSuffix(media, "yaml"):
		return true
	case strings.HasSuffix(media, "json"):
		return false
	}
	switch jsonb.Kind(body) {
	case '{', '[', '"', 0:
		return false
	}
	return true
}

// line returns a record as a line of the log. The message is kept as it came.
func (a *API) line(rec *record, p *auth.Principal, id, correlation string) []byte {
	dst := make([]byte, 0, len(rec.message)+len(rec.rest)+512)
	dst = append(dst, `{"ts":"`...)
	dst = append(a.Now().UTC().AppendFormat(dst, "2006-01-02T15:04:05.000Z"), '"')
	text := func(name, s string) {
		if s != "" {
			dst = append(append(append(dst, `,"`...), name...), `":`...)
			dst = jsonb.AppendLineString(dst, strings.ReplaceAll(s, "\x00", "\uFFFD")) // jsonb holds no NUL
		}
	}
	raw := func(name string, val []byte) {
		if len(val) > 0 {
			dst = append(append(append(dst, `,"`...), name...), `":`...)
			dst = append(dst, val...)
		}
	}
	text("tn", a.Tenant)
	text("w", a.Worker)
	text("lvl", levelOf(rec.kind))
	raw("type", rec.kind)
	text("ctx", id)
	text("w_m", "post")
	text("w_corr_id", correlation)
	text("w_uid", p.Subject)
	text("w_cid", p.Client)
	raw("w_app_v", rec.version)
	raw("w_app_fx", rec.function)
	raw("message", rec.message)
	if len(rec.rest) > 0 {
		dst = append(append(append(dst, `,"app":{`...), rec.rest[1:]...), '}')
	}
	return append(dst, '}')
}

// levelOf returns the level that the end of a type names: lab-backend-ERROR,
// ui-error. Info, and what names none, has none.
func levelOf(kind []byte) string {
	if jsonb.Kind(kind) != '"' || len(kind) > 256 {
		return ""
	}
	text := string(jsonb.AppendText(nil, kind))
	switch strings.ToLower(text[strings.LastIndexByte(text, '-')+1:]) {
	case "critical", "fatal", "panic":
		return "panic"
	case "error":
		return "error"
	case "warning", "warn":
		return "warn"
	case "debug":
		return "debug"
	}
	return ""
}
