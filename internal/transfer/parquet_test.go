package transfer_test

import (
	"bytes"
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/parquet-go/parquet-go"

	"vigil/internal/query"
	"vigil/internal/transfer"
)

var parquetOptions = transfer.WriterOptions{
	Columns: []string{"id", "event", "_received", "_agent", "_type"},
	Types:   []query.Type{query.Int8, query.JSONB, query.Timestamptz, query.TextArray, query.Text},
	Table:   "events",
}

var parquetRows = []string{
	`{"id":1,"event":{"a": 1.50, "n": null},"_received":"2026-03-01T12:00:00.123456+00:00","_agent":["one","t\"wo"],"_type":"read"}`,
	`{"id":9007199254740991,"event":null,"_received":"2026-03-01T13:00:00.5+01:00","_agent":null,"_type":null}`,
	`{"id":-3,"event":"text é","_received":null,"_agent":[],"_type":""}`,
}

func writeParquet(t *testing.T, rows []string) []byte {
	t.Helper()
	var b bytes.Buffer
	w, err := transfer.NewWriter(&b, transfer.Parquet, parquetOptions)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range rows {
		if err := w.Row([]byte(r)); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// TestParquetDuckDB lets DuckDB read what is written: types, nulls, lists.
func TestParquetDuckDB(t *testing.T) {
	python := filepath.Join("..", "..", ".tools", "py", "bin", "python")
	if exec.Command(python, "-c", "import duckdb").Run() != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("DuckDB is not installed: scripts/tools.sh installs it")
		}
		t.Skip("left out: DuckDB is not installed: make tools")
	}
	many := append([]string(nil), parquetRows...)
	for range 2000 {
		many = append(many, parquetRows[0])
	}
	file := filepath.Join(t.TempDir(), "events.parquet")
	if err := os.WriteFile(file, writeParquet(t, many), 0o600); err != nil {
		t.Fatal(err)
	}
	const script = `
import duckdb, json, sys
c = duckdb.connect()
c.execute("set timezone = 'UTC'")
print(json.dumps([(r[0], r[1]) for r in c.execute("describe select * from read_parquet(?)", [sys.argv[1]]).fetchall()]))
q = "select id, event::text, _received::text, to_json(_agent)::text, _type from read_parquet(?) limit 3"
for r in c.execute(q, [sys.argv[1]]).fetchall(): print(json.dumps(r))
print(json.dumps(c.execute("select count(*), count(_agent), sum(len(_agent)) from read_parquet(?)", [sys.argv[1]]).fetchone(), default=int))
`
	out, err := exec.Command(python, "-c", script, file).CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	want := []string{
		`[["_agent", "VARCHAR[]"], ["_received", "TIMESTAMP WITH TIME ZONE"], ["_type", "VARCHAR"], ["event", "JSON"], ["id", "BIGINT"]]`,
		`[1, "{\"a\": 1.50, \"n\": null}", "2026-03-01 12:00:00.123456+00", "[\"one\",\"t\\\"wo\"]", "read"]`,
		`[9007199254740991, "null", "2026-03-01 12:00:00.5+00", null, null]`,
		`[-3, "\"text \u00e9\"", null, "[]", ""]`,
		`[2003, 2002, 4002]`,
	}
	if d := cmp.Diff(want, strings.Split(strings.TrimSpace(string(out)), "\n")); d != "" {
		t.Errorf("-want +got\n%s", d)
	}
}

// TestParquetRead reads the file without DuckDB, so that it is tested everywhere.
func TestParquetRead(t *testing.T) {
	b := writeParquet(t, parquetRows)
	rows, err := parquet.Read[struct {
		ID       *int64   `parquet:"id"`
		Event    *string  `parquet:"event"`
		Received *int64   `parquet:"_received"`
		Agent    []string `parquet:"_agent,list"`
		Type     *string  `parquet:"_type"`
	}](bytes.NewReader(b), int64(len(b)))
	if err != nil || len(rows) != len(parquetRows) {
		t.Fatalf("%d rows, %v", len(rows), err)
	}
	for n, row := range rows {
		var want struct {
			ID    int64           `json:"id"`
			Event json.RawMessage `json:"event"`
			Agent []string        `json:"_agent"`
			Type  *string         `json:"_type"`
		}
		if err := json.Unmarshal([]byte(parquetRows[n]), &want); err != nil {
			t.Fatal(err)
		}
		if *row.ID != want.ID || *row.Event != string(want.Event) || len(row.Agent) != len(want.Agent) || !cmp.Equal(row.Type, want.Type) {
			t.Errorf("row %d: %+v, want %+v", n, row, want)
		}
	}
}

func TestParquetRefuses(t *testing.T) {
	w, err := transfer.NewWriter(io.Discard, transfer.Parquet, parquetOptions)
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range []string{
		`{"id":1}`, `{"id":1,"event":1,"_received":null,"_agent":null,"_type":null,"more":1}`,
		`{"id":"x","event":1,"_received":null,"_agent":null,"_type":null}`, `{"id":1,"event":1,"_received":"noon","_agent":null,"_type":null}`,
	} {
		if w.Row([]byte(row)) == nil {
			t.Errorf("%s is written", row)
		}
	}
	if _, err := transfer.NewWriter(io.Discard, transfer.Parquet, transfer.WriterOptions{Columns: []string{"a", "a"}}); err == nil {
		t.Error("a column twice is taken")
	}
}
