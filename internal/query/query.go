// Package query is the one question that every reader asks of a store: an
// expression over columns and JSON paths, with projection, grouping, order and
// page. PostgREST URLs, FHIR search and the search box are read into it; two
// things evaluate it: SQL on PostgreSQL, and in Go [Compile] with
// [Program.Match], which the embedded store, live tails and tests use, and
// which answers as PostgreSQL 15 does with collation "C".
//
// It knows nothing of HTTP, of stores or of events.
package query

// Query is one read of one table.
type Query struct {
	Table  string
	Select []Item // empty is *
	Where  Expr   // nil is all
	Order  []Order
	Limit  int64 // rows at most; negative is no limit
	Offset int64
}

// Item is one part of a projection: a star, a column or the way into its JSON,
// or an aggregate over it.
type Item struct {
	Star  bool   // *: every column that is not a system column
	Path  Path   // Column is empty for count()
	Alias string // name in the answer; empty is the default name, see [Item.Name]
	Cast  string // ::type of the value, empty for none
	Agg   Agg    // aggregate over the (cast) value, AggNone for none
	// AggCast is ::type of the aggregate's result, empty for none.
	AggCast string
	// Embed is the name of a relation asked for with relation(…); stores know
	// none, faces refuse it. Spread is ...relation(…), Items what is in the parentheses.
	Embed  string
	Spread bool
	Items  []Item
}

// Agg is an aggregate function.
type Agg uint8

// The aggregate functions of PostgREST.
const (
	AggNone Agg = iota
	AggCount
	AggSum
	AggAvg
	AggMin
	AggMax
)

// Path is a column and the way into its JSON: event->agent->>who.
type Path struct {
	Column string
	Steps  []Step
}

// Step is one arrow: an object key or an array index.
type Step struct {
	Key     string // the key, or the index as written
	Index   int    // where IsIndex
	IsIndex bool
	Text    bool // ->> and not ->
}

// Order is one term of an ordering. PostgreSQL's defaults hold: ascending, and
// nulls last when ascending, first when descending.
type Order struct {
	Path  Path
	Desc  bool
	Nulls Nulls
}

// Nulls says where nulls are put.
type Nulls uint8

// The places of nulls in an ordering.
const (
	NullsDefault Nulls = iota
	NullsFirst
	NullsLast
)

// Expr is a condition: [And], [Or], [Not] or [Test].
type Expr interface{ expr() }

type (
	// And holds where every part does; an empty And holds.
	And []Expr
	// Or holds where some part does; an empty Or does not.
	Or []Expr
	// Not holds where X does not; where X is null, Not is null.
	Not struct{ X Expr }
	// Test compares the value at Path.
	Test struct {
		Path  Path
		Op    Op
		Quant Quant
		// Value is the operand as written. For Is it is null, not_null, true,
		// false or unknown in lower case; with a Quant it is a PostgreSQL array
		// literal such as {a,"b c"}.
		Value string
		List  []string // operands of In
		Lang  string   // configuration of a text search, empty for the default
	}
)

func (And) expr()  {}
func (Or) expr()   {}
func (Not) expr()  {}
func (Test) expr() {}

// Op is an operator, spelled as PostgREST spells it.
type Op string

// The operators of PostgREST.
const (
	Eq         Op = "eq"
	Neq        Op = "neq"
	Gt         Op = "gt"
	Gte        Op = "gte"
	Lt         Op = "lt"
	Lte        Op = "lte"
	Like       Op = "like"  // * is written for %
	ILike      Op = "ilike" // * is written for %
	Match      Op = "match"
	IMatch     Op = "imatch"
	In         Op = "in"
	Is         Op = "is"
	IsDistinct Op = "isdistinct"
	FTS        Op = "fts"   // to_tsquery
	PlFTS      Op = "plfts" // plainto_tsquery
	PhFTS      Op = "phfts" // phraseto_tsquery
	WFTS       Op = "wfts"  // websearch_to_tsquery
	Cs         Op = "cs"    // @>
	Cd         Op = "cd"    // <@
	Ov         Op = "ov"    // &&
	Sl         Op = "sl"    // <<
	Sr         Op = "sr"    // >>
	Nxr        Op = "nxr"   // &<
	Nxl        Op = "nxl"   // &>
	Adj        Op = "adj"   // -|-
)

// Quant says how many elements of an array operand a comparison must hold for.
type Quant uint8

// The quantifiers.
const (
	QuantNone Quant = iota
	QuantAny
	QuantAll
)

// Name returns the name that the item has in an answer: the alias, else the
// last key of the path, else the column, else the aggregate's name. (The name of
// an aggregate with a path is the aggregate's, as in PostgREST.)
func (it Item) Name() string {
	switch {
	case it.Alias != "":
		return it.Alias
	case it.Agg != AggNone:
		return it.Agg.String()
	}
	for i := len(it.Path.Steps) - 1; i >= 0; i-- {
		if s := it.Path.Steps[i]; !s.IsIndex {
			return s.Key
		}
	}
	return it.Path.Column
}

// String returns PostgREST's name of the function; AggNone is empty.
func (a Agg) String() string {
	return [...]string{"", "count", "sum", "avg", "min", "max"}[a]
}
