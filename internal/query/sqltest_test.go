package query_test

import (
	"fmt"
	"strconv"
	"strings"

	"vigil/internal/jsonb"
	"vigil/internal/query"
)

// The functions here write a query as the SQL that PostgREST would send, for
// PostgreSQL to say what the answer is. They share nothing with Compile.

func jsonString(s string) string { return string(jsonb.AppendString(nil, s)) }

func lit(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }

func ident(s string) string { return `"` + strings.ReplaceAll(s, `"`, `""`) + `"` }

func columnOf(name string) query.Column {
	if i := schema.Column(name); i >= 0 {
		return schema.Columns[i]
	}
	return query.Column{}
}

func sqlPath(p query.Path) string {
	out := "events." + ident(p.Column)
	if t := columnOf(p.Column).Type; len(p.Steps) > 0 && t != query.JSONB && t != query.Unknown {
		out = "to_jsonb(" + out + ")"
	}
	for _, s := range p.Steps {
		out += map[bool]string{true: "->>", false: "->"}[s.Text]
		if s.IsIndex {
			out += strconv.Itoa(s.Index)
		} else {
			out += lit(s.Key)
		}
	}
	return "(" + out + ")"
}

var sqlOps = map[query.Op]string{
	query.Eq: "=", query.Neq: "<>", query.Gt: ">", query.Gte: ">=", query.Lt: "<", query.Lte: "<=", query.Like: "like", query.ILike: "ilike",
	query.Match: "~", query.IMatch: "~*", query.Cs: "@>", query.Cd: "<@", query.Ov: "&&", query.IsDistinct: "is distinct from", query.Sl: "<<", query.Adj: "-|-",
}

var tsFunctions = map[query.Op]string{
	query.FTS: "to_tsquery", query.PlFTS: "plainto_tsquery", query.PhFTS: "phraseto_tsquery", query.WFTS: "websearch_to_tsquery",
}

func sqlExpr(x query.Expr) string {
	join := func(xs []query.Expr, word, nothing string) string {
		if len(xs) == 0 {
			return nothing
		}
		parts := make([]string, len(xs))
		for i, x := range xs {
			parts[i] = sqlExpr(x)
		}
		return "(" + strings.Join(parts, " "+word+" ") + ")"
	}
	switch x := x.(type) {
	case query.And:
		return join(x, "and", "true")
	case query.Or:
		return join(x, "or", "false")
	case query.Not:
		return "(not " + sqlExpr(x.X) + ")"
	case query.Test:
		return sqlTest(&x)
	}
	return "true"
}

func sqlTest(t *query.Test) string {
	col := columnOf(t.Path.Column)
	whole := t.Op == query.Is || t.Op == query.Cs || t.Op == query.Cd || t.Op == query.Ov
	if !col.Any || len(t.Path.Steps) > 0 || whole {
		return sqlCompare(sqlPath(t.Path), t)
	}
	c := ident(t.Path.Column)
	exists := "exists (select 1 from unnest(" + c + ") e where " + sqlCompare("e", t) + ")"
	if t.Op == query.IsDistinct {
		return "(coalesce(cardinality(" + c + "), 0) = 0 or " + exists + ")"
	}
	return "(case when " + c + " is null then null else " + exists + " end)"
}

func sqlCompare(left string, t *query.Test) string {
	operand := t.Value
	if t.Op == query.Like || t.Op == query.ILike {
		operand = strings.ReplaceAll(operand, "*", "%")
	}
	switch {
	case t.Op == query.Is:
		return "(" + left + " is " + strings.ReplaceAll(t.Value, "_", " ") + ")"
	case t.Op == query.In:
		list := make([]string, len(t.List))
		for i, s := range t.List {
			list[i] = `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s) + `"`
		}
		if len(list) == 1 && t.List[0] == "" {
			list = nil
		}
		return "(" + left + " = any (" + lit("{"+strings.Join(list, ",")+"}") + "))"
	case tsFunctions[t.Op] != "":
		if columnOf(t.Path.Column).Type != query.UUID {
			left = "to_tsvector('simple', " + left + ")"
		}
		return "(" + left + " @@ " + tsFunctions[t.Op] + "('simple', " + lit(operand) + "))"
	case t.Quant != query.QuantNone:
		return "(" + left + " " + sqlOps[t.Op] + " " + map[query.Quant]string{query.QuantAny: "any", query.QuantAll: "all"}[t.Quant] + " (" + lit(operand) + "))"
	}
	return "(" + left + " " + sqlOps[t.Op] + " " + lit(operand) + ")"
}

func sqlQuery(q *query.Query) string {
	var cells, groups []string
	aggregated := false
	items := q.Select
	if len(items) == 0 {
		items = []query.Item{{Star: true}}
	}
	for _, it := range items {
		if it.Star {
			cells = append(cells, "id", "event")
			continue
		}
		cell := "*"
		if it.Path.Column != "" {
			cell = sqlPath(it.Path)
			if it.Agg == query.AggNone {
				groups = append(groups, cell)
			}
			if it.Cast != "" {
				cell = "cast(" + cell + " as " + it.Cast + ")"
			}
		}
		if it.Agg != query.AggNone {
			aggregated = true
			cell = it.Agg.String() + "(" + cell + ")"
			if it.AggCast != "" {
				cell = "cast(" + cell + " as " + it.AggCast + ")"
			}
		}
		cells = append(cells, cell+" as "+ident(it.Name()))
	}
	sql := "select " + strings.Join(cells, ", ") + " from events"
	if q.Where != nil {
		sql += " where " + sqlExpr(q.Where)
	}
	if aggregated && len(groups) > 0 {
		sql += " group by " + strings.Join(groups, ", ")
	}
	var order []string
	for _, o := range q.Order {
		term := sqlPath(o.Path)
		if o.Desc {
			term += " desc"
		}
		order = append(order, term+map[query.Nulls]string{query.NullsFirst: " nulls first", query.NullsLast: " nulls last"}[o.Nulls])
	}
	if !aggregated {
		order = append(order, "events.id")
	}
	if len(order) > 0 {
		sql += " order by " + strings.Join(order, ", ")
	}
	if q.Limit >= 0 {
		sql += fmt.Sprintf(" limit %d", q.Limit)
	}
	return sql + fmt.Sprintf(" offset %d", q.Offset)
}

// sqlTable writes the statements that make the table and its rows.
func sqlTable(rows records) string {
	types := make([]string, len(schema.Columns))
	for i, c := range schema.Columns {
		types[i] = ident(c.Name) + " " + c.Type.String()
	}
	out := "create table events (" + strings.Join(types, ", ") + ");\n"
	for _, row := range rows {
		cells := make([]string, len(row))
		for i, v := range row {
			cells[i] = "null"
			if v.Valid && v.Type == query.JSONB {
				cells[i] = lit(string(v.B))
			} else if v.Valid {
				cells[i] = lit(string(v.AppendText(nil)))
			}
		}
		out += "insert into events values (" + strings.Join(cells, ", ") + ");\n"
	}
	return out
}
