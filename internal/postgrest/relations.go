package postgrest

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strings"

	"vigil/internal/auth"
	"vigil/internal/query"
	"vigil/internal/store/postgres/relation"
)

// Relations are tables and views beside the store's, which Vigil did not make:
// they are outside of the log, and who may do what with them is the database's
// business. [relation.DB] is them.
type Relations interface {
	// Schemas returns the schemas that they are in, the default one first.
	Schemas() []string
	// Table returns the named one, nil if there is none.
	Table(schema, name string) *relation.Table
	// Names returns the names of those of a schema.
	Names(schema string) []string
	// Rights lists those that a role may use.
	Rights(ctx context.Context, schema, role string) ([]relation.Right, error)
	// Read asks one; the caller closes the answer.
	Read(ctx context.Context, s *relation.Session, rd *relation.Read) (*relation.Answer, error)
	// Insert adds rows to one.
	Insert(ctx context.Context, s *relation.Session, in *relation.Insert, row func(names []string, cells [][]byte) error) (*relation.Inserted, error)
	// Reload has their description read again.
	Reload()
}

var _ Relations = (*relation.DB)(nil)

// relationSchema returns the schema that a request means.
func (h *handler) relationSchema(r *http.Request) string {
	if v := profile(r); len(v) > 0 {
		return v[0]
	}
	return h.Relations.Schemas()[0]
}

// relation returns the table beside the store's that a request means, nil where
// it means none. A name of the store's means the store's, but in a schema that is
// not the default one.
func (h *handler) relation(r *http.Request, name string) *relation.Table {
	if h.Relations == nil {
		return nil
	}
	in := h.relationSchema(r)
	if h.tables[name] != nil && in == h.Relations.Schemas()[0] {
		return nil
	}
	return h.Relations.Table(in, name)
}

// noTable says that there is no such table, and has the database asked whether
// there is one now.
func (h *handler) noTable(r *http.Request, name string) error {
	names, in := h.names, schema
	if h.Relations != nil {
		if err := h.checkProfile(r); err != nil {
			return err
		}
		h.Relations.Reload()
		in = h.relationSchema(r)
		names = slices.Concat(names, h.Relations.Names(in))
	}
	return errTable(in, name, nearest(name, names))
}

// schemas returns the names that a profile header may have.
func (h *handler) schemas() []string {
	if h.Relations == nil {
		return h.Schemas
	}
	names := slices.Clone(h.Schemas)
	for _, s := range h.Relations.Schemas() {
		if !slices.Contains(names, s) {
			names = append(names, s)
		}
	}
	return names
}

// session says who asks, to the database.
func session(r *http.Request, p *auth.Principal, prefer *preferences) *relation.Session {
	s := &relation.Session{
		Role: p.Role, Claims: p.Claims, Method: r.Method, Path: r.URL.Path, Zone: prefer.timezone,
		Headers: map[string]string{"host": r.Host},
	}
	for name, values := range r.Header {
		s.Headers[name] = strings.Join(values, ", ")
	}
	return s
}

// relationAllow is the Allow header of a table beside the store's.
func relationAllow(t *relation.Table) string {
	if t.Insertable {
		return "OPTIONS,GET,HEAD,POST"
	}
	return "OPTIONS,GET,HEAD"
}

// relationError gives an error of the database the status that PostgREST gives it.
func relationError(p *auth.Principal, err error) error {
	e, ok := errors.AsType[*relation.Error](err)
	if !ok {
		return err
	}
	out := &Error{Status: databaseStatus(e, p.Anonymous), Code: e.Code, Message: e.Message, Details: e.Details, Hint: e.Hint}
	if e.Code == "PGRST" {
		raised(e, out)
	}
	return out
}

// raised reads an error that SQL raised with SQLSTATE PGRST: its message is the
// body of the answer, its detail has the status and headers.
func raised(e *relation.Error, out *Error) {
	var body struct{ Code, Message, Details, Hint string }
	var detail struct {
		Status  int
		Headers map[string]string
	}
	if json.Unmarshal([]byte(e.Message), &body) != nil || json.Unmarshal([]byte(e.Details), &detail) != nil || detail.Status < 200 || detail.Status > 599 {
		*out = Error{
			Status: http.StatusInternalServerError, Code: "PGRST121", Message: "Could not parse JSON in the \"RAISE SQLSTATE 'PGRST'\" error",
			Hint: "MESSAGE must be a JSON object with code and message, DETAIL one with status and headers.",
		}
		return
	}
	*out = Error{Status: detail.Status, Code: body.Code, Message: body.Message, Details: body.Details, Hint: body.Hint, Header: http.Header{}}
	for k, v := range detail.Headers {
		out.Header.Set(k, strings.Map(func(c rune) rune {
			if c < ' ' {
				return -1
			}
			return c
		}, v))
	}
}

// classStatus has the statuses of classes of SQLSTATEs.
var classStatus = map[string]int{
	"08": 503, "09": 500, "0L": 403, "0P": 403, "25": 500, "28": 403, "2D": 500, "38": 500, "39": 500, "3B": 500, "40": 500,
	"53": 503, "54": 500, "55": 500, "57": 500, "58": 500, "F0": 500, "HV": 500, "P0": 500, "XX": 500,
}

// databaseStatus returns the status that PostgREST gives an SQLSTATE.
func databaseStatus(e *relation.Error, anonymous bool) int {
	switch e.Code {
	case "23503", "23505":
		return http.StatusConflict
	case "25006":
		return http.StatusMethodNotAllowed
	case "21000", "42P17":
		return http.StatusInternalServerError
	case "22023":
		if strings.HasPrefix(e.Message, "role ") && strings.HasSuffix(e.Message, " does not exist") {
			return http.StatusUnauthorized
		}
		return http.StatusBadRequest
	case "53400":
		return http.StatusInternalServerError
	case "57014":
		return http.StatusServiceUnavailable
	case "42883", "42P01":
		return http.StatusNotFound
	case "42501":
		if anonymous {
			return http.StatusUnauthorized
		}
		return http.StatusForbidden
	case "P0001":
		return http.StatusBadRequest
	}
	if n, ok := strings.CutPrefix(e.Code, "PT"); ok && len(n) == 3 && n[0] >= '2' && n[0] <= '5' {
		if code, ok := rangeNumber(n); ok {
			return int(code)
		}
		return http.StatusInternalServerError
	}
	if len(e.Code) == 5 && classStatus[e.Code[:2]] != 0 {
		return classStatus[e.Code[:2]]
	}
	return http.StatusBadRequest
}

// checkRelationSelect refuses what [handler.checkSelect] does, of a table beside
// the store's.
func (h *handler) checkRelationSelect(t *relation.Table, items []query.Item) error {
	err := h.checkSelect(&table{Schema: &query.Schema{Table: t.Name}}, items)
	if e, ok := errors.AsType[*Error](err); ok && e.Code == "PGRST200" {
		e.Details = strings.ReplaceAll(e.Details, "'"+schema+"'", "'"+t.Schema+"'")
	}
	return err
}
