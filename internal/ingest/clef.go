package ingest

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"net/http"
	"strings"

	"vigil"
	"vigil/internal/auth"
	"vigil/internal/jsonb"
	"vigil/internal/store"
	"vigil/internal/web"
)

// maxEvents bounds the events of one request.
const maxEvents = 100_000

// SeqCredential is the Authorization header that an API key of Seq's stands for
// unless something else is configured: a token is a bearer's, NAME:SECRET is
// Basic. Empty is no credential.
func SeqCredential(key string) string {
	switch {
	case key == "":
		return ""
	case strings.Count(key, ".") == 2 && !strings.Contains(key, ":"):
		return "Bearer " + key
	case strings.Contains(key, ":"):
		return "Basic " + base64.StdEncoding.EncodeToString([]byte(key))
	}
	return "Bearer " + key
}

// CLEF returns the face of POST /api/events/raw and /ingest/clef: events as Seq
// takes them, one compact event of Serilog's a line, or Seq's older form,
// {"Events": […]}. A request is taken whole or not at all.
func (a *API) CLEF() http.Handler { return web.Handle(a.clef, a.writer(seqError)) }

// seqError is the body of errors as Seq has them.
func seqError(e answered) []byte {
	text := e.message
	if e.details != "" {
		text += ". " + e.details
	}
	return append(jsonb.AppendLineString([]byte(`{"Error":`), text), '}')
}

func (a *API) clef(w http.ResponseWriter, r *http.Request) error {
	if a.cors(w, r) {
		return nil
	}
	keyed := func(r *http.Request) (*auth.Principal, error) { return a.logger(a.withKey(r)) }
	p, body, release, err := a.open(w, r, keyed, http.MethodPost)
	if err != nil {
		return err
	}
	defer release()
	idempotency, err := key(r, p, "clef", body)
	if err != nil {
		return err
	}
	docs, err := a.compact(body)
	if err != nil {
		return err
	}
	if len(docs) > 0 {
		from := sender(r, p, "clef")
		batch := &store.Batch{Key: idempotency, Events: make([]*vigil.Event, len(docs))}
		for i, doc := range docs {
			batch.Events[i] = &vigil.Event{Table: vigil.TableLogs, Format: vigil.FormatCLEF, Doc: doc, Sender: from}
		}
		receipt, err := a.Store.Append(r.Context(), batch)
		if err != nil {
			return err
		}
		web.AccessOf(r.Context()).Rows = int64(receipt.Count)
		replayed(w, receipt)
	}
	respond(w, http.StatusCreated, []byte(`{"MinimumLevelAccepted":null}`))
	return nil
}

// withKey returns r with the API key of Seq's that it has in the place of other
// credentials.
func (a *API) withKey(r *http.Request) *http.Request {
	key := r.Header.Get("X-Seq-ApiKey")
	if key == "" {
		key = r.URL.Query().Get("apiKey")
	}
	if key == "" || r.Header.Get("Authorization") != "" {
		return r
	}
	with := r.Clone(r.Context())
	with.Header.Set("Authorization", a.SeqKey(key))
	return with
}

// compact returns the events of a body, each in bytes of its own.
func (a *API) compact(body []byte) ([][]byte, error) {
	body = bytes.TrimPrefix(body, []byte("\xef\xbb\xbf"))
	if isLegacy(body) {
		return a.legacy(body)
	}
	var docs [][]byte
	n := 0
	for line := range bytes.SplitSeq(body, []byte{'\n'}) {
		n++
		if line = bytes.TrimSpace(line); len(line) == 0 {
			continue
		}
		if err := a.check(line); err != nil {
			return nil, inLine(err, n)
		}
		if jsonb.Kind(line) != '{' {
			return nil, vigil.Errorf(vigil.Invalid, "Line %d is no object", n)
		}
		if len(docs) == maxEvents {
			return nil, vigil.Errorf(vigil.TooLarge, "There are more than %d events", maxEvents)
		}
		docs = append(docs, bytes.Clone(line))
	}
	return docs, nil
}

// inLine says in which line of a body an error is.
func inLine(err error, n int) error {
	e := shown(err)
	return &vigil.Error{Kind: kindOf(e.status), Message: fmt.Sprintf("Line %d: %s", n, e.message), Details: e.details}
}

func kindOf(status int) vigil.Kind {
	if status == http.StatusRequestEntityTooLarge {
		return vigil.TooLarge
	}
	return vigil.Invalid
}

// isLegacy reports whether a body is of Seq's older form: an object with Events,
// which may go over several lines.
func isLegacy(body []byte) bool {
	if jsonb.Kind(body) != '{' || jsonb.Check(body, jsonb.Limits{}) != nil {
		return false
	}
	events, ok := jsonb.Get(body, "Events")
	return ok && jsonb.Kind(events) == '['
}

// legacy returns the events of {"Events": […]} as compact ones.
func (a *API) legacy(body []byte) ([][]byte, error) {
	if err := a.check(body); err != nil {
		return nil, err
	}
	events, _ := jsonb.Get(body, "Events")
	var docs [][]byte
	for e := range jsonb.Elements(events) {
		if jsonb.Kind(e) != '{' {
			return nil, vigil.Errorf(vigil.Invalid, "Event %d is no object", len(docs)+1)
		}
		if len(docs) == maxEvents {
			return nil, vigil.Errorf(vigil.TooLarge, "There are more than %d events", maxEvents)
		}
		docs = append(docs, compactOf(e))
	}
	return docs, nil
}

// compactNames has the compact names of the older ones.
var compactNames = map[string]string{
	"Timestamp": "@t", "Level": "@l", "MessageTemplate": "@mt", "RenderedMessage": "@m", "Exception": "@x",
	"EventType": "@i", "Renderings": "@r",
}

// compactOf returns an event of the older form as a compact one. Its properties
// become members, with an @ more where their name begins with one.
func compactOf(e []byte) []byte {
	dst := make([]byte, 0, len(e))
	add := func(name string, val []byte) {
		if len(dst) == 0 {
			dst = append(dst, '{')
		} else {
			dst = append(dst, ',')
		}
		dst = append(append(jsonb.AppendLineString(dst, name), ':'), val...)
	}
	for name, val := range jsonb.Members(e) {
		switch short, ok := compactNames[name]; {
		case ok:
			add(short, val)
		case name == "Properties" && jsonb.Kind(val) == '{':
			for name, val := range jsonb.Members(val) {
				if strings.HasPrefix(name, "@") {
					name = "@" + name
				}
				add(name, val)
			}
		default:
			add(name, val)
		}
	}
	if len(dst) == 0 {
		dst = append(dst, '{')
	}
	return append(dst, '}')
}
