package postgrest

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"vigil/internal/auth"
	"vigil/internal/query"
)

// object is a JSON object of the description.
type object map[string]any

// serveRoot answers a request to /: the description of the tables that the principal
// may use, in OpenAPI 2.0 and PostgREST's layout.
func (h *handler) serveRoot(w http.ResponseWriter, r *http.Request, p *auth.Principal) error {
	const allow = "OPTIONS,GET,HEAD"
	switch r.Method {
	case http.MethodOptions:
		w.Header().Set("Allow", allow)
		w.WriteHeader(http.StatusOK)
		return nil
	case http.MethodGet, http.MethodHead:
	default:
		return errMethod(r.Method, allow, "")
	}
	if err := h.checkProfile(r); err != nil {
		return err
	}
	if _, err := parsePrefer(r.Header["Prefer"]); err != nil {
		return err
	}
	m, err := negotiate(r.Header["Accept"], rootMedia)
	if err != nil {
		return err
	}
	var body bytes.Buffer
	enc := json.NewEncoder(&body)
	enc.SetEscapeHTML(false)
	doc, err := h.describe(r, p)
	if err != nil {
		return err
	}
	if err := enc.Encode(doc); err != nil {
		return err
	}
	setContentType(w, r, m)
	w.Header().Set("Content-Length", strconv.Itoa(body.Len()))
	w.WriteHeader(http.StatusOK)
	if r.Method == http.MethodHead {
		return nil
	}
	_, err = w.Write(body.Bytes())
	return err
}

// describe makes the description for p.
func (h *handler) describe(r *http.Request, p *auth.Principal) (object, error) {
	media := []string{"application/json", "application/vnd.pgrst.object+json;nulls=stripped", "application/vnd.pgrst.object+json", "text/csv", "application/x-ndjson"}
	paths := object{"/": object{"get": object{
		"tags": []string{"Introspection"}, "summary": "OpenAPI description (this document)",
		"produces":  []string{"application/openapi+json", "application/json"},
		"responses": object{"200": object{"description": "OK"}},
	}}}
	definitions, parameters := object{}, commonParameters()
	for _, name := range h.names {
		t := h.tables[name]
		reads := h.Allow(p, name, auth.Select) == nil
		writes := !t.closed && h.Allow(p, name, auth.Insert) == nil
		if !reads && !writes {
			continue
		}
		path := object{}
		if reads {
			path["get"] = describeGet(t)
			paths["/"+name+"/query"] = object{"post": describeQuery(t)}
		}
		if writes {
			path["post"] = describePost(t)
		}
		paths["/"+name] = path
		definitions[name] = describeTable(t)
		describeFilters(t, parameters)
	}
	if err := h.describeRelations(r, p, paths, definitions, parameters); err != nil {
		return nil, err
	}
	doc := object{
		"swagger": "2.0",
		"info": object{
			"title": "Vigil", "version": "1",
			"description": "Audit events over PostgREST's interface. Events are added and read; nothing changes or removes them.",
		},
		"consumes": append(media, "application/x-www-form-urlencoded"), "produces": append(media, "text/event-stream"),
		"paths": paths, "definitions": definitions, "parameters": parameters,
	}
	h.address(r, doc)
	return doc, nil
}

// address says where the API is.
func (h *handler) address(r *http.Request, doc object) {
	scheme, host, path := "http", r.Host, "/"
	if r.TLS != nil {
		scheme = "https"
	}
	if h.BaseURL != nil {
		if u, err := url.Parse(h.BaseURL(r)); err == nil && u.Host != "" {
			scheme, host, path = u.Scheme, u.Host, "/"+strings.Trim(u.Path, "/")
		}
	}
	doc["schemes"], doc["host"], doc["basePath"] = []string{scheme}, host, path
}

// refs lists parameters by name.
func refs(names ...string) []object {
	list := make([]object, len(names))
	for i, n := range names {
		list[i] = object{"$ref": "#/parameters/" + n}
	}
	return list
}

func describeGet(t *table) object {
	var names []string
	for _, c := range t.Columns {
		names = append(names, "rowFilter."+t.Table+"."+c.Name)
	}
	names = append(names, "select", "order", "range", "rangeUnit", "offset", "limit", "preferCount")
	return object{
		"tags": []string{t.Table}, "summary": t.Comment, "parameters": refs(names...),
		"responses": object{
			"200": object{"description": "OK", "schema": object{"type": "array", "items": object{"$ref": "#/definitions/" + t.Table}}},
			"206": object{"description": "Partial Content"},
		},
	}
}

