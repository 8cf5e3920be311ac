package query_test

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"vigil/internal/pgtest"
	"vigil/internal/query"
)

// sqlTableOf says where the oracle's rows are. Every condition that an index
// would serve is asked for, also where there is none.
func sqlTableOf() query.SQLTable {
	t := query.SQLTable{
		ID:   `events."id"`,
		From: func([]bool) string { return "events" },
		Short: func(p query.Path) bool {
			return p.Column == "event" && len(p.Steps) > 0 && p.Steps[len(p.Steps)-1].Text
		},
		Sorted: func(p query.Path) bool {
			return p.Column == "event" && len(p.Steps) == 1 && p.Steps[0].Text
		},
		Key: func(column int, value string) (expr, typ, arg string, ok bool) {
			return "coalesce(" + ident(schema.Columns[column].Name) + "::text, '') like %s", "text", "%" + strings.NewReplacer(`\`, `%`, `"`, "%", "%", `\%`, "_", `\_`).Replace(value) + "%", true
		},
	}
	for _, c := range schema.Columns {
		t.Columns = append(t.Columns, "events."+ident(c.Name))
	}
	return t
}

// ask runs a statement, and returns the rows that [query.SQL.Cells] makes of its answer.
func (o *oracle) ask(s *query.SQL) ([]string, error) {
	st, types, err := s.Rows()
	if err != nil {
		return nil, err
	}
	args := make([][]byte, len(st.Args))
	for i, a := range st.Args {
		args[i] = []byte(a)
	}
	formats := make([]int16, len(types))
	for i, t := range types {
		if t == query.Timestamptz || t == query.Timestamp || t == query.Date || t == query.TextArray {
			formats[i] = 1
		}
	}
	result := o.conn.PgConn().ExecParams(context.Background(), st.Text, args, nil, nil, formats).Read()
	if result.Err != nil {
		return nil, fmt.Errorf("%s %q: %w", st.Text, st.Args, result.Err)
	}
	var out []string
	row, cells := make([]query.Value, len(types)), make([]query.Value, len(s.Columns()))
	for _, r := range result.Rows {
		for i, t := range types {
			row[i] = cellOf(t, r[i])
		}
		if err := s.Cells(row, cells); err != nil {
			return nil, err
		}
		out = append(out, string(query.AppendRow(nil, s.Columns(), cells)))
	}
	return out, nil
}

// cellOf reads what PostgreSQL sent: text, and binary for times and arrays.
func cellOf(t query.Type, b []byte) query.Value {
	v := query.Value{Type: t, Valid: b != nil}
	if b == nil {
		return v
	}
	const days = 10_957 // from 1970 to 2000
	switch t {
	case query.Bool:
		if string(b) == "t" {
			v.I = 1
		}
	case query.Int4, query.Int8:
		v.I, _ = strconv.ParseInt(string(b), 10, 64)
	case query.Float8:
		v.F, _ = strconv.ParseFloat(string(b), 64)
	case query.Date:
		if v.I = int64(int32(binary.BigEndian.Uint32(b))); v.I == math.MaxInt32 || v.I == math.MinInt32 {
			v.I = map[bool]int64{true: math.MaxInt64, false: math.MinInt64}[v.I > 0]
		} else {
			v.I += days
		}
	case query.Timestamp, query.Timestamptz:
		if v.I = int64(binary.BigEndian.Uint64(b)); v.I != math.MaxInt64 && v.I != math.MinInt64 {
			v.I += days * 86_400_000_000
		}
	case query.TextArray:
		v.List = []string{}
		if binary.BigEndian.Uint32(b) > 0 {
			for b = b[20:]; len(b) > 0; {
				n := binary.BigEndian.Uint32(b)
				v.List, b = append(v.List, string(b[4:4+n])), b[4+n:]
			}
		}
	default:
		v.B = slices.Clone(b)
	}
	return v
}

// TestSQL asks random questions of PostgreSQL, as CompileSQL writes them, and of
// the rows in memory.
func TestSQL(t *testing.T) { compareSQL(t, newOracle(t, 80), false) }

// TestSQLCollation does so in a database whose own order of texts is another.
func TestSQLCollation(t *testing.T) {
	ctx := context.Background()
	if pgtest.Version(t) < 15 {
		t.Skip("left out: databases have another order since PostgreSQL 15, where it is not the machine's")
	}
	config, err := pgx.ParseConfig(pgtest.Postgres(t))
	if err != nil {
		t.Fatal(err)
	}
	conn, err := pgx.ConnectConfig(ctx, config)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(ctx)
	if _, err := conn.Exec(ctx, "create database other template template0 locale_provider icu icu_locale 'en-US'"); err != nil {
		t.Fatal(err)
	}
	config.Database = "other"
	o := &oracle{rows: sample(80)}
	if o.conn, err = pgx.ConnectConfig(ctx, config); err != nil {
		t.Fatal(err)
	}
	defer o.conn.Close(ctx)
	if _, err := o.conn.PgConn().Exec(ctx, sqlTable(o.rows)).ReadAll(); err != nil {
		t.Fatal(err)
	}
	compareSQL(t, o, true)
}

// ordersDatabase says whether the answer depends on the database's collation
// whatever the statement says: jsonb has no other order, and a text search folds
// case as the database does.
func ordersDatabase(q *query.Query, s *query.SQL) bool {
	st, _, _ := s.Rows()
	return jsonOrder.MatchString(st.Text) || slices.ContainsFunc(q.Order, func(o query.Order) bool { return typeOf(o.Path) == query.JSONB })
}

var jsonOrder = regexp.MustCompile(`@@|[<>]=? (any\(|all\()?\$[0-9]+::jsonb`)

func compareSQL(t *testing.T, o *oracle, anyCollation bool) {
	t.Helper()
	answered := 0
	for i := range 5000 {
		q := queries().Example(i)
		s, err := query.CompileSQL(&q, schema, sqlTableOf(), now)
		_, wantErr := query.Compile(&q, schema, now)
		if fmt.Sprint(err) != fmt.Sprint(wantErr) {
			t.Fatalf("%v: error %v, want Compile's %v", q, err, wantErr)
		}
		if err != nil {
			continue
		}
		if anyCollation && ordersDatabase(&q, s) {
			continue
		}
		got, gotErr := o.ask(s)
		want, wantErr := o.ours(&q)
		switch {
		case gotErr != nil && wantErr != nil:
			if e, ok := errors.AsType[*pgconn.PgError](gotErr); ok && !lazy(e) {
				t.Errorf("%v: %v, want %v", q, gotErr, wantErr)
			}
			continue
		case (gotErr != nil) != (wantErr != nil):
			t.Errorf("%+v: error %v, want %v", q, gotErr, wantErr)
			continue
		}
		answered++
		if !slices.Equal(got, want) {
			st, _, _ := s.Rows()
			t.Errorf("%+v\n%s %q\ngot  %s\nwant %s", q, st.Text, st.Args, strings.Join(got, "\n     "), strings.Join(want, "\n     "))
		}
		if t.Failed() && answered > 300 {
			break
		}
	}
	t.Logf("%d questions were answered", answered)
	if answered < 1500 {
		t.Errorf("only %d questions were answered: the generator is lopsided", answered)
	}
}

// TestSQLSplicesNothing makes sure that no text of a question is in a statement.
func TestSQLSplicesNothing(t *testing.T) {
	const evil = `x'); drop table events; -- "$1`
	path := query.Path{Column: "event", Steps: []query.Step{{Key: evil}, {Key: evil, Text: true}}}
	whole := query.Path{Column: "event", Steps: []query.Step{{Key: evil}}}
	list := query.Path{Column: "_patient"}
	var tests query.And
	for _, op := range []query.Op{query.Eq, query.Neq, query.Gt, query.Gte, query.Lt, query.Lte, query.Like, query.ILike, query.IsDistinct, query.PlFTS, query.PhFTS, query.WFTS} {
		tests = append(tests, query.Test{Path: path, Op: op, Value: evil}, query.Test{Path: list, Op: op, Value: evil}, query.Not{X: query.Test{Path: path, Op: op, Value: evil}})
	}
	for _, p := range []query.Path{path, list} {
		tests = append(tests,
			query.Test{Path: p, Op: query.In, List: []string{evil, evil}},
			query.Test{Path: p, Op: query.Eq, Quant: query.QuantAny, Value: arrayLiteral([]string{evil}, true)},
			query.Test{Path: p, Op: query.Match, Value: "drop table"})
	}
	tests = append(tests, query.Test{Path: whole, Op: query.Cs, Value: jsonString(evil)}, query.Test{Path: whole, Op: query.Eq, Value: jsonString(evil)},
		query.Test{Path: list, Op: query.Ov, Value: arrayLiteral([]string{evil}, false)})
	q := &query.Query{
		Table: "events", Where: tests, Limit: 987654, Offset: 876543, Order: []query.Order{{Path: path}},
		Select: []query.Item{{Path: path, Alias: evil}, {Path: whole, Agg: query.AggCount, Alias: evil}},
	}
	for _, grouped := range []bool{true, false} {
		if !grouped {
			q.Select = q.Select[:1]
		}
		s, err := query.CompileSQL(q, schema, sqlTableOf(), now)
		if err != nil {
			t.Fatal(err)
		}
		st, _, err := s.Rows()
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(st.Text, "drop") || strings.Contains(st.Text, "987654") || strings.Contains(st.Text, "876543") {
			t.Errorf("the statement has a part of the question: %s", st.Text)
		}
	}
}
