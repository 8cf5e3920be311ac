package ingest

import (
	"crypto/sha256"
	"net/http"
	"strconv"

	"vigil"
	"vigil/internal/auth"
	"vigil/internal/jsonb"
	"vigil/internal/store"
	"vigil/internal/web"
)

// check refuses what no store could keep.
func (a *API) check(doc []byte) error {
	return jsonb.Check(doc, jsonb.Limits{Depth: a.Limits.Depth, Keys: a.Limits.Keys, Text: jsonb.Printed(doc)})
}

// key returns the Idempotency-Key of the request for that face, nil where it has
// none. The answer to a retry is the first one's.
func key(r *http.Request, p *auth.Principal, face string, body []byte) (*store.Key, error) {
	k, ok := web.IdempotencyKey(r.Header)
	if !ok {
		return nil, vigil.Errorf(vigil.Invalid, "There may be one Idempotency-Key, of 1 to %s bytes", strconv.Itoa(web.MaxIdempotencyKey))
	}
	if k == "" {
		return nil, nil
	}
	return &store.Key{Scope: p.Scope() + "\x00" + face, Key: k, Body: sha256.Sum256(body)}, nil
}

// replayed says that an answer is that of an earlier request with the same key.
func replayed(w http.ResponseWriter, r store.Receipt) {
	if r.Replayed {
		w.Header().Set("Idempotency-Replayed", "true")
	}
}

// sender returns who is stored with what came by a face.
func sender(r *http.Request, p *auth.Principal, face string) *vigil.Sender {
	return p.Sender(face, web.AccessOf(r.Context()).Peer)
}
