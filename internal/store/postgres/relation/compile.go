package relation

import (
	"slices"
	"strconv"
	"strings"

	"vigil/internal/query"
)

// maxArgs is how many parameters the protocol has room for.
const maxArgs = 65535

// maxAlias is the longest name that PostgreSQL does not cut.
const maxAlias = 63

// writer writes one statement.
type writer struct {
	cat   *catalog
	table *Table
	from  string // what columns are qualified by
	args  [][]byte
	typed map[[2]string]string // parameters that have been written, by value and type
}

// newWriter begins a statement over a table, whose rows are called from.
func newWriter(cat *catalog, t *Table, from string) *writer {
	return &writer{cat: cat, table: t, from: from, typed: map[[2]string]string{}}
}

// statement is an SQL statement with its parameters, as text.
type statement struct {
	text string
	args [][]byte
}

// arg adds a parameter whose type the server finds.
func (w *writer) arg(value string) string {
	w.args = append(w.args, []byte(value))
	return "$" + strconv.Itoa(len(w.args))
}

// typedArg adds a parameter of a type. The same value is the same parameter, so
// that an expression can be recognized: a group and what is selected of it.
func (w *writer) typedArg(value, typ string) string {
	key := [2]string{value, typ}
	if w.typed[key] == "" {
		w.typed[key] = w.arg(value) + "::" + typ
	}
	return w.typed[key]
}

// key adds a key of an object, whose type the server finds to be text.
func (w *writer) key(name string) string {
	key := [2]string{name, ""}
	if w.typed[key] == "" {
		w.typed[key] = w.arg(name)
	}
	return w.typed[key]
}

// done ends a statement.
func (w *writer) done(text string) (statement, error) {
	if len(w.args) > maxArgs {
		return statement{}, &Error{Code: "54000", Message: "the query has too many values"}
	}
	return statement{text, w.args}, nil
}

// column writes a column, which must be in the catalogue.
func (w *writer) column(name string) (string, *Column, error) {
	c := w.table.Column(name)
	if c == nil {
		return "", nil, noColumn(w.table, name)
	}
	return w.from + "." + quote(c.Name), c, nil
}

// path writes a column and the way into its JSON. Other values than JSON are
// made that before.
func (w *writer) path(p query.Path) (string, *Column, error) {
	x, c, err := w.column(p.Column)
	if err != nil {
		return "", nil, err
	}
	if len(p.Steps) > 0 && c.Kind != KindJSON {
		x = "to_jsonb(" + x + ")"
	}
	for _, s := range p.Steps {
		arrow := "->"
		if s.Text {
			arrow = "->>"
		}
		if s.IsIndex {
			x += arrow + w.typedArg(strconv.Itoa(s.Index), "int4")
		} else {
			x += arrow + w.key(s.Key)
		}
	}
	return x, c, nil
}

// project writes what is selected of the rows, and by what they are grouped.
func (w *writer) project(items []query.Item) (list, group string, err error) {
	if len(items) == 0 {
		return w.star(), "", nil
	}
	var parts, groups []string
	for i := range items {
		it := &items[i]
		if it.Star {
			parts = append(parts, w.star())
			for _, c := range w.table.Columns {
				groups = append(groups, w.from+"."+quote(c.Name))
			}
			continue
		}
		x, err := w.item(it)
		if err != nil {
			return "", "", err
		}
		if it.Agg == query.AggNone {
			groups = append(groups, x)
		}
		name := it.Name()
		if len(name) > maxAlias {
			return "", "", &Error{Code: "42622", Message: "the name " + cut(name) + " is too long", Hint: "Give an alias of at most 63 bytes."}
		}
		parts = append(parts, x+" as "+quote(name))
	}
	if grouped(items) && len(groups) > 0 {
		group = " group by " + strings.Join(groups, ", ")
	}
	return strings.Join(parts, ", "), group, nil
}

func grouped(items []query.Item) bool {
	return slices.ContainsFunc(items, func(it query.Item) bool { return it.Agg != query.AggNone })
}

// star writes all columns, those included that the catalogue does not have yet.
func (w *writer) star() string { return w.from + ".*" }

// item writes one value of a projection.
func (w *writer) item(it *query.Item) (x string, err error) {
	if it.Agg == query.AggCount && it.Path.Column == "" {
		return w.cast("count(*)", it.AggCast)
	}
	if x, _, err = w.path(it.Path); err != nil {
		return "", err
	}
	if it.Cast != "" && len(it.Path.Steps) > 0 {
		x = "(" + x + ")"
	}
	if x, err = w.cast(x, it.Cast); err != nil || it.Agg == query.AggNone {
		return x, err
	}
	return w.cast(it.Agg.String()+"("+x+")", it.AggCast)
}

// cast writes a cast to a type of the catalogue; an empty name is none.
func (w *writer) cast(x, name string) (string, error) {
	if name == "" {
		return x, nil
	}
	typ, err := w.cat.typeSQL(name)
	return "cast(" + x + " as " + typ + ")", err
}

// order writes an order, with its keyword; empty for none. The key comes behind
// it where keyed.
func (w *writer) order(terms []query.Order, keyed bool) (string, error) {
	var parts []string
	for _, o := range terms {
		x, _, err := w.path(o.Path)
		if err != nil {
			return "", err
		}
		if o.Desc {
			x += " desc"
		}
		switch o.Nulls {
		case query.NullsFirst:
			x += " nulls first"
		case query.NullsLast:
			x += " nulls last"
		}
		parts = append(parts, x)
	}
	if keyed {
		for _, k := range w.table.Key {
			parts = append(parts, w.from+"."+quote(k))
		}
	}
	if len(parts) == 0 {
		return "", nil
	}
	return " order by " + strings.Join(parts, ", "), nil
}

// page writes limit and offset.
func (w *writer) page(q *query.Query) (s string) {
	if q.Limit >= 0 {
		s = " limit " + w.typedArg(strconv.FormatInt(q.Limit, 10), "int8")
	}
	if q.Offset > 0 {
		s += " offset " + w.typedArg(strconv.FormatInt(q.Offset, 10), "int8")
	}
	return s
}

// rows writes the select that a query asks for. Where it asks for a part of the
// rows and keyed, the key makes their order the same every time.
func (w *writer) rows(q *query.Query, from string, keyed bool) (string, error) {
	list, group, err := w.project(q.Select)
	if err != nil {
		return "", err
	}
	where, err := w.where(q.Where)
	if err != nil {
		return "", err
	}
	part := q.Limit >= 0 || q.Offset > 0
	order, err := w.order(q.Order, keyed && part && !grouped(q.Select))
	if err != nil {
		return "", err
	}
	return "select " + list + " from " + from + where + group + order + w.page(q), nil
}

// count writes the statement that counts the rows that a query's where leaves,
// whatever its page and its groups, as PostgREST counts.
func (w *writer) count(q *query.Query, from string, how Count) (string, error) {
	where, err := w.where(q.Where)
	if how == Planned {
		return "explain (format json) select 1 from " + from + where, err
	}
	return "select count(*) from " + from + where, err
}

// rowName is what rows on their way out are called; rowName.* is the row even
// where it has a column of that name.
const rowName = "r"
