package query

import (
	"strconv"
	"strings"
	"time"
)

// SQLTable says where the rows of a [Schema] are in a PostgreSQL database. Its
// texts are written into statements as they are: they come from the program,
// never from a request.
type SQLTable struct {
	// Columns has the expression of each column of the schema, over what From names.
	Columns []string
	// ID is the expression of the row's id, by which rows are ordered in the end.
	ID string
	// From returns what follows FROM in a statement that uses these columns.
	From func(used []bool) string
	// Short says that there is an index over the first [ShortText] characters of
	// the text at this path; nil is none.
	Short func(Path) bool
	// Sorted says that there is such an index in collation "C", for ranges too; nil
	// is none.
	Sorted func(Path) bool
	// Key returns a condition that holds for every row whose list column has the
	// value, and that an index serves: an expression with one %s for the parameter,
	// and that; nil is none. It may hold for other rows, and where the list is null.
	Key func(column int, value string) (expr, typ, arg string, ok bool)
}

// sorted reports whether an index has the beginnings of the texts in order.
func (t *SQLTable) sorted(p Path) bool { return t.Sorted != nil && t.Sorted(p) }

// ShortText is how many characters of a text indexes have: no more than 2.7 kB
// has a place in one.
const ShortText = 500

// Statement is an SQL statement with its parameters. Every value and every JSON
// key of the question is a parameter, given as text with its type left to the
// server, which finds a cast behind each.
type Statement struct {
	Text string
	Args []string
}

// maxArgs is how many parameters the protocol has room for.
const maxArgs = 65535

// SQL is a [Query] for PostgreSQL. It answers as a [Program] does, in a database
// with encoding UTF-8 and a session with time zone UTC. Its collation does not
// count but for the order of jsonb, which has no other, and for the folding of
// case in text searches.
type SQL struct {
	program *Program
	query   *Query
	table   SQLTable
	now     time.Time
}

// CompileSQL resolves q against the table's schema. It fails exactly where
// [Compile] does.
func CompileSQL(q *Query, s *Schema, t SQLTable, now time.Time) (*SQL, error) {
	p, err := Compile(q, s, now)
	if err != nil {
		return nil, err
	}
	return &SQL{program: p, query: q, table: t, now: now.UTC()}, nil
}

// Columns returns the columns of the answer.
func (s *SQL) Columns() []Column { return s.program.columns }

// Uses reports whether the where, the order or the projection look at column i
// of the schema.
func (s *SQL) Uses(i int) bool {
	w := s.writer()
	if _, err := w.rows(); err != nil {
		return true
	}
	return w.used[i]
}

// Rows returns the statement whose rows [SQL.Cells] makes those of the answer of,
// and the types of their values.
func (s *SQL) Rows() (Statement, []Type, error) {
	w := s.writer()
	types, err := w.rows()
	if err != nil {
		return Statement{}, nil, err
	}
	st, err := w.statement()
	return st, types, err
}

// Records returns the statement for the given columns of the rows that
// [SQL.Rows] would project. Uses holds for columns that the list needs.
func (s *SQL) Records(columns string, uses ...int) (Statement, error) {
	w := s.writer()
	for _, i := range uses {
		w.used[i] = true
	}
	if err := w.records(columns); err != nil {
		return Statement{}, err
	}
	return w.statement()
}

// Count returns the statement that counts what the query's where selects,
// whatever its page.
func (s *SQL) Count() (Statement, error) {
	w := s.writer()
	where, err := w.where()
	if err != nil {
		return Statement{}, err
	}
	w.text = "select count(*) from " + s.table.From(w.used) + where
	return w.statement()
}

