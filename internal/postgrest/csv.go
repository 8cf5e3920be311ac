package postgrest

import (
	"bytes"
	"strings"

	"vigil/internal/query"
)

// appendCSVHeader appends the names of the columns.
func appendCSVHeader(b []byte, cols []query.Column) []byte {
	names := make([]string, len(cols))
	for i := range cols {
		names[i] = cols[i].Name
	}
	return appendNames(b, names)
}

// appendNames appends a line of names, without its end, raw as in PostgREST, save
// those that would break the line.
func appendNames(b []byte, names []string) []byte {
	for i, name := range names {
		if i > 0 {
			b = append(b, ',')
		}
		if strings.ContainsAny(name, ",\"\r\n") {
			b = appendCSVCell(b, []byte(name))
		} else {
			b = append(b, name...)
		}
	}
	return b
}

// appendCSVRow appends one line, without its end, as PostgREST does: the text of
// a PostgreSQL record. So null is empty and the empty string is "", and a
// backslash is doubled as a quote is.
func appendCSVRow(b []byte, row []query.Value, scratch *[]byte) []byte {
	for i, v := range row {
		if i > 0 {
			b = append(b, ',')
		}
		if !v.Valid {
			continue
		}
		*scratch = v.AppendText((*scratch)[:0])
		b = appendCSVCell(b, *scratch)
	}
	return b
}

// appendCSVCell appends s, quoted where PostgreSQL's record_out quotes.
func appendCSVCell(b, s []byte) []byte {
	if len(s) > 0 && !bytes.ContainsAny(s, "\"\\(), \t\n\r\v\f") {
		return append(b, s...)
	}
	b = append(b, '"')
	for _, c := range s {
		if c == '"' || c == '\\' {
			b = append(b, c)
		}
		b = append(b, c)
	}
	return append(b, '"')
}
