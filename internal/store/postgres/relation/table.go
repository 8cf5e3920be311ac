package relation

import (
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
)

// Table is a table or view as the catalogue describes it. It is never changed.
type Table struct {
	Schema, Name string
	Comment      string
	Columns      []Column
	// Key are the columns of the primary key, in its order; nil for none.
	Key []string
	// Insertable says that rows can be added, rights aside.
	Insertable bool

	oid uint32
}

// Column is one column of a [Table].
type Column struct {
	Name    string
	Type    string // PostgreSQL's name of it, qualified where it is not built in
	Comment string
	// Default is the SQL expression of a value that is not given; empty for none.
	Default string
	NotNull bool
	// Generated says that the database alone sets it.
	Generated bool
	Enum      []string // values of an enumeration
	Kind      Kind

	tsvector bool
}

// Kind is what a value of a column looks like in JSON.
type Kind uint8

// The kinds.
const (
	KindString Kind = iota
	KindInteger
	KindNumber
	KindBoolean
	KindArray
	KindObject // a row of several values
	KindJSON   // json or jsonb: any
)

// Column returns the named column, nil if there is none.
func (t *Table) Column(name string) *Column {
	i := slices.IndexFunc(t.Columns, func(c Column) bool { return c.Name == name })
	if i < 0 {
		return nil
	}
	return &t.Columns[i]
}

// sql returns the qualified, quoted name.
func (t *Table) sql() string { return pgx.Identifier{t.Schema, t.Name}.Sanitize() }

// quote quotes one identifier.
func quote(name string) string { return pgx.Identifier{name}.Sanitize() }

// fillable returns a column that can be given, nil if there is none: one without a
// sequence, if there is one, since that takes a right of its own.
func (t *Table) fillable() *Column {
	var found *Column
	for i := range t.Columns {
		c := &t.Columns[i]
		if !c.Generated && (found == nil || strings.HasPrefix(found.Default, "nextval(")) {
			found = c
		}
	}
	return found
}
