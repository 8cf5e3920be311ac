package query

import (
	"vigil/internal/jsonb"
)

// ref is a resolved [Path]: where a value comes from, and its type.
type ref struct {
	col    int
	typ    Type // of the value, behind all steps
	steps  []Step
	toJSON bool // the column is none of JSON and is turned into it for the steps
	any    bool // comparisons mean any element of the array
}

// resolve finds the column of a path and follows the types of its steps.
func (s *Schema) resolve(p Path) (ref, error) {
	r := ref{col: s.Column(p.Column), steps: p.Steps}
	if r.col < 0 {
		return ref{}, s.noColumn(p.Column)
	}
	c := &s.Columns[r.col]
	if len(p.Steps) == 0 {
		r.typ, r.any = c.Type, c.Any && c.Type == TextArray
		return r, nil
	}
	r.toJSON = c.Type != JSON && c.Type != JSONB
	r.typ = JSONB
	for _, step := range p.Steps {
		if r.typ == Text {
			arrow, operand := "->", "unknown"
			if step.Text {
				arrow = "->>"
			}
			if step.IsIndex {
				operand = "integer"
			}
			e := errorf(codeNoFunction, "operator does not exist: text %s %s", arrow, operand)
			e.Hint = hintOperator
			return ref{}, e
		}
		if step.Text {
			r.typ = Text
		}
	}
	return r, nil
}

// value returns the value at the path.
func (r *ref) value(row Row) Value {
	if len(r.steps) == 0 {
		v := row.Value(r.col)
		v.Type = r.typ
		return v
	}
	doc, ok := r.json(row)
	if !ok {
		return Value{Type: r.typ}
	}
	if r.typ == JSONB {
		return Value{Type: JSONB, Valid: true, B: doc}
	}
	text, ok := textOf(doc)
	return Value{Type: Text, Valid: ok, B: text}
}

// json returns the JSON behind the steps as it is written.
func (r *ref) json(row Row) (doc []byte, ok bool) {
	v := row.Value(r.col)
	if !v.Valid {
		return nil, false
	}
	doc = v.B
	if r.toJSON {
		doc = v.AppendJSON(nil)
	}
	for i := range r.steps {
		if s := &r.steps[i]; s.IsIndex {
			doc, ok = jsonb.Index(doc, s.Index)
		} else {
			doc, ok = jsonb.Get(doc, s.Key)
		}
		if !ok {
			return nil, false
		}
	}
	return doc, true
}

// text returns the bytes of a value of type Text.
func (r *ref) text(row Row) (text []byte, ok bool) {
	if len(r.steps) == 0 {
		v := row.Value(r.col)
		return v.B, v.Valid
	}
	doc, ok := r.json(row)
	if !ok {
		return nil, false
	}
	return textOf(doc)
}

// textOf is ->> of a value that is there: JSON's null is SQL's.
func textOf(doc []byte) (text []byte, ok bool) {
	if text, ok = jsonb.Plain(doc); ok {
		return text, true
	}
	if jsonb.Kind(doc) == 'n' {
		return nil, false
	}
	return jsonb.AppendText(nil, doc), true
}

// noColumn is the error for a column that is not there, with PostgreSQL's
// guess at which one was meant.
func (s *Schema) noColumn(name string) error {
	e := errorf(codeNoColumn, "column %s.%s does not exist", s.Table, cut(name))
	if len(name) > maxQuoted {
		return e // it is like no column, and comparing costs
	}
	const tooFar = 4
	best, first, second := tooFar, -1, -1
	for i := range s.Columns {
		d := Distance(s.Columns[i].Name, name)
		switch {
		case d > len(name)/2:
		case d < best:
			best, first, second = d, i, -1
		case d == best && second >= 0: // too many are equally near
			best, first, second = d-1, -1, -1
		case d == best && first >= 0:
			second = i
		case d == best && d < tooFar:
			first = i
		}
	}
	switch {
	case second >= 0:
		e.Hint = `Perhaps you meant to reference the column "` + s.Table + "." + s.Columns[first].Name +
			`" or the column "` + s.Table + "." + s.Columns[second].Name + `".`
	case first >= 0:
		e.Hint = `Perhaps you meant to reference the column "` + s.Table + "." + s.Columns[first].Name + `".`
	}
	return e
}

// Distance returns how many bytes are to be added, dropped or changed to make b
// of a (Levenshtein), for hints at what a wrong name may have meant.
func Distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			d := diagonal
			if a[i] != b[j] {
				d++
			}
			diagonal = row[j+1]
			row[j+1] = min(d, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
