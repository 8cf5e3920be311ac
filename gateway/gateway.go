package gateway

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"vigil"
)

// A Mode says how sure a record must be before a request goes on.
type Mode uint8

// The modes.
const (
	// Spooled: the record is handed to the operating system before the request
	// goes upstream, and again before the handler returns. A full spool makes
	// the request wait; one that is broken refuses it.
	Spooled Mode = iota
	// Strict: the record is on stable storage before a request that may change
	// something goes upstream, and before the last byte of any answer leaves. A
	// request that cannot be recorded is refused, also while the destination
	// behind the spool does not answer.
	Strict
	// BestEffort: the request never waits and never fails for its record. Lost
	// records are counted and the count becomes an event.
	BestEffort
)

// A Spool takes records before they are events. vigil/internal/spool is one, on
// disk. It is safe for concurrent use.
type Spool interface {
	// Begin takes what is known of a request before it goes upstream. When it
	// returns, the record survives the end of the process. The number it
	// returns, above 0, names the record. Where there is no room it waits until
	// ctx is done; with a ctx that is done already it never waits. The record
	// belongs to the Spool.
	Begin(ctx context.Context, record []byte) (uint64, error)
	// End takes the whole record of the exchange that began under that number,
	// 0 for one that did not, in the place of what Begin took. A begun exchange
	// that never ends becomes events too.
	End(ctx context.Context, begun uint64, record []byte) (uint64, error)
	// Sync returns when the record of that number is on stable storage.
	Sync(ctx context.Context, number uint64) error
	// Err says why the destination behind the spool does not take events; nil
	// while it does.
	Err() error
}

// A TokenVerifier checks bearer tokens. It is called for each request that has
// one, so it remembers what it has checked.
type TokenVerifier interface {
	// VerifyToken returns nil if the token is genuine and valid now.
	VerifyToken(ctx context.Context, token string) error
}

// Config is what a [Gateway] is made with. Only Writer or Spool is needed.
type Config struct {
	// Writer gets the events where there is no Spool. It is retried until it
	// takes them.
	Writer vigil.Writer
	// Spool takes the records; who drains it gives them to a [Reader].
	Spool Spool
	// Reader makes the events where there is no Spool; nil is a plain one.
	Reader *Reader

	// Base is the path of the FHIR server, such as /fhir. Empty: it is found, as
	// what comes before a resource type or one of FHIR's own names.
	Base string
	// Mode chooses for each request; nil is Spooled for all. Policies override it.
	Mode func(*http.Request) Mode
	// Policies say what is recorded of which requests; Level where none of them
	// says one, Unset being Metadata. Where there are any, or a Level, New tells
	// the table system what is in force, and SetPolicies of each change.
	Policies []Policy
	Level    Level
	// PoliciesBefore is what [Gateway.Policies] returned when the gateway last
	// ran, so that a change in between is told as one; empty is not known.
	PoliciesBefore string
	// Pseudonyms replace what policies name; the Reader needs the same ones.
	Pseudonyms *Pseudonyms
	// IgnoreBodyHeader makes X-Audit-Req-Body: true mean nothing. Without it a
	// request with that header is recorded with its body.
	IgnoreBodyHeader bool
	// ExcludedEvery is how often the count of requests without a record becomes
	// an event; 0 is a minute.
	ExcludedEvery time.Duration

	// MaxBody bounds the bytes that are copied of each body; 0 is 4 MiB, and a
	// negative number copies nothing. Of a longer body the record holds what its
	// beginning says, and notes it.
	MaxBody int
	// MaxMemory bounds the copies of all requests together; 0 is 256 MiB.
	MaxMemory int64
	// MaxPending bounds the records that wait in memory where there is no
	// Spool; 0 is 64 MiB.
	MaxPending int64

	// TrustedProxies may say for whom they act (Forwarded, X-Forwarded-For).
	TrustedProxies []netip.Prefix
	// UserHeader is a header in which a trusted proxy names the user.
	UserHeader string
	// PurposeHeader is a header with codes of the purpose of use, between commas.
	PurposeHeader string
	// AuditHeaders are prefixes of headers to record, such as
	// X-MS-AZUREFHIR-AUDIT- and X-Goog-Healthcare-Audit-.
	AuditHeaders []string
	// Verifier tells genuine tokens from others; nil: none is called verified.
	Verifier TokenVerifier

	// Name is how the gateway calls itself in events of its own; empty is gateway.
	Name string
	Now  func() time.Time // nil is time.Now
	Log  *slog.Logger     // nil discards
}

