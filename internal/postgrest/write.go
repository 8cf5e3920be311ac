package postgrest

import (
	"context"
	"crypto/sha256"
	"errors"
	"net"
	"net/http"
	"slices"
	"strconv"

	"vigil"
	"vigil/internal/auth"
	"vigil/internal/postgrest/grammar"
	"vigil/internal/query"
	"vigil/internal/store"
	"vigil/internal/web"
)

// insertion is one POST of rows to a table.
type insertion struct {
	table  *table
	prefer preferences
	media  *media
	kind   bodyKind
	req    grammar.Request
	cols   columns
	ids    [2]int64 // first and last id that were given; zero where they are not known
}

// insert answers POST /{table}.
func (h *handler) insert(w http.ResponseWriter, r *http.Request, p *auth.Principal, t *table, prefer preferences) error {
	access := web.AccessOf(r.Context())
	access.Write = true
	in := insertion{table: t, prefer: prefer}
	if err := h.prepareInsert(r, p, &in); err != nil {
		return err
	}
	body, release, err := h.Bodies.Read(w, r)
	if err != nil {
		return err
	}
	batch, err := h.batch(r, p, &in, body, access.Peer)
	release()
	if err != nil {
		return err
	}
	if n := int64(len(batch.Events)); in.media.encode == encodeObject && n != 1 {
		return errSingular(n)
	}
	receipt, err := h.append(r.Context(), &in, batch)
	if err != nil {
		return err
	}
	access.Rows = int64(receipt.Count)
	if n := len(batch.Events); n > 0 && !receipt.Replayed {
		in.ids = [2]int64{batch.Events[0].ID, batch.Events[n-1].ID}
	}
	return h.answerInsert(w, r, &in, batch, receipt)
}

// prepareInsert checks everything that can be checked before the body is read.
func (h *handler) prepareInsert(r *http.Request, p *auth.Principal, in *insertion) (err error) {
	t := in.table
	if in.prefer.resolution == "merge-duplicates" {
		return errMethod("POST with resolution=merge-duplicates", t.allow, unchanging)
	}
	if t.closed && (t.ReadOnly || h.Allow(p, t.Table, auth.Insert) != nil) {
		return errMethod(r.Method, t.allow, "'"+t.Table+"' takes no rows: it is a view, or Vigil's own.")
	}
	if r.URL.RawQuery != "" {
		req, err := grammar.Parse(t.Table, r.URL.RawQuery, t.jsonb...)
		if err != nil {
			return err
		}
		in.req = *req
	}
	if in.media, in.kind, err = insertForms(r); err != nil {
		return err
	}
	if err := h.Allow(p, t.Table, auth.Insert); err != nil {
		return err
	}
	in.cols = columns{table: t, depth: h.Limits.Depth, keys: h.Limits.Keys}
	if in.req.HasColumns {
		in.cols.only = in.req.Columns
		in.cols.needID = in.prefer.missing != "default" && slices.Contains(in.req.Columns, t.Key)
		if err := in.cols.checkColumns(); err != nil {
			return err
		}
	}
	if in.prefer.resolution != "" {
		for _, name := range in.req.OnConflict {
			if name != t.Key {
				return &Error{Status: http.StatusBadRequest, Code: "42P10", Message: "there is no unique or exclusion constraint matching the ON CONFLICT specification"}
			}
		}
	}
	if in.prefer.ret != "representation" {
		return nil
	}
	// What cannot be shown must be refused while nothing has been stored.
	if err := h.checkSelect(t, in.req.Query.Select); err != nil {
		return err
	}
	if err := h.Allow(p, t.Table, auth.Select); err != nil {
		return err
	}
	_, err = query.Compile(in.added(0, 1), t.Schema, h.Now())
	return err
}

// insertForms returns the forms of a POST's answer, which is no live tail, and of
// its body.
func insertForms(r *http.Request) (answer *media, body bodyKind, err error) {
	if answer, err = negotiate(r.Header["Accept"], rowMedia); err != nil {
		return nil, 0, err
	}
	if answer.encode == encodeTail {
		return nil, 0, errMedia([]string{"text/event-stream"})
	}
	body, err = kindOf(r)
	return answer, body, err
}

