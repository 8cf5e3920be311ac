package postgrest

import (
	"math"
	"time"

	"vigil/internal/jsonb"
	"vigil/internal/query"
)

// encoder writes the rows of one answer. It is for one goroutine.
type encoder struct {
	media *media
	cols  []query.Column
	zone  *time.Location // of timestamps; nil is UTC
	rows  int64          // written so far

	scratch []byte
}

// appendBegin appends what stands before the first row.
func (e *encoder) appendBegin(b []byte) []byte {
	if e.media.encode == encodeArray {
		return append(b, '[')
	}
	return b
}

// appendRow appends one row with what parts it from the one before. It may
// change the row.
func (e *encoder) appendRow(b []byte, row []query.Value) []byte {
	b = e.appendSeparator(b)
	e.rows++
	if e.zone != nil {
		e.localize(row)
	}
	switch {
	case e.media.encode == encodeCSV:
		return appendCSVRow(b, row, &e.scratch)
	case e.media.stripped:
		b = appendStrippedRow(b, e.cols, row)
	default:
		b = query.AppendRow(b, e.cols, row)
	}
	if e.media.encode == encodeLines {
		b = append(b, '\n')
	}
	return b
}

// appendStrippedRow appends a row as json_strip_nulls leaves it: without members
// that are null, at any depth, and without spaces.
func appendStrippedRow(b []byte, cols []query.Column, row []query.Value) []byte {
	b = append(b, '{')
	begin := len(b)
	for i, v := range row {
		document := v.Type == query.JSONB || v.Type == query.JSON
		if !v.Valid || document && jsonb.Kind(v.B) == 'n' {
			continue
		}
		if len(b) > begin {
			b = append(b, ',')
		}
		b = append(jsonb.AppendString(b, cols[i].Name), ':')
		if document {
			b = jsonb.AppendStripped(b, v.B)
		} else {
			b = v.AppendJSON(b)
		}
	}
	return append(b, '}')
}

// appendSeparator appends what stands before a row: json_agg's comma, space,
// newline and space in an array; a new line in CSV.
func (e *encoder) appendSeparator(b []byte) []byte {
	switch {
	case e.media.encode == encodeCSV && e.rows == 0:
		return append(appendCSVHeader(b, e.cols), '\n')
	case e.media.encode == encodeCSV:
		return append(b, '\n')
	case e.media.encode != encodeArray || e.rows == 0:
		return b
	case e.media.stripped:
		return append(b, ',')
	}
	return append(b, ", \n "...)
}

// appendEnd appends what stands behind the last row. CSV without rows is an
// empty line, as in PostgREST.
func (e *encoder) appendEnd(b []byte) []byte {
	switch {
	case e.media.encode == encodeArray:
		return append(b, ']')
	case e.media.encode == encodeCSV && e.rows == 0:
		return append(b, '\n')
	}
	return b
}

// localize replaces timestamps by their text in the zone that was asked for.
func (e *encoder) localize(row []query.Value) {
	layout := "2006-01-02T15:04:05.999999-07:00"
	if e.media.encode == encodeCSV {
		layout = "2006-01-02 15:04:05.999999-07:00"
	}
	for i, v := range row {
		if v.Type != query.Timestamptz || !v.Valid || v.I == math.MaxInt64 || v.I == math.MinInt64 {
			continue
		}
		text := time.UnixMicro(v.I).In(e.zone).AppendFormat(nil, layout)
		if n := len(text); e.media.encode == encodeCSV && string(text[n-3:]) == ":00" {
			text = text[:n-3] // timestamptz::text has no minutes that are zero
		}
		row[i] = query.Value{Type: query.Text, Valid: true, B: text}
	}
}
