package gateway

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"net/http"
	"slices"
	"strings"
	"time"

	"vigil"
)

// Wrap returns a handler that records every request to next. It changes r.Body
// for one that counts, and gives a request without X-Request-Id one.
func (g *Gateway) Wrap(next http.Handler) http.Handler { return g.wrap(next, g.c.Base, "") }

func (g *Gateway) wrap(next http.Handler, base, upstream string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		effect := g.effect(r, base)
		if effect.level == None {
			g.exclude(effect.from)
			next.ServeHTTP(w, r)
			return
		}
		x := &exchange{g: g, r: r, mode: effect.mode, rules: effect.rules, begun: g.c.Now()}
		x.c.keepReq, x.c.keepResp = effect.level >= Request, effect.level == RequestResponse
		x.c.upstream = upstream
		x.w = response{ResponseWriter: w, x: x, declared: -1, copy: bodyCopy{g: g}}
		g.active.add(1)
		defer g.active.add(-1)
		x.request(base)
		if err := x.start(); err != nil {
			g.refused.Add(1)
			g.c.Log.Error("a request is refused, because it cannot be recorded", "id", x.c.id, "err", err)
			refuse(w, http.StatusServiceUnavailable, "The request cannot be recorded, so it is not carried out. Try again later.")
			x.refused()
			return
		}
		panicked := true
		defer func() {
			var reason any
			if panicked {
				reason = recover()
			}
			x.finish(panicked, reason)
			if panicked && reason != nil { // nil: the goroutine ends
				panic(reason)
			}
			if x.failed != nil {
				panic(http.ErrAbortHandler) // an answer without a record must not look whole
			}
		}()
		next.ServeHTTP(&x.w, r)
		panicked = false
	})
}

// exchange is a request that is under way.
type exchange struct {
	g     *Gateway
	r     *http.Request
	w     response
	c     capture
	mode  Mode
	rules *rules
	begun time.Time
	body  *requestBody

	number uint64 // of the record that Begin took; 0: none
	synced bool   // that record is stable
	ended  bool   // the whole record was handed over
	failed error  // why the record of a strict exchange is not stable
}

// request fills in what is known before the handler runs.
func (x *exchange) request(base string) {
	r, c, g := x.r, &x.c, x.g
	var random [10]byte
	rand.Read(random[:]) // never fails
	c.id = vigil.NewUID(x.begun, random).String()
	c.start = x.begun.UTC()
	c.method, c.host, c.proto, c.base = clip(r.Method, 64), clip(r.Host[strings.LastIndexByte(r.Host, '@')+1:], maxClaim), r.Proto, base
	c.path, c.query = x.long("path", x.rules.path(pathOf(r))), x.long("query", x.rules.query(r.URL.RawQuery))
	c.gateway, c.redact = g.c.Name, x.rules.texts()
	c.userAgent = x.rules.header("User-Agent", clip(first(r.Header, "User-Agent"), maxClaim))
	if c.requestID = first(r.Header, "X-Request-Id"); !printable(c.requestID) {
		c.requestID = c.id
		r.Header["X-Request-Id"] = []string{c.id}
	}
	if c.correlation = first(r.Header, "X-Correlation-Id"); !printable(c.correlation) {
		c.correlation = traceID(first(r.Header, "Traceparent"))
	}
	c.connection = connection(r)
	o := g.from(r)
	c.peer, c.forwarded = o.peer, o.claimed
	id := g.who(r, o.trusted)
	c.user, c.purpose = id.user, id.purpose
	c.contentType, c.contentEncoding = clip(first(r.Header, "Content-Type"), maxClaim), clip(strings.Join(r.Header["Content-Encoding"], ", "), maxClaim)
	if len(r.Header["Content-Type"]) > 1 { // the server may take another one than the first
		c.contentType = ""
		c.notes = append(c.notes, "the request has several types of content")
	}
	x.noteOverride()
	c.ifNoneExist = x.rules.query(clip(first(r.Header, "If-None-Exist"), maxAddress))
	x.auditHeaders()
	if r.Body != nil && r.Body != http.NoBody {
		x.body = &requestBody{ReadCloser: r.Body, copy: bodyCopy{g: g}, skip: g.c.MaxBody < 0 || !c.keepReq && !isRead(c.contentType)}
		if !c.keepReq {
			x.body.copy.structure = structureOf(c.contentType, c.contentEncoding)
		}
		c.reqUnread = x.body.skip
		r.Body = x.body
	}
}

