package postgrest

import (
	"net/http"
	"slices"
	"strings"

	"vigil/internal/auth"
	"vigil/internal/store/postgres/relation"
)

// outside is what is said of tables that Vigil did not make.
const outside = "Outside of the log: Vigil did not make this table, and proves nothing about its rows."

// describeRelations adds the tables beside the store's that p may use.
func (h *handler) describeRelations(r *http.Request, p *auth.Principal, paths, definitions, parameters object) error {
	if h.Relations == nil {
		return nil
	}
	rights, err := h.Relations.Rights(r.Context(), h.relationSchema(r), p.Role)
	if err != nil {
		return err
	}
	for _, right := range rights {
		t := right.Table
		if h.relation(r, t.Name) == nil {
			continue // the store has one of that name
		}
		path := object{}
		if right.Select {
			path["get"] = describeRelationGet(t)
			paths["/"+t.Name+"/query"] = object{"post": object{
				"tags": []string{t.Name}, "summary": "What GET answers, for a query that is too long for a URL",
				"consumes":   []string{"application/x-www-form-urlencoded", "application/json"},
				"parameters": refs("query"), "responses": describeRelationGet(t)["responses"],
			}}
		}
		if right.Insert {
			path["post"] = object{
				"tags": []string{t.Name}, "description": outside + " Rows are added; PATCH, PUT, DELETE and resolution=merge-duplicates are refused.",
				"parameters": refs("body."+t.Name, "select", "columns", "preferPost"),
				"responses":  object{"201": object{"description": "Created"}},
			}
			parameters["body."+t.Name] = object{
				"name": t.Name, "description": t.Name, "required": false, "in": "body", "schema": object{"$ref": "#/definitions/" + t.Name},
			}
		}
		paths["/"+t.Name] = path
		definitions[t.Name] = describeRelation(t)
		for _, c := range t.Columns {
			parameters["rowFilter."+t.Name+"."+c.Name] = object{
				"name": c.Name, "required": false, "in": "query", "type": "string", "format": c.Type,
			}
		}
	}
	return nil
}

func describeRelationGet(t *relation.Table) object {
	var names []string
	for _, c := range t.Columns {
		names = append(names, "rowFilter."+t.Name+"."+c.Name)
	}
	names = append(names, "select", "order", "range", "rangeUnit", "offset", "limit", "preferCount")
	return object{
		"tags": []string{t.Name}, "summary": t.Comment, "description": outside, "parameters": refs(names...),
		"responses": object{
			"200": object{"description": "OK", "schema": object{"type": "array", "items": object{"$ref": "#/definitions/" + t.Name}}},
			"206": object{"description": "Partial Content"},
		},
	}
}

// describeRelation describes one row.
func describeRelation(t *relation.Table) object {
	properties, required := object{}, []string{}
	for _, c := range t.Columns {
		properties[c.Name] = describeRelationColumn(t, c)
		if c.NotNull && c.Default == "" && !c.Generated || slices.Contains(t.Key, c.Name) {
			required = append(required, c.Name)
		}
	}
	return object{
		"type": "object", "properties": properties, "required": required,
		"description": strings.TrimSpace(t.Comment + "\n\n" + outside),
	}
}

// kindNames has JSON's type of each kind; json may be of any.
var kindNames = map[relation.Kind]string{
	relation.KindString: "string", relation.KindInteger: "integer", relation.KindNumber: "number",
	relation.KindBoolean: "boolean", relation.KindArray: "array", relation.KindObject: "object",
}

func describeRelationColumn(t *relation.Table, c relation.Column) object {
	d := object{"format": c.Type}
	if name := kindNames[c.Kind]; name != "" {
		d["type"] = name
	}
	if c.Kind == relation.KindArray {
		d["items"] = object{}
	}
	if len(c.Enum) > 0 {
		d["enum"] = c.Enum
	}
	if c.Default != "" {
		d["default"] = c.Default
	}
	if c.Generated {
		d["readOnly"] = true
	}
	comment := c.Comment
	if slices.Contains(t.Key, c.Name) {
		comment = strings.TrimSpace(comment + "\n\nNote:\nThis is a Primary Key.<pk/>")
	}
	if comment != "" {
		d["description"] = comment
	}
	return d
}
