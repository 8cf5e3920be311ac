package logapi

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strconv"

	"vigil"
	"vigil/internal/ledger"
	"vigil/internal/store"
)

const (
	plainText = "text/plain; charset=utf-8"
	octets    = "application/octet-stream"

	tileWidth = 256

	// A tile never changes; a partial one is soon of no use.
	cacheFull    = "max-age=31536000, immutable"
	cachePartial = "max-age=3600, immutable"
)

// checkpoint serves the latest checkpoint (C2SP tlog-checkpoint).
func (a *API) checkpoint(w http.ResponseWriter, r *http.Request) error {
	b := a.Store.Log().Checkpoint()
	if b == nil {
		return &vigil.Error{
			Kind: vigil.NotFound, Message: "there is no checkpoint yet",
			Hint: "The first one is signed within a second or so of the first event.",
		}
	}
	a.cache(w, "max-age=1")
	return write(w, r, plainText, b)
}

// key serves the verifier key. One that is fetched here proves nothing alone: it
// is to be noted down when the log is new.
func (a *API) key(w http.ResponseWriter, r *http.Request) error {
	if a.Key == "" {
		return vigil.Errorf(vigil.NotFound, "this log is not signed")
	}
	a.cache(w, "max-age=60")
	return write(w, r, plainText, []byte(a.Key+"\n"))
}

// tile serves a tile or a bundle of entries (C2SP tlog-tiles).
func (a *API) tile(w http.ResponseWriter, r *http.Request, path string) error {
	t, err := ledger.ParseTilePath(path)
	if err != nil {
		return &vigil.Error{
			Kind: vigil.NotFound, Message: "this is no path of a tile",
			Hint: "Tiles are at /log/tile/<L>/<N>[.p/<W>] and /log/tile/entries/<N>[.p/<W>], see c2sp.org/tlog-tiles.",
		}
	}
	// A bundle is there when its tile is, which is cheaper to find out.
	b, err := a.Store.Log().Tile(t.Level, t.N, t.Width)
	if err == nil && t.Entries {
		b, err = a.bundle(r.Context(), t)
	}
	if err != nil {
		return outside(err)
	}
	if t.Partial() {
		a.cache(w, cachePartial)
	} else {
		a.cache(w, cacheFull)
	}
	return write(w, r, octets, b)
}

// bundle returns leaf records, each after its length. They are made from the
// events, which is why few bundles are made at a time.
func (a *API) bundle(ctx context.Context, t ledger.TilePath) ([]byte, error) {
	select {
	case a.bundles <- struct{}{}:
		defer func() { <-a.bundles }()
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	b := make([]byte, 0, t.Width*200)
	n := 0
	for e, err := range a.Store.Entries(ctx, t.N*tileWidth) {
		if err != nil {
			return nil, err
		}
		at := len(b)
		b = store.LeafOf(e).AppendText(append(b, 0, 0))
		binary.BigEndian.PutUint16(b[at:], uint16(len(b)-at-2))
		if n++; n == t.Width {
			return b, nil
		}
	}
	return nil, fmt.Errorf("bundle %d: %d entries, want %d", t.N, n, t.Width)
}

// consistency serves the proof that the log of size to extends that of size
// from, as a JSON array of base64 hashes. Without to it is the latest checkpoint's.
func (a *API) consistency(w http.ResponseWriter, r *http.Request) error {
	q, err := parameters(r, "from", "to")
	if err != nil {
		return err
	}
	signed, _ := a.Store.Log().Signed()
	from, err := number(q, "from", 0)
	if err != nil {
		return err
	}
	to, err := number(q, "to", signed.Size)
	if err != nil {
		return err
	}
	hashes, err := a.Store.Log().Consistency(from, to)
	if err != nil {
		return outside(err)
	}
	if hashes == nil {
		hashes = []ledger.Hash{}
	}
	b, err := json.Marshal(map[string]any{"from": from, "to": to, "hashes": hashes})
	if err != nil {
		return err
	}
	a.cache(w, "max-age=60")
	return write(w, r, "application/json", append(b, '\n'))
}

// parameters returns the query's parameters, of which there may be only these,
// each once.
func parameters(r *http.Request, names ...string) (url.Values, error) {
	q, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return nil, vigil.Errorf(vigil.Invalid, "the query cannot be read")
	}
	left := len(q)
	for _, name := range names {
		if len(q[name]) > 1 {
			return nil, vigil.Errorf(vigil.Invalid, "%s is given twice", name)
		}
		left -= len(q[name])
	}
	if left != 0 {
		return nil, vigil.Errorf(vigil.Invalid, "a parameter is unknown: there may be %q", names)
	}
	return q, nil
}

// number reads a place or a size.
func number(q url.Values, name string, absent int64) (int64, error) {
	if !q.Has(name) {
		return absent, nil
	}
	n, err := strconv.ParseInt(q.Get(name), 10, 64)
	if err != nil || n < 0 {
		return 0, vigil.Errorf(vigil.Invalid, "%s must be a number from 0 on", name)
	}
	return n, nil
}

// write sends a whole answer.
func write(w http.ResponseWriter, r *http.Request, contentType string, b []byte) error {
	w.Header().Set("Content-Type", contentType)
	w.Header().Set("Content-Length", strconv.Itoa(len(b)))
	if r.Method == http.MethodHead {
		return nil
	}
	_, err := w.Write(b)
	return err
}