// Gateway records the requests that pass its handlers.
type Gateway struct {
	c      Config
	spool  Spool
	memory *memory // nil with a Spool
	users  userCache
	used   atomic.Int64              // bytes of copies
	copies [len(copySizes)]sync.Pool // *[]byte of so many bytes
	lost   gap
	active inFlight

	policies atomic.Pointer[policies]
	excluded struct {
		total  atomic.Int64
		mu     sync.Mutex
		counts map[*policy]int64 // by policy, nil for none; nil: nothing since the last event
		since  time.Time
		timer  *time.Timer
	}
	untold struct { // doings that wait for room
		any  atomic.Bool
		mu   sync.Mutex
		docs [][]byte
	}

	refused atomic.Int64
}

// gap counts exchanges without a record.
type gap struct {
	mu    sync.Mutex
	n     int64
	since time.Time
}

// inFlight counts exchanges that have not ended.
type inFlight struct {
	mu   sync.Mutex
	n    int
	idle chan struct{} // closed when n falls to 0; nil: nobody waits
}

func (f *inFlight) add(n int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.n += n; f.n == 0 && f.idle != nil {
		close(f.idle)
		f.idle = nil
	}
}

func (f *inFlight) wait(ctx context.Context) error {
	f.mu.Lock()
	if f.n == 0 {
		f.mu.Unlock()
		return nil
	}
	if f.idle == nil {
		f.idle = make(chan struct{})
	}
	idle := f.idle
	f.mu.Unlock()
	select {
	case <-idle:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("wait for requests under way: %w", ctx.Err())
	}
}

var (
	errNoWriter = errors.New("gateway needs a Writer or a Spool")
	errNoSpool  = errors.New("mode strict needs a Spool")
)