// batch reads the body into events, which own their bytes.
func (h *handler) batch(r *http.Request, p *auth.Principal, in *insertion, body []byte, peer string) (*store.Batch, error) {
	// An import may bring ids that are taken here, which become _source_id, and
	// larger ones than others may ask for: that is for who may do everything.
	b := &store.Batch{Import: r.Header.Get("Vigil-Import") == "1" && h.Allow(p, "*", auth.All) == nil}
	if err := idempotency(r, p, in.table.Table, body, b); err != nil {
		return nil, err
	}
	rows, err := decoders[in.kind](&in.cols, body)
	if err != nil {
		return nil, err
	}
	checked := in.kind == bodyJSON || in.kind == bodyLines
	size := 0
	for i := range rows {
		if err := in.cols.finish(&rows[i], checked); err != nil {
			return nil, err
		}
		size += len(rows[i].doc)
	}
	if peer == "" {
		peer, _, _ = net.SplitHostPort(r.RemoteAddr)
	}
	sender, format := p.Sender("http", peer), vigil.FormatOf(in.table.Table)
	docs := make([]byte, 0, size)
	events := make([]vigil.Event, len(rows))
	b.Events = make([]*vigil.Event, len(rows))
	for i, row := range rows {
		at := len(docs)
		docs = append(docs, row.doc...)
		events[i] = vigil.Event{Table: in.table.Table, Format: format, Doc: docs[at:len(docs):len(docs)], Sender: sender, WantID: row.id}
		b.Events[i] = &events[i]
	}
	return b, nil
}

// decoders has how each kind of body is read.
var decoders = [...]func(*columns, []byte) ([]row, error){
	bodyJSON:  decodeJSON,
	bodyLines: decodeLines,
	bodyCSV:   decodeCSV,
	bodyForm:  decodeForm,
}

// idempotency gives b the key of the request, if it has one.
func idempotency(r *http.Request, p *auth.Principal, table string, body []byte, b *store.Batch) error {
	key, ok := web.IdempotencyKey(r.Header)
	if !ok {
		return &Error{
			Status: http.StatusBadRequest, Code: "22023", Message: "invalid Idempotency-Key",
			Details: "There may be one, of 1 to " + strconv.Itoa(web.MaxIdempotencyKey) + " bytes.",
		}
	}
	if key == "" {
		return nil
	}
	// What the body means depends on columns=, so that belongs to it.
	digest := sha256.New()
	digest.Write(body)
	if r.URL.RawQuery != "" {
		digest.Write([]byte("\x00" + grammar.Canonical(r.URL.RawQuery)))
	}
	b.Key = &store.Key{Scope: p.Scope() + "\x00" + table, Key: key, Body: [32]byte(digest.Sum(nil))}
	return nil
}

// append hands the batch to the store. With resolution=ignore-duplicates rows
// whose id is there already are left out; an id that cannot be had for another
// reason still fails, since leaving that row out would lose it.
func (h *handler) append(ctx context.Context, in *insertion, b *store.Batch) (store.Receipt, error) {
	const attempts = 4 // others may add ids meanwhile
	for i := 1; len(b.Events) > 0; i++ {
		receipt, err := h.Store.Append(ctx, b)
		if err == nil || in.prefer.resolution != "ignore-duplicates" || vigil.KindOf(err) != vigil.Conflict || i == attempts {
			return receipt, err
		}
		rest, err2 := h.withoutDuplicates(ctx, in, b.Events)
		switch {
		case err2 != nil:
			return receipt, err2
		case len(rest) == len(b.Events):
			return receipt, err
		}
		b.Events = rest
	}
	return store.Receipt{}, nil
}

// withoutDuplicates returns the events but those whose id is in the table
// already or stands earlier in the batch.
func (h *handler) withoutDuplicates(ctx context.Context, in *insertion, events []*vigil.Event) ([]*vigil.Event, error) {
	taken := map[int64]bool{}
	same := query.Test{Path: query.Path{Column: in.table.Key}, Op: query.In}
	for _, e := range events {
		if e.WantID != 0 {
			same.List = append(same.List, itoa(e.WantID))
		}
	}
	rows, err := h.Store.Rows(ctx, &query.Query{Table: in.table.Table, Select: in.keyOnly(), Where: same, Limit: -1})
	if err != nil {
		return nil, err
	}
	for row, err := range rows.Seq {
		if err != nil {
			return nil, err
		}
		taken[row[0].I] = true
	}
	var rest []*vigil.Event
	for _, e := range events {
		if e.WantID != 0 && taken[e.WantID] {
			continue
		}
		taken[e.WantID] = true
		rest = append(rest, e)
	}
	return rest, nil
}

// keyOnly selects the id.
func (in *insertion) keyOnly() []query.Item {
	return []query.Item{{Path: query.Path{Column: in.table.Key}}}
}

