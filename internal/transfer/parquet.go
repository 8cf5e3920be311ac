package transfer

import (
	"fmt"
	"io"
	"slices"
	"strconv"
	"time"

	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/compress/zstd"

	"vigil/internal/jsonb"
	"vigil/internal/query"
)

// parquetWriter writes Apache Parquet: numbers, times in UTC to the microsecond,
// lists of texts and JSON as the types that it has for them, all else as texts.
type parquetWriter struct {
	w       *parquet.GenericWriter[any]
	columns []parquetColumn // in the order of the rows' members
	rows    []parquet.Row
	n       int // rows that wait
}

// parquetColumn is where a member goes: Parquet has its own order.
type parquetColumn struct {
	name string
	kind query.Type
	leaf int
}

// parquetGroup is how many rows are written at once, and in a row group.
const (
	parquetBatch = 512
	parquetGroup = 100_000
)

func newParquetWriter(w io.Writer, o WriterOptions) (*parquetWriter, error) {
	group := parquet.Group{}
	p := &parquetWriter{rows: make([]parquet.Row, parquetBatch)}
	for i, name := range o.Columns {
		c := parquetColumn{name: name, kind: query.Text}
		if i < len(o.Types) {
			c.kind = o.Types[i]
		}
		if group[name] != nil {
			return nil, fmt.Errorf("write parquet: the column %s is there twice", name)
		}
		group[name] = parquetNode(c.kind)
		p.columns = append(p.columns, c)
	}
	schema := parquet.NewSchema(o.Table, group)
	// Each column has one leaf, and leaves are in the order of the names.
	sorted := slices.Sorted(slices.Values(o.Columns))
	for i := range p.columns {
		p.columns[i].leaf = slices.Index(sorted, p.columns[i].name)
	}
	p.w = parquet.NewGenericWriter[any](w, schema, parquet.Compression(&zstd.Codec{}), parquet.MaxRowsPerRowGroup(parquetGroup),
		parquet.CreatedBy("vigil", "", ""))
	return p, nil
}

// parquetNode returns the type of a column. Every one may be null.
func parquetNode(t query.Type) parquet.Node {
	switch t {
	case query.Int8:
		return parquet.Optional(parquet.Int(64))
	case query.Timestamptz:
		return parquet.Optional(parquet.Timestamp(parquet.Microsecond))
	case query.JSONB:
		return parquet.Optional(parquet.JSON())
	case query.TextArray:
		return parquet.Optional(parquet.List(parquet.String()))
	}
	return parquet.Optional(parquet.String())
}

func (p *parquetWriter) Row(object []byte) error {
	row, n := p.rows[p.n][:0], 0
	for _, cell := range jsonb.Members(object) {
		if n == len(p.columns) {
			n++
			break
		}
		var err error
		if row, err = p.columns[n].append(row, cell); err != nil {
			return err
		}
		n++
	}
	if n != len(p.columns) {
		return fmt.Errorf("write parquet: a row has %d cells, and there are %d columns", n, len(p.columns))
	}
	// Values of one column follow each other, columns in Parquet's order.
	slices.SortStableFunc(row, func(a, b parquet.Value) int { return a.Column() - b.Column() })
	p.rows[p.n] = row
	if p.n++; p.n == parquetBatch {
		return p.flush()
	}
	return nil
}

func (p *parquetWriter) flush() error {
	_, err := p.w.WriteRows(p.rows[:p.n])
	p.n = 0
	if err != nil {
		return fmt.Errorf("write parquet: %w", err)
	}
	return nil
}

func (p *parquetWriter) Close() error {
	if err := p.flush(); err != nil {
		return err
	}
	if err := p.w.Close(); err != nil {
		return fmt.Errorf("write parquet: %w", err)
	}
	return nil
}

// append adds the values of a cell, with the levels at which Dremel's encoding
// has them.
func (c parquetColumn) append(row parquet.Row, cell []byte) (parquet.Row, error) {
	kind := jsonb.Kind(cell)
	if kind == 'n' && c.kind != query.JSONB {
		return append(row, parquet.NullValue().Level(0, 0, c.leaf)), nil
	}
	switch c.kind {
	case query.Int8:
		n, err := strconv.ParseInt(string(cell), 10, 64)
		if err != nil {
			return nil, fmt.Errorf("write parquet: the column %s has something else than a whole number", c.name)
		}
		return append(row, parquet.Int64Value(n).Level(0, 1, c.leaf)), nil
	case query.Timestamptz:
		t, err := time.Parse(time.RFC3339Nano, string(jsonb.AppendText(nil, cell)))
		if err != nil {
			return nil, fmt.Errorf("write parquet: the column %s has something else than a time", c.name)
		}
		return append(row, parquet.Int64Value(t.UnixMicro()).Level(0, 1, c.leaf)), nil
	case query.JSONB:
		return append(row, parquet.ByteArrayValue(slices.Clone(cell)).Level(0, 1, c.leaf)), nil
	case query.TextArray:
		return c.list(row, cell), nil
	}
	return append(row, parquet.ByteArrayValue(jsonb.AppendText(nil, cell)).Level(0, 1, c.leaf)), nil
}

// list adds the values of a list of texts.
func (c parquetColumn) list(row parquet.Row, cell []byte) parquet.Row {
	n := 0
	for e := range jsonb.Elements(cell) {
		row = append(row, parquet.ByteArrayValue(jsonb.AppendText(nil, e)).Level(min(n, 1), 2, c.leaf))
		n++
	}
	if n == 0 {
		return append(row, parquet.NullValue().Level(0, 1, c.leaf))
	}
	return row
}