// Cells computes the cells of a row of the answer from a row of the statement
// that [SQL.Rows] returned.
func (s *SQL) Cells(row, cells []Value) (err error) {
	p := s.program
	at := p.groupCount()
	for i := range p.items {
		it := &p.items[i]
		switch {
		case !p.groups:
			cells[i], err = applyCast(it.cast, row[i])
		case it.agg == AggNone:
			cells[i], err = applyCast(it.cast, row[it.group])
		default:
			cells[i], err = applyCast(it.aggCast, row[at])
			at++
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// groupCount returns how many values are grouped by.
func (p *Program) groupCount() int {
	n := 0
	for i := range p.items {
		if it := &p.items[i]; p.groups && it.agg == AggNone {
			n = max(n, it.group+1)
		}
	}
	return n
}

// sqlWriter writes one statement.
type sqlWriter struct {
	*SQL
	text    string
	args    []string
	used    []bool
	negated int // how many times Not is around what is being written
}

func (s *SQL) writer() *sqlWriter {
	return &sqlWriter{SQL: s, used: make([]bool, len(s.program.schema.Columns))}
}

func (w *sqlWriter) statement() (Statement, error) {
	if len(w.args) > maxArgs {
		return Statement{}, errorf(codeUnsupported, "the query has more than %d values", maxArgs)
	}
	return Statement{Text: w.text, Args: w.args}, nil
}

// arg adds a parameter, and returns it as an expression of the type.
func (w *sqlWriter) arg(value, typ string) string {
	w.args = append(w.args, value)
	return "$" + strconv.Itoa(len(w.args)) + "::" + typ
}

// path returns the expression of the value at a path.
func (w *sqlWriter) path(r *ref) string {
	w.used[r.col] = true
	x := w.table.Columns[r.col]
	if r.toJSON && len(r.steps) > 0 {
		x = "to_jsonb(" + x + ")"
	}
	for i := range r.steps {
		step := &r.steps[i]
		arrow, operand := "->", ""
		if step.Text {
			arrow = "->>"
		}
		if step.IsIndex {
			index := min(max(step.Index, -1<<31), 1<<31-1) // no array is as long as that
			operand = w.arg(strconv.Itoa(index), "int4")
		} else {
			operand = w.arg(step.Key, "text")
		}
		x = "(" + x + arrow + operand + ")"
	}
	return x
}

// rows writes the statement of the answer.
func (w *sqlWriter) rows() ([]Type, error) {
	if w.program.groups {
		return w.grouped()
	}
	var list []string
	var types []Type
	for i := range w.program.items {
		r := &w.program.items[i].ref
		list, types = append(list, w.path(r)), append(types, r.typ)
	}
	return types, w.records(strings.Join(list, ", "))
}

// records writes the statement for columns of single rows.
func (w *sqlWriter) records(columns string) error {
	where, err := w.where()
	if err != nil {
		return err
	}
	order := ""
	for i := range w.program.order {
		o := &w.program.order[i]
		order += ordering(w.path(&o.ref), o) + ", "
	}
	order += w.table.ID
	if w.program.desc {
		order += " desc"
	}
	page := w.page()
	w.text = "select " + columns + " from " + w.table.From(w.used) + where + " order by " + order + page
	return nil
}

// grouped writes the statement of an answer with aggregates: the values that
// are grouped by, then the aggregates. Groups without an order are in that of
// their first rows.
func (w *sqlWriter) grouped() ([]Type, error) {
	p := w.program
	n := p.groupCount()
	inner, outer := make([]string, n), make([]string, n)
	types := make([]Type, n)
	for _, it := range p.groupItems() {
		inner[it.group] = w.path(&it.ref)
		types[it.group] = it.ref.typ
	}
	for i := range outer {
		outer[i] = "g" + strconv.Itoa(i)
		inner[i] += " as " + outer[i]
	}
	for i := range p.items {
		it := &p.items[i]
		if it.agg == AggNone {
			continue
		}
		typ, err := aggregateType(it.agg, it.argTypeOrRow())
		if err != nil {
			return nil, err
		}
		name := "a" + strconv.Itoa(i)
		inner, outer, types = append(inner, w.aggregate(it)+" as "+name), append(outer, name), append(types, typ)
	}
	inner = append(inner, "min("+w.table.ID+") as first")
	where, err := w.where()
	if err != nil {
		return nil, err
	}
	from := w.table.From(w.used)
	groups := make([]string, n)
	for i := range groups {
		groups[i] = strconv.Itoa(i + 1)
	}
	by, order := "", ""
	if n > 0 {
		by = " group by " + strings.Join(groups, ", ")
	}
	for i := range p.order {
		o := &p.order[i]
		order += ordering("g"+strconv.Itoa(o.group), o) + ", "
	}
	w.text = "select " + strings.Join(outer, ", ") + " from (select " + strings.Join(inner, ", ") + " from " + from + where + by +
		") s order by " + order + "first" + w.page()
	return types, nil
}

// argTypeOrRow is the type that is aggregated; rows are counted as integers.
func (it *item) argTypeOrRow() Type {
	if it.count {
		return Int8
	}
	return it.argType
}

func (w *sqlWriter) aggregate(it *item) string {
	if it.count {
		return "count(*)"
	}
	x := w.path(&it.ref)
	if it.cast != nil {
		x = "(" + x + ")::" + it.argType.String()
	}
	if it.agg != AggCount {
		x = collated(x, it.argType)
	}
	return it.agg.String() + "(" + x + ")"
}

// page writes limit and offset.
func (w *sqlWriter) page() string {
	page := ""
	if w.program.limit >= 0 {
		page += " limit " + w.arg(strconv.FormatInt(w.program.limit, 10), "int8")
	}
	if w.program.offset > 0 {
		page += " offset " + w.arg(strconv.FormatInt(w.program.offset, 10), "int8")
	}
	return page
}

// ordering writes one term of an order.
func ordering(x string, o *orderBy) string {
	x = collated(x, o.ref.typ)
	if o.desc {
		x += " desc"
	}
	if o.nullsFirst {
		return x + " nulls first"
	}
	return x + " nulls last"
}

// collated makes an expression compare by bytes. Equality does so by itself and
// is left alone, so that any index can serve it.
func collated(x string, t Type) string {
	if t == Text || t == TextArray {
		return x + ` collate "C"`
	}
	return x
}