// noteOverride notes that the server may have taken the request for another method:
// the record goes by the one that came.
func (x *exchange) noteOverride() {
	methods, _ := overrides(x.r)
	for _, m := range methods {
		if !slices.Contains(knownMethods, m) {
			m = "another one"
		}
		x.c.notes = appendNew(x.c.notes, "the request asks to be taken for the method "+m)
	}
}

// pathOf is the path of a request as it came. A target such as x:y has none, and is
// one itself.
func pathOf(r *http.Request) string {
	if r.URL.Opaque != "" {
		return r.URL.Opaque
	}
	return r.URL.EscapedPath()
}

// maxAddress bounds what is recorded of a path or a query.
const maxAddress = 32 << 10

func (x *exchange) long(what, s string) string {
	if len(s) > maxAddress {
		x.c.notes = append(x.c.notes, what+" is longer than is recorded")
	}
	return clip(s, maxAddress)
}

// auditHeaders takes X-Audit and the headers that the configuration names.
func (x *exchange) auditHeaders() {
	if v := first(x.r.Header, "X-Audit"); v != "" && x.rules.named('h', "x-audit") == keepValue {
		b, err := base64.StdEncoding.DecodeString(v)
		switch {
		case len(v) > 16<<10:
			x.c.notes = append(x.c.notes, "X-Audit is longer than 16 KiB")
		case err != nil:
			x.c.notes = append(x.c.notes, "X-Audit is not base64")
		default:
			x.c.audit = b
		}
	}
	if len(x.g.c.AuditHeaders) == 0 {
		return
	}
	for name, values := range x.r.Header {
		for _, prefix := range x.g.c.AuditHeaders {
			if len(name) >= len(prefix) && strings.EqualFold(name[:len(prefix)], prefix) && len(x.c.headers) < 64 {
				x.c.headers = append(x.c.headers, [2]string{name, x.rules.header(name, clip(strings.Join(values, ", "), 2048))})
				break
			}
		}
	}
}

// printable reports whether s may stand for an id: not empty, not long, and no
// space or control characters in it.
func printable(s string) bool {
	for i := range len(s) {
		if s[i] <= ' ' || s[i] >= 0x7f {
			return false
		}
	}
	return s != "" && len(s) <= 200
}

// traceID is the second part of a traceparent (W3C Trace Context).
func traceID(s string) string {
	if parts := strings.Split(s, "-"); len(parts) >= 4 && len(parts[1]) == 32 && isID(parts[1]) {
		return parts[1]
	}
	return ""
}

// start hands over what is known of the request. With an error it must not go on.
func (x *exchange) start() error {
	if x.g.memory != nil && x.mode == Strict {
		return errNoSpool
	}
	ctx := x.r.Context()
	switch x.mode {
	case BestEffort:
		ctx = doneContext()
	case Strict:
		if err := x.g.spool.Err(); err != nil {
			return err
		}
	}
	var rec []byte
	if x.g.memory == nil {
		rec = x.c.append(make([]byte, 0, 1024))
	}
	var err error
	x.number, err = x.g.spool.Begin(ctx, rec)
	if err != nil {
		x.number = 0
		if x.mode == BestEffort {
			return nil
		}
		return err
	}
	if x.mode == Strict && !x.safe() {
		return x.recorded()
	}
	return nil
}

// refused ends the record of a request that was not carried out. It is tried
// only: that it could not be recorded is why it was refused.
func (x *exchange) refused() {
	if x.number == 0 {
		return
	}
	x.mode = BestEffort
	x.w.begin(http.StatusServiceUnavailable)
	_ = x.end(true, "the request was refused, because it could not be recorded")
}

// safe reports whether the request changes nothing upstream: then what waits
// for the record is the answer.
func (x *exchange) safe() bool {
	return x.r.Method == http.MethodGet || x.r.Method == http.MethodHead
}

// recorded waits until the request's record is stable.
func (x *exchange) recorded() error {
	if x.synced {
		return nil
	}
	if err := x.g.spool.Sync(x.r.Context(), x.number); err != nil {
		return err
	}
	x.synced = true
	return nil
}

// beforeWrite waits, when a strict answer is about to get n bytes more, for the
// record of the request, or with the last of them for the whole record. Little
// answers stay in the server's buffer until the handler returns.
func (x *exchange) beforeWrite(n int64) error {
	const buffered = 2048
	switch {
	case x.w.declared >= 0 && x.w.n+n >= x.w.declared:
		x.w.last = n
		return x.end(true, x.c.failure)
	case x.w.declared >= 0 && x.w.declared <= buffered:
		return nil
	}
	return x.recorded()
}

