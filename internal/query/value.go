package query

// Type is the type of a column or value, in PostgreSQL's terms.
type Type uint8

// The types that embedded tables and casts know. Unknown is the type of a
// value that only a PostgreSQL store can make; its text is PostgreSQL's.
const (
	Unknown Type = iota
	Bool
	Int4
	Int8
	Float8
	Numeric
	Text
	Date
	Timestamp
	Timestamptz
	UUID
	JSON
	JSONB
	TextArray
)

// Column is one column of a table or of an answer.
type Column struct {
	Name string
	Type Type
	// System columns are not part of * and begin with an underscore.
	System bool
	// Insert says that a POST may give the column.
	Insert bool
	// Required says that a POST must give it (not null, no default).
	Required bool
	// Any says that a comparison on this array column means any of its elements.
	Any     bool
	Comment string
}

// Schema is what a table looks like.
type Schema struct {
	Table   string
	Columns []Column
	Comment string
	// Key is the name of the column with the row's id; empty for a view without one.
	Key string
	// ReadOnly says that the table takes no POST: a view.
	ReadOnly bool
}

// Column returns the index of the named column, -1 if there is none.
func (s *Schema) Column(name string) int {
	for i := range s.Columns {
		if s.Columns[i].Name == name {
			return i
		}
	}
	return -1
}

// Value is one cell. The zero Value is null.
//
// B is shared and never changed: it may point into a decoded block.
type Value struct {
	Type  Type
	Valid bool    // false is SQL null
	Print bool    // JSONB: B is spelled as PostgreSQL prints it
	I     int64   // Bool (0, 1), Int4, Int8; Date in days, Timestamp and Timestamptz in microseconds, since 1970-01-01
	F     float64 // Float8
	B     []byte  // Text and Unknown: the text; Numeric: PostgreSQL's text; JSON and JSONB: a JSON text, spelled in any way; UUID: canonical text
	List  []string
}

// Row is one record as a [Program] sees it: column i of the [Schema] it was
// compiled for. A Row computes what is asked of it, so ask once.
type Row interface {
	Value(i int) Value
}
