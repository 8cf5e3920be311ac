package postgrest

import (
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"vigil"
	"vigil/internal/auth"
	"vigil/internal/query"
	"vigil/internal/store"
	"vigil/internal/store/postgres/relation"
	"vigil/internal/web"
)

// schema is the one PostgreSQL schema that there seems to be.
const schema = "api"

// Config is what the face is made of.
type Config struct {
	Store store.Store
	// Relations are further tables; nil is none.
	Relations Relations
	// Authenticate says who asks; Allow whether it may. Their errors are shown.
	Authenticate func(*http.Request) (*auth.Principal, error)
	Allow        func(p *auth.Principal, table string, a auth.Action) error
	Bodies       *web.Bodies   // nil reads bodies within Limits
	Limits       web.Limits    // zero fields are those of [web.DefaultLimits]
	QueryTime    time.Duration // longest time until a question's next row; 0 is no bound
	MaxRows      int64         // most rows of one answer; 0 is no bound
	Aggregates   bool          // sum(), count() and the like are allowed
	Schemas      []string      // names that a profile header may have, all for the same tables; nil is api
	// BaseURL returns the URL that the API has for the client, for the description;
	// nil takes the request's host.
	BaseURL     func(*http.Request) string
	CORSOrigins []string // origins whose scripts may use the API; "*" is every one
	TraceHeader string   // request header that is sent back; empty is none
	Now         func() time.Time
	Log         *slog.Logger // nil discards
	// Heartbeat is how often a live tail without events says that it lives;
	// 0 is 15 seconds.
	Heartbeat time.Duration
}

// handler is the face.
type handler struct {
	Config
	tables map[string]*table
	names  []string // of the tables, in the store's order
}

// table is what the face keeps about one table or view.
type table struct {
	*query.Schema
	jsonb  []string // names of the jsonb columns
	doc    string   // name of the column that takes the document
	allow  string   // the Allow header
	closed bool     // takes no rows from clients
}

// New returns the face. The store's tables are read once.
func New(c Config) http.Handler {
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.Schemas == nil {
		c.Schemas = []string{schema}
	}
	if c.Heartbeat == 0 {
		c.Heartbeat = 15 * time.Second
	}
	c.Limits, c.Bodies = web.OrDefault(c.Limits, c.Bodies)
	h := &handler{Config: c, tables: map[string]*table{}}
	for _, s := range c.Store.Schemas() {
		t := &table{Schema: s, allow: "OPTIONS,GET,HEAD,POST", closed: s.ReadOnly || ownTable(s.Table)}
		if t.closed {
			t.allow = "OPTIONS,GET,HEAD"
		}
		for _, col := range s.Columns {
			if col.Type == query.JSONB {
				t.jsonb = append(t.jsonb, col.Name)
				if col.Insert && t.doc == "" {
					t.doc = col.Name
				}
			}
		}
		h.tables[s.Table] = t
		h.names = append(h.names, s.Table)
	}
	return web.Handle(h.serve, h.writeError)
}

// target is what a path means.
type target struct {
	table    string
	filters  bool   // /{table}/query
	function string // /rpc/{function}
	root     bool
}

// varies are the headers that an answer depends on.
var varies = []string{"Accept, Prefer, Range"}

// serve answers one request, or returns why it cannot.
func (h *handler) serve(w http.ResponseWriter, r *http.Request) error {
	w.Header()["Vary"] = varies[:1:1]
	if h.TraceHeader != "" && r.Header.Get(h.TraceHeader) != "" {
		w.Header().Set(h.TraceHeader, web.RequestID(r.Header.Get(h.TraceHeader)))
	}
	if h.cors(w, r) {
		return nil
	}
	p, err := h.Authenticate(r)
	if err != nil {
		return err
	}
	a := web.AccessOf(r.Context())
	a.Principal, a.Role = p.Name(), p.Role
	to, err := parsePath(r.URL)
	if err != nil {
		return err
	}
	switch {
	case to.root:
		return h.serveRoot(w, r, p)
	case to.function != "":
		return errFunction(to.function, r.Method == http.MethodPost)
	}
	return h.serveTable(w, r, p, to)
}

// parsePath reads the path. Any number of slashes may stand before the table.
func parsePath(u *url.URL) (target, error) {
	path := strings.TrimLeft(u.EscapedPath(), "/")
	if path == "" {
		return target{root: true}, nil
	}
	name, rest, nested := strings.Cut(path, "/")
	if strings.IndexByte(name, '%') >= 0 {
		var err error
		if name, err = url.PathUnescape(name); err != nil {
			return target{}, errPath()
		}
	}
	switch {
	case !nested:
		return target{table: name}, nil
	case name == "rpc" && !strings.Contains(rest, "/"):
		if f, err := url.PathUnescape(rest); err == nil && f != "" {
			return target{function: f}, nil
		}
	case rest == "query":
		return target{table: name, filters: true}, nil
	}
	return target{}, errPath()
}