func describeQuery(t *table) object {
	return object{
		"tags": []string{t.Table}, "summary": "What GET answers, for a query that is too long for a URL",
		"consumes":   []string{"application/x-www-form-urlencoded", "application/json"},
		"parameters": refs("query"),
		"responses":  describeGet(t)["responses"],
	}
}

func describePost(t *table) object {
	return object{
		"tags": []string{t.Table}, "parameters": refs("body."+t.Table, "select", "columns", "preferPost", "idempotencyKey"),
		"responses": object{"201": object{"description": "Created: the rows are on stable storage"}},
	}
}

// describeTable describes one row.
func describeTable(t *table) object {
	properties, required := object{}, []string{}
	for _, c := range t.Columns {
		properties[c.Name] = describeColumn(t, c)
		if c.Required || c.Name == t.Key {
			required = append(required, c.Name)
		}
	}
	d := object{"type": "object", "properties": properties, "required": required}
	if t.Comment != "" {
		d["description"] = t.Comment
	}
	return d
}

// columnTypes has PostgreSQL's name and JSON's type of each column type. A jsonb
// value may be of any type.
var columnTypes = map[query.Type][2]string{
	query.Bool:        {"boolean", "boolean"},
	query.Int4:        {"integer", "integer"},
	query.Int8:        {"bigint", "integer"},
	query.Float8:      {"double precision", "number"},
	query.Numeric:     {"numeric", "number"},
	query.Text:        {"text", "string"},
	query.Date:        {"date", "string"},
	query.Timestamp:   {"timestamp without time zone", "string"},
	query.Timestamptz: {"timestamp with time zone", "string"},
	query.UUID:        {"uuid", "string"},
	query.JSON:        {"json", ""},
	query.JSONB:       {"jsonb", ""},
	query.TextArray:   {"text[]", "array"},
}

func describeColumn(t *table, c query.Column) object {
	names := columnTypes[c.Type]
	d := object{"format": names[0]}
	if names[1] != "" {
		d["type"] = names[1]
	}
	if names[1] == "array" {
		d["items"] = object{"type": "string"}
	}
	comment := c.Comment
	if c.Name == t.Key {
		comment = strings.TrimSpace(comment + "\n\nNote:\nThis is a Primary Key.<pk/>")
	}
	if comment != "" {
		d["description"] = comment
	}
	return d
}

// describeFilters adds the parameters that a table has for itself.
func describeFilters(t *table, parameters object) {
	for _, c := range t.Columns {
		parameters["rowFilter."+t.Table+"."+c.Name] = object{
			"name": c.Name, "required": false, "in": "query", "type": "string", "format": columnTypes[c.Type][0],
		}
	}
	if !t.closed {
		parameters["body."+t.Table] = object{
			"name": t.Table, "description": t.Table, "required": false, "in": "body",
			"schema": object{"$ref": "#/definitions/" + t.Table},
		}
	}
}

// commonParameters are those that every table has.
func commonParameters() object {
	of := func(name, in, description string, values ...string) object {
		p := object{"name": name, "in": in, "description": description, "required": false, "type": "string"}
		if len(values) > 0 {
			p["enum"] = values
		}
		return p
	}
	unit := of("Range-Unit", "header", "Limiting and Pagination")
	unit["default"] = "items"
	body := object{"name": "query", "in": "body", "required": true, "schema": object{
		"type": "object", "required": []string{"query"},
		"properties": object{"query": object{"type": "string", "description": "The query string of the GET"}},
	}}
	returns := []string{"return=representation", "return=headers-only", "return=minimal"}
	return object{
		"select":         of("select", "query", "Filtering Columns"),
		"columns":        of("columns", "query", "Columns of the body that count"),
		"order":          of("order", "query", "Ordering"),
		"offset":         of("offset", "query", "Limiting and Pagination"),
		"limit":          of("limit", "query", "Limiting and Pagination"),
		"range":          of("Range", "header", "Limiting and Pagination"),
		"rangeUnit":      unit,
		"query":          body,
		"preferReturn":   of("Prefer", "header", "Preference", returns...),
		"preferCount":    of("Prefer", "header", "Preference", "count=exact", "count=planned", "count=estimated"),
		"preferPost":     of("Prefer", "header", "Preference", append(returns, "missing=default", "missing=null", "resolution=ignore-duplicates")...),
		"idempotencyKey": of("Idempotency-Key", "header", "Makes a retry harmless: the same key and body add nothing for seven days"),
	}
}
