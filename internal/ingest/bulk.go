package ingest

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"vigil"
	"vigil/internal/auth"
	"vigil/internal/store"
	"vigil/internal/web"
)

// writers is how many documents with an _id are stored at once: each is a commit
// of its own, which the store makes one of.
const writers = 64

// Bulk returns the face of POST /_bulk: Elasticsearch's bulk API for actions
// that add (create and index). Every item has its own answer, as there.
//
// A document with an _id is stored once: the same create again is 409, the same
// index again changes nothing. Nothing is ever replaced: an index with an _id
// that is there with another document adds that.
func (a *API) Bulk() http.Handler {
	h := web.Handle(a.bulk, a.writer(elasticError))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Elastic-Product", "Elasticsearch") // its clients ask for it
		if strings.Contains(r.Header.Get("Accept"), "application/vnd.elasticsearch+json") {
			w.Header().Set("Content-Type", "application/vnd.elasticsearch+json;compatible-with=8")
		}
		h.ServeHTTP(w, r)
	})
}

func (a *API) bulk(w http.ResponseWriter, r *http.Request) error {
	start := a.Now()
	p, body, release, err := a.open(w, r, a.authenticate, http.MethodPost, http.MethodPut)
	if err != nil {
		return err
	}
	defer release()
	items, err := a.items(body)
	if err != nil {
		return err
	}
	b := &bulkRequest{api: a, principal: p, sender: sender(r, p, "elasticsearch"), items: items}
	b.place()
	access := web.AccessOf(r.Context())
	if b.denied != nil {
		access.Denied = shown(b.denied).message
	}
	if err := b.store(r, body); err != nil {
		return err
	}
	if len(b.tables) == 1 {
		for table := range b.tables {
			access.Table = table
		}
	}
	access.Rows = b.stored()
	respond(w, http.StatusOK, b.answer(a.Now().Sub(start)))
	return nil
}

// bulkRequest is one request, whose items may be read already.
type bulkRequest struct {
	api       *API
	principal *auth.Principal
	sender    *vigil.Sender
	items     []item
	tables    map[string]error // whether the sender may add to a table
	denied    error            // that it may not add to one of them
}

// place finds the table of each item, and refuses those that may not go there.
func (b *bulkRequest) place() {
	b.tables = map[string]error{}
	for i := range b.items {
		it := &b.items[i]
		if it.status != 0 {
			continue
		}
		table := b.api.Index(it.index)
		denied, asked := b.tables[table]
		if !asked {
			denied = b.api.Allow(b.principal, table, auth.Insert)
			b.tables[table] = denied
		}
		if denied != nil {
			b.denied = denied
			it.fail(denied)
			continue
		}
		it.event = &vigil.Event{Table: table, Format: vigil.FormatOf(table), Doc: bytes.Clone(it.doc), Sender: b.sender}
	}
}

// store stores the items: those without an _id in one commit, the others each
// with a key of its own. Its error is one of the whole request: nothing of it was
// stored.
func (b *bulkRequest) store(r *http.Request, body []byte) error {
	var plain []*item
	var named []*item
	for i := range b.items {
		switch it := &b.items[i]; {
		case it.event == nil:
		case it.id != "":
			named = append(named, it)
		default:
			plain = append(plain, it)
		}
	}
	if len(plain) > 0 {
		k, err := key(r, b.principal, "bulk", body)
		if err != nil {
			return err
		}
		batch := &store.Batch{Key: k}
		for _, it := range plain {
			batch.Events = append(batch.Events, it.event)
		}
		receipt, err := b.api.Store.Append(r.Context(), batch)
		if err != nil && len(named) == 0 {
			return err
		}
		for _, it := range plain {
			if err != nil {
				it.fail(err)
				continue
			}
			it.status, it.fresh = http.StatusCreated, !receipt.Replayed
		}
	}
	b.storeNamed(r.Context(), named)
	return nil
}

// storeNamed stores the items with an _id. An _id twice in a request is stored
// in its order.
func (b *bulkRequest) storeNamed(ctx context.Context, named []*item) {
	byID := map[string][]*item{}
	var order []string
	for _, it := range named {
		id := it.index + "\x00" + it.id
		if byID[id] == nil {
			order = append(order, id)
		}
		byID[id] = append(byID[id], it)
	}
	var wg sync.WaitGroup
	free := make(chan struct{}, writers)
	for _, id := range order {
		free <- struct{}{}
		wg.Go(func() {
			defer func() { <-free }()
			for _, it := range byID[id] {
				b.storeOne(ctx, it)
			}
		})
	}
	wg.Wait()
}

func (b *bulkRequest) storeOne(ctx context.Context, it *item) {
	digest := sha256.Sum256(it.doc)
	k := &store.Key{Scope: b.principal.Scope() + "\x00bulk\x00" + it.index, Key: it.id, Body: digest}
	if len(k.Key) > web.MaxIdempotencyKey {
		sum := sha256.Sum256([]byte(it.id))
		k.Key = "sha256:" + hex.EncodeToString(sum[:])
	}
	if it.action == "index" { // another document under the id is a further one
		k.Scope += "\x00" + hex.EncodeToString(digest[:])
	}
	receipt, err := b.api.Store.Append(ctx, &store.Batch{Events: []*vigil.Event{it.event}, Key: k})
	switch {
	case err == nil && !receipt.Replayed:
		it.status, it.fresh = http.StatusCreated, true
	case err == nil && it.action == "index":
		it.status = http.StatusOK
	case err == nil, vigil.KindOf(err) == vigil.Unprocessable:
		it.status, it.kind = http.StatusConflict, "version_conflict_engine_exception"
		it.reason = "[" + it.id + "]: version conflict, document already exists (current version [1])"
	default:
		it.fail(err)
	}
}

// stored returns how many documents are new.
func (b *bulkRequest) stored() (n int64) {
	for i := range b.items {
		if b.items[i].fresh {
			n++
		}
	}
	return n
}

// answer returns the body of the answer.
func (b *bulkRequest) answer(took time.Duration) []byte {
	failed := false
	for i := range b.items {
		failed = failed || b.items[i].status >= 300
	}
	dst := append(make([]byte, 0, 256*(len(b.items)+1)), `{"took":`...)
	dst = strconv.AppendInt(dst, took.Milliseconds(), 10)
	dst = strconv.AppendBool(append(dst, `,"errors":`...), failed)
	dst = append(dst, `,"items":[`...)
	for i := range b.items {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = b.items[i].append(dst)
	}
	return append(dst, ']', '}')
}