// New returns a Gateway. It starts a goroutine where there is no Spool.
func New(c Config) (*Gateway, error) {
	if c.Writer == nil && c.Spool == nil {
		return nil, errNoWriter
	}
	if c.MaxBody == 0 {
		c.MaxBody = 4 << 20
	}
	if c.MaxMemory == 0 {
		c.MaxMemory = 256 << 20
	}
	if c.MaxPending == 0 {
		c.MaxPending = 64 << 20
	}
	if c.Name == "" {
		c.Name = "gateway"
	}
	if c.ExcludedEvery == 0 {
		c.ExcludedEvery = time.Minute
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	g := &Gateway{c: c, spool: c.Spool}
	ps, err := g.checkPolicies(c.Level, c.Policies)
	if err != nil {
		return nil, err
	}
	if g.spool == nil {
		if c.Reader == nil {
			c.Reader = NewReader(ReaderConfig{Pseudonyms: c.Pseudonyms})
		}
		g.memory = newMemory(c.Writer, c.Reader, c.MaxPending, c.Log)
		g.spool = g.memory
	}
	g.policies.Store(ps)
	if len(c.Policies) > 0 || c.Level != Unset || c.PoliciesBefore != "" {
		g.tellPolicies(c.PoliciesBefore)
	}
	return g, nil
}

// checkPolicies reads policies without putting them into force.
func (g *Gateway) checkPolicies(level Level, list []Policy) (*policies, error) {
	ps, err := newPolicies(list, level, g.c.Pseudonyms)
	if err == nil && g.c.Spool == nil && ps.strict() {
		err = errNoSpool
	}
	return ps, err
}

// Policies returns the policies in force as text, for Config.PoliciesBefore.
func (g *Gateway) Policies() string { return g.policies.Load().text }

// SetPolicies puts other policies into force, with the level where none of them
// says one (Unset is Metadata), and tells the table system of the change. Requests
// under way keep those that they began with. With an error the old ones stay; see
// [Gateway.RefusePolicies].
func (g *Gateway) SetPolicies(level Level, list []Policy) error {
	ps, err := g.checkPolicies(level, list)
	if err != nil {
		return err
	}
	if ps.text == g.Policies() {
		return nil
	}
	g.tellExcluded()
	g.tellPolicies(g.policies.Swap(ps).text)
	return nil
}

// RefusePolicies tells the log and the table system that policies which somebody
// meant to put into force are not, and why, and that the old ones go on.
func (g *Gateway) RefusePolicies(why error) {
	g.c.Log.Error("new policies are refused; the old ones stay in force", "err", why)
	g.tell(doing{
		severity: "error", action: "update", outcome: "8", at: g.c.Now(),
		message: "new policies of the gateway are refused; the old ones stay in force",
		details: []map[string]any{{"refused": why.Error()}, {"policies": json.RawMessage(g.Policies())}},
	})
}

// tellPolicies tells what is in force, and what was before where that differs.
func (g *Gateway) tellPolicies(before string) {
	ps := g.policies.Load()
	d := doing{
		severity: "info", action: "execute", outcome: "0", at: g.c.Now(), message: "policies of the gateway in force",
		details: []map[string]any{{"policies": json.RawMessage(ps.text)}},
	}
	if before != "" && before != ps.text {
		d.severity, d.action, d.message = "warning", "update", "policies of the gateway changed"
		old := json.RawMessage(before)
		if !json.Valid(old) {
			old = json.RawMessage("null")
		}
		d.details = append(d.details, map[string]any{"before": old})
	}
	g.tell(d)
}

// effect returns how r is to be recorded.
func (g *Gateway) effect(r *http.Request, base string) effect {
	e := g.policies.Load().of(r, base, g.mode(r), g.c.Pseudonyms)
	if e.level == Metadata && !g.c.IgnoreBodyHeader && strings.EqualFold(first(r.Header, "X-Audit-Req-Body"), "true") {
		e.level = Request
	}
	return e
}

// Close waits until the requests under way have ended, WebSockets too, and every
// record that waits in memory is with the Writer, or until ctx ends. It is called
// when no new requests come. A Spool is not closed.
func (g *Gateway) Close(ctx context.Context) error {
	err := g.active.wait(ctx)
	g.recordGap()
	g.tellExcluded()
	g.tellRest()
	if g.memory != nil {
		err = errors.Join(err, g.memory.close(ctx))
	}
	return err
}

// Stats counts what did not go as usual since the start.
type Stats struct {
	Refused int64 // requests that were refused because they could not be recorded
	Lost    int64 // exchanges without a record that no event tells of yet
	Copied  int64 // bytes of bodies held now
	// Excluded counts requests that policies left out, since the start.
	Excluded int64
}

// Stats returns the counts now.
func (g *Gateway) Stats() Stats {
	g.lost.mu.Lock()
	defer g.lost.mu.Unlock()
	return Stats{Refused: g.refused.Load(), Lost: g.lost.n, Copied: g.used.Load(), Excluded: g.excluded.total.Load()}
}

// mode returns how r is to be recorded.
func (g *Gateway) mode(r *http.Request) Mode {
	if g.c.Mode == nil {
		return Spooled
	}
	return g.c.Mode(r)
}

// lose counts an exchange that has no record.
func (g *Gateway) lose(err error) {
	g.lost.mu.Lock()
	defer g.lost.mu.Unlock()
	if g.lost.n++; g.lost.n == 1 {
		g.lost.since = g.c.Now()
		g.c.Log.Error("requests pass without a record; their number will be recorded", "err", err)
	}
}

// recordGap hands over the count of lost records, if there are any.
func (g *Gateway) recordGap() {
	g.lost.mu.Lock()
	defer g.lost.mu.Unlock()
	if g.lost.n == 0 {
		return
	}
	d := doing{severity: "error", action: "gap", outcome: "8", at: g.c.Now(), who: g.c.Name, counted: "lost", count: g.lost.n, since: g.lost.since, message: gapMessage(g.lost.n)}
	doc, err := d.document()
	if err != nil {
		return
	}
	c := capture{start: g.lost.since, doing: doc}
	if _, err := g.spool.End(doneContext(), 0, c.append(nil)); err == nil {
		g.c.Log.Info("records are written again", "lost", g.lost.n)
		g.lost.n = 0
	}
}

// doneContext never waits.
func doneContext() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return ctx
}
