package store

import (
	"vigil"
	"vigil/internal/jsonb"
	"vigil/internal/query"
)

// Row is a stored event as a query sees it. Facts and the parsed sender are
// made when they are first asked for, so a Row is for one goroutine at a time.
type Row struct {
	Stored  vigil.Event // without Sender
	Sender  []byte      // JSON text as AppendSender writes it; empty is an unknown sender
	Mapping vigil.Mapping
	facts   *vigil.Facts
}

var _ query.Row = (*Row)(nil)

// Event returns the whole event. It fails if the stored sender cannot be read.
func (r *Row) Event() (*vigil.Event, error) {
	e := r.Stored
	s, err := ParseSender(r.Sender)
	e.Sender = s
	return &e, err
}

// Value implements [query.Row] for the columns of [EventSchema].
func (r *Row) Value(i int) query.Value {
	switch i {
	case ColID:
		return query.Value{Type: query.Int8, Valid: true, I: r.Stored.ID}
	case ColEvent:
		return query.Value{Type: query.JSONB, Valid: true, B: r.document()}
	case ColIndex:
		return query.Value{Type: query.Int8, Valid: true, I: r.Stored.Index}
	case ColUID:
		return query.Value{Type: query.UUID, Valid: true, B: r.Stored.UID.Append(make([]byte, 0, 36))}
	case ColReceived:
		return query.Value{Type: query.Timestamptz, Valid: true, I: r.Stored.Received.UnixMicro()}
	case ColFormat:
		return query.Value{Type: query.Text, Valid: true, B: []byte(r.Stored.Format)}
	case ColSender:
		return query.Value{Type: query.JSONB, Valid: len(r.Sender) > 0, B: r.Sender}
	case ColSourceID:
		return query.Value{Type: query.Int8, Valid: r.Stored.SourceID != 0, I: r.Stored.SourceID}
	case ColOccurred:
		t := r.Facts().Occurred
		if t.IsZero() {
			return query.Value{Type: query.Timestamptz}
		}
		return query.Value{Type: query.Timestamptz, Valid: true, I: t.UnixMicro()}
	}
	return r.fact(vigil.Fact(i - ColFacts))
}

func (r *Row) fact(f vigil.Fact) query.Value {
	list := factColumns[f].list
	values := r.Facts().Values[f]
	switch {
	case len(values) == 0 && list:
		return query.Value{Type: query.TextArray}
	case len(values) == 0:
		return query.Value{Type: query.Text}
	case list:
		return query.Value{Type: query.TextArray, Valid: true, List: values}
	}
	return query.Value{Type: query.Text, Valid: true, B: []byte(values[0])}
}

// Facts returns what the document says, by the store's mapping.
func (r *Row) Facts() *vigil.Facts {
	if r.facts == nil {
		r.facts = new(vigil.Facts)
		if r.Mapping != nil {
			*r.facts = r.Mapping.Facts(r.Stored.Format, r.Stored.Doc)
		}
	}
	return r.facts
}

// document returns the document as a JSON text. What is not JSON (an XML
// message, a line of text, a document in quarantine) is shown as a JSON string.
func (r *Row) document() []byte {
	if IsJSON(r.Stored.Table, r.Stored.Format) || jsonb.Check(r.Stored.Doc, jsonb.Limits{}) == nil {
		return r.Stored.Doc
	}
	return appendText(make([]byte, 0, len(r.Stored.Doc)+2), string(r.Stored.Doc))
}

// IsJSON reports whether every document of this format in this table is known
// to be a JSON value, because its listener checked it.
func IsJSON(table string, f vigil.Format) bool {
	switch f {
	case vigil.FormatLogserver, vigil.FormatFHIRR4, vigil.FormatFHIRR5,
		vigil.FormatAidbox, vigil.FormatExchange, vigil.FormatCLEF, vigil.FormatSystem:
		return table != vigil.TableQuarantine
	}
	return false
}