// serveTable answers a request to /{table} or /{table}/query.
func (h *handler) serveTable(w http.ResponseWriter, r *http.Request, p *auth.Principal, to target) error {
	t, beside := h.tables[to.table], h.relation(r, to.table)
	allow := ""
	switch {
	case beside != nil:
		allow = relationAllow(beside)
	case t != nil:
		allow = t.allow
	}
	switch r.Method {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodOptions:
	case http.MethodPatch, http.MethodPut, http.MethodDelete:
		if allow == "" {
			return h.noTable(r, to.table)
		}
		return errMethod(r.Method, allow, unchanging)
	default:
		return errMethod(r.Method, "OPTIONS,GET,HEAD,POST", "")
	}
	if allow == "" {
		return h.noTable(r, to.table)
	}
	a := web.AccessOf(r.Context())
	a.Table, a.Query = to.table, r.URL.RawQuery
	if r.Method == http.MethodOptions {
		w.Header().Set("Allow", allow)
		w.WriteHeader(http.StatusOK)
		return nil
	}
	if err := h.checkProfile(r); err != nil {
		return err
	}
	prefer, err := parsePrefer(r.Header["Prefer"])
	if err != nil {
		return err
	}
	return h.answerTable(w, r, p, asked{to, t, beside, prefer})
}

// unchanging is why rows are neither changed nor removed.
const unchanging = "Rows can be added and read; they are never changed or removed through this interface."

// asked is a request to a table: of the store, or beside it.
type asked struct {
	target
	own    *table
	beside *relation.Table // where it is not nil, it is that one
	prefer preferences
}

// answerTable answers a request to read or to insert.
func (h *handler) answerTable(w http.ResponseWriter, r *http.Request, p *auth.Principal, to asked) error {
	read := func(rawQuery string, location bool) error {
		head := r.Method == http.MethodHead
		if to.beside != nil {
			return h.readRelation(w, r, p, relationReading{table: to.beside, prefer: to.prefer, rawQuery: rawQuery, head: head, location: location})
		}
		return h.read(w, r, p, reading{table: to.own, prefer: to.prefer, rawQuery: rawQuery, head: head, location: location})
	}
	switch {
	case to.filters && r.Method != http.MethodPost:
		return errMethod(r.Method, "POST", "")
	case to.filters:
		rawQuery, err := h.queryBody(w, r)
		if err != nil {
			return err
		}
		return read(rawQuery, false)
	case r.Method == http.MethodPost && to.beside != nil:
		return h.insertRelation(w, r, p, to.beside, to.prefer)
	case r.Method == http.MethodPost:
		return h.insert(w, r, p, to.own, to.prefer)
	}
	return read(r.URL.RawQuery, true)
}

// profile is the header that names the schema of a request: Accept-Profile of a
// read, Content-Profile of a write.
func profile(r *http.Request) []string {
	if r.Method == http.MethodPost {
		return r.Header["Content-Profile"]
	}
	return r.Header["Accept-Profile"]
}

// checkProfile refuses any schema but the configured ones.
func (h *handler) checkProfile(r *http.Request) error {
	if v := profile(r); len(v) > 0 && !slices.Contains(h.schemas(), v[0]) {
		return errProfile(v[0], h.schemas())
	}
	return nil
}

// setContentType says what the answer is, and of which schema if that was asked for.
func setContentType(w http.ResponseWriter, r *http.Request, m *media) {
	w.Header().Set("Content-Type", m.contentType)
	if v := profile(r); len(v) > 0 {
		w.Header().Set("Content-Profile", v[0])
	}
}

// nearest returns the name that is most like s, empty where none is: PostgREST
// asks for three letters of four alike.
func nearest(s string, names []string) string {
	best, score := "", 0.75
	for _, name := range names {
		longest := max(len(s), len(name))
		if longest == 0 || longest > 64 {
			continue
		}
		if alike := 1 - float64(query.Distance(s, name))/float64(longest); alike >= score {
			best, score = name, alike
		}
	}
	return best
}

// ownTable reports whether only Vigil itself writes to a table: what stands
// there as its own doing must be. Its gateways, which are granted it by name,
// write there from outside, and the sender of each event says so.
func ownTable(name string) bool { return name == vigil.TableSystem || name == vigil.TableQuarantine }