// added is the question for the rows at count places of the log from first on.
func (in *insertion) added(first int64, count int) *query.Query {
	index := query.Path{Column: "_index"}
	q := &query.Query{
		Table: in.table.Table, Select: in.req.Query.Select, Limit: -1,
		Where: query.And{
			query.Test{Path: index, Op: query.Gte, Value: itoa(first)},
			query.Test{Path: index, Op: query.Lt, Value: itoa(first + int64(count))},
		},
	}
	key := query.Path{Column: in.table.Key}
	if in.ids[0] > 0 { // a range of ids is found without a scan
		q.Where = query.And{q.Where, query.Test{Path: key, Op: query.Gte, Value: itoa(in.ids[0])}, query.Test{Path: key, Op: query.Lte, Value: itoa(in.ids[1])}}
	}
	if !aggregated(q.Select) {
		q.Order = []query.Order{{Path: key}}
	}
	return q
}

// none is the Content-Range of a write.
var none = []string{"*/*"}

// answerInsert says that the rows are stored. From here on no error may be
// answered: the client would send them again.
func (h *handler) answerInsert(w http.ResponseWriter, r *http.Request, in *insertion, b *store.Batch, receipt store.Receipt) error {
	hd := w.Header()
	if receipt.Replayed {
		hd.Set("Idempotency-Replayed", "true")
	}
	hd["Content-Range"] = none
	if in.prefer.count != "" {
		hd.Set("Content-Range", contentRange(0, 0, int64(receipt.Count)))
	}
	switch in.prefer.ret {
	case "representation":
		return h.answerRepresentation(w, r, in, receipt)
	case "headers-only":
		id, err := h.addedID(r.Context(), in, b, receipt)
		if err != nil {
			h.Log.ErrorContext(r.Context(), "stored rows could not be read back", "table", in.table.Table, "error", err)
		}
		if id != 0 {
			hd.Set("Location", "/"+in.table.Table+"?"+in.table.Key+"=eq."+itoa(id))
		}
	}
	if a := in.prefer.writeApplied(); a != "" {
		hd.Set("Preference-Applied", a)
	}
	w.WriteHeader(http.StatusCreated)
	return nil
}

// addedID returns the id of the one row that was stored, 0 where there are more.
func (h *handler) addedID(ctx context.Context, in *insertion, b *store.Batch, receipt store.Receipt) (id int64, err error) {
	if receipt.Count != 1 {
		return 0, nil
	}
	if !receipt.Replayed {
		return b.Events[0].ID, nil
	}
	q := in.added(receipt.First, 1)
	q.Select = in.keyOnly()
	rows, err := h.Store.Rows(ctx, q)
	if err != nil {
		return 0, err
	}
	for row, err := range rows.Seq {
		if err != nil {
			return 0, err
		}
		id = row[0].I
	}
	return id, nil
}

// answerRepresentation answers with the rows as they are stored. Where they
// cannot be shown (a cast fails on one of them) they are stored all the same: the
// answer is 201 without them, and does not claim to have applied the preference.
func (h *handler) answerRepresentation(w http.ResponseWriter, r *http.Request, in *insertion, receipt store.Receipt) error {
	a := newAnswer(w)
	defer a.free()
	a.contentRange = w.Header().Get("Content-Range")
	w.Header().Set("Preference-Applied", in.prefer.writeApplied())
	setContentType(w, r, in.media)
	err := h.representRows(r.Context(), in, receipt, a)
	switch {
	case err == nil:
		return a.finish(http.StatusCreated)
	case a.sent, errors.Is(err, context.Canceled):
		return err
	}
	h.Log.WarnContext(r.Context(), "stored rows could not be shown", "table", in.table.Table, "code", asError(err).Code)
	in.prefer.ret = ""
	w.Header().Del("Content-Type")
	w.Header().Del("Content-Profile")
	w.Header().Set("Preference-Applied", in.prefer.writeApplied())
	if in.prefer.writeApplied() == "" {
		w.Header().Del("Preference-Applied")
	}
	w.WriteHeader(http.StatusCreated)
	return nil
}

// representRows writes the stored rows to a.
func (h *handler) representRows(ctx context.Context, in *insertion, receipt store.Receipt, a *answer) error {
	rows, err := h.Store.Rows(ctx, in.added(receipt.First, receipt.Count))
	if err != nil {
		return err
	}
	enc := &encoder{media: in.media, cols: rows.Columns, zone: in.prefer.zone}
	a.buf = enc.appendBegin(a.buf)
	for cells, err := range rows.Seq {
		if err != nil {
			return err
		}
		a.buf = enc.appendRow(a.buf, cells)
		if a.full() {
			if err := a.send(http.StatusCreated); err != nil {
				return err
			}
		}
	}
	a.buf = enc.appendEnd(a.buf)
	return nil
}