// finish ends the exchange when the handler has returned or panicked.
func (x *exchange) finish(panicked bool, reason any) {
	complete, failure := x.outcome(panicked, reason)
	if err := x.end(complete, failure); err != nil {
		x.failed = err
		x.g.c.Log.Error("an answer is broken off, because it cannot be recorded", "id", x.c.id, "err", err)
	}
	x.g.recordGap()
	x.g.tellRest()
}

// outcome says whether the answer was delivered whole, and if not, why.
func (x *exchange) outcome(panicked bool, reason any) (bool, string) {
	w := &x.w
	failure := x.c.failure
	gone := w.err != nil || x.r.Context().Err() != nil
	switch {
	case w.hijacked != nil:
		return !panicked, failure
	case panicked && reason != http.ErrAbortHandler:
		failure = "the handler panicked"
	case gone && failure == "":
		failure = "the client was gone before it had the whole response"
	case panicked && failure == "":
		failure = "the upstream broke off its response"
	case !panicked && w.declared >= 0 && w.n < w.declared:
		failure = "the response is shorter than its length says"
	case !panicked && !gone:
		if w.status == 0 {
			w.begin(http.StatusOK) // what the server makes of a handler that wrote nothing
		}
		return true, failure
	}
	return false, failure
}

// end hands the whole record over, once. With Strict it waits until that is
// stable; only then can it fail.
func (x *exchange) end(complete bool, failure string) error {
	if x.ended {
		return nil
	}
	x.ended = true
	x.fill(complete, failure)
	if x.body != nil {
		x.body.mu.Lock()
	}
	x.c.reqBody = scrub(x.c.reqBody, x.c.contentType, x.c.contentEncoding, x.c.keepReq)
	x.c.respBody = scrub(x.c.respBody, x.c.respType, x.c.respCoding, x.c.keepResp)
	rec := x.c.append(make([]byte, 0, 1024+len(x.c.reqBody)+len(x.c.respBody)))
	if x.body != nil {
		x.body.copy.drop()
		x.body.mu.Unlock()
	}
	x.w.copy.drop()
	ctx := context.WithoutCancel(x.r.Context())
	if x.mode == BestEffort {
		ctx = doneContext()
	}
	number, err := x.g.spool.End(ctx, x.number, rec)
	if err == nil && x.mode == Strict {
		err = x.g.spool.Sync(ctx, number)
	}
	if err != nil && x.mode != Strict {
		x.g.lose(err)
		return nil
	}
	return err
}

// fill completes the capture.
func (x *exchange) fill(complete bool, failure string) {
	c, w := &x.c, &x.w
	c.ended, c.complete, c.failure = true, complete, failure
	c.duration = x.g.c.Now().Sub(x.begun)
	c.status, c.respBytes = w.status, w.n+w.last
	c.location, c.etag, c.respType, c.respCoding, c.respRequestID = w.location, w.etag, w.contentType, w.coding, w.requestID
	c.respBody, c.respCut, c.respUnread = w.copy.b, w.copy.cut && !w.unread, w.unread
	if b := x.body; b != nil {
		b.mu.Lock()
		c.reqBytes, c.reqBody, c.reqCut = b.n, b.copy.b, b.copy.cut
		b.mu.Unlock()
	}
	if w.hijacked != nil {
		c.reqBytes += w.hijacked.read.Load()
		c.respBytes += w.hijacked.written.Load()
	}
}

// refuse answers with an OperationOutcome.
func refuse(w http.ResponseWriter, status int, text string) {
	h := w.Header()
	h.Set("Content-Type", "application/fhir+json; charset=utf-8")
	h.Set("Cache-Control", "no-store")
	code := "exception"
	switch status {
	case http.StatusServiceUnavailable:
		h.Set("Retry-After", "5")
		code = "transient"
	case http.StatusGatewayTimeout, http.StatusRequestTimeout:
		code = "timeout"
	case http.StatusBadRequest, http.StatusMethodNotAllowed:
		code = "invalid"
	}
	w.WriteHeader(status)
	_, _ = w.Write([]byte(`{"resourceType":"OperationOutcome","issue":[{"severity":"error","code":"` + code + `","diagnostics":"` + text + `"}]}`))
}
