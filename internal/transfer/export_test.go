package transfer_test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"vigil/internal/jsonb"
	"vigil/internal/pgtest"
	"vigil/internal/transfer"
)

// documents are texts that are hard to quote, in jsonb's canonical form.
var documents = []string{
	`{"a": 1, "b": [true, null, "x"]}`, `"=1+1"`, `"tab\tnl\ncr\rbs\\q\"nul-like \\u0000"`, `"é 😀 \\. \\N"`, `"\\."`, `"\\N"`, `{}`, `[]`, `-5`, `"-5"`, `"\u0001"`,
	`{"": {"'": "$$ ; -- /*"}}`, `"' E'\\'"`, `1e999`,
}

func canonicalRows() []string {
	var rows []string
	for i, d := range documents {
		rows = append(rows, fmt.Sprintf(`{"id":%d,"event":%s}`, 3*i+1, jsonb.AppendCanonical(nil, []byte(d))))
	}
	return rows
}

func write(t *testing.T, f transfer.Format, o transfer.WriterOptions, rows ...string) string {
	t.Helper()
	var b bytes.Buffer
	w, err := transfer.NewWriter(&b, f, o)
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
	return b.String()
}

var rowColumns = []string{"id", "event"}

// TestWriteRead reads what was written, in every format.
func TestWriteRead(t *testing.T) {
	rows := canonicalRows()
	for _, f := range []transfer.Format{transfer.NDJSON, transfer.CSV, transfer.SQL} {
		text := write(t, f, transfer.WriterOptions{Columns: rowColumns, Table: "events"}, rows...)
		if got := transfer.Detect("-", []byte(text)); got != f {
			t.Errorf("%s is taken for %s", f, got)
		}
		var again []string
		for rec, err := range transfer.Read(strings.NewReader(text), f, transfer.Options{}) {
			if err != nil {
				t.Fatalf("%s: %v\n%s", f, err, text)
			}
			again = append(again, fmt.Sprintf(`{"id":%d,"event":%s}`, rec.ID, rec.Doc))
		}
		if d := cmp.Diff(rows, again); d != "" {
			t.Errorf("%s: -want +got\n%s", f, d)
		}
	}
}

func TestWriteCSV(t *testing.T) {
	o := transfer.WriterOptions{Columns: []string{"id", "event", "_type"}}
	rows := []string{`{"id":1,"event":{"a": "=1"},"_type":"=cmd()"}`, `{"id":-2,"event":[],"_type":null}`, `{"id":3,"event":null,"_type":"a\nb"}`, `{"id":4,"event":1,"_type":""}`, `{"id":5,"event":1,"_type":"@a,\"b\""}`, `{"id":6,"event":1,"_type":" x"}`}
	want := "id,event,_type\n1,\"{\"\"a\"\": \"\"=1\"\"}\",=cmd()\n-2,[],\n3,null,\"a\nb\"\n4,1,\"\"\n5,1,\"@a,\"\"b\"\"\"\n6,1,\" x\"\n"
	if d := cmp.Diff(want, write(t, transfer.CSV, o, rows...)); d != "" {
		t.Errorf("-want +got\n%s", d)
	}
	o.Spreadsheet = true
	want = strings.NewReplacer(",=cmd", ",'=cmd", "\n-2", "\n'-2", "\"@a", "\"'@a").Replace(want)
	if d := cmp.Diff(want, write(t, transfer.CSV, o, rows...)); d != "" {
		t.Errorf("for a spreadsheet: -want +got\n%s", d)
	}
}

func TestWriteRefuses(t *testing.T) {
	if _, err := transfer.NewWriter(nil, transfer.JSON, transfer.WriterOptions{}); err == nil {
		t.Error("no writer of JSON arrays, but no error")
	}
	if _, err := transfer.NewWriter(&bytes.Buffer{}, transfer.SQL, transfer.WriterOptions{Columns: []string{"event"}}); err == nil {
		t.Error("SQL without ids")
	}
	w, err := transfer.NewWriter(&bytes.Buffer{}, transfer.SQL, transfer.WriterOptions{Columns: rowColumns})
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range []string{`{"event":1,"id":1}`, `{"id":1}`, `{"id":"x","event":1}`, `{"id":1,"event":1,"x":1}`} {
		if w.Row([]byte(row)) == nil {
			t.Errorf("%s is written", row)
		}
	}
}

// psql restores a file.
func psql(t *testing.T, uri, file string) string {
	t.Helper()
	path, err := exec.LookPath("psql")
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal(err)
		}
		t.Skip("psql is not installed")
	}
	out, err := exec.CommandContext(t.Context(), path, "--no-psqlrc", "--quiet", "--file", file, uri).CombinedOutput()
	if err != nil {
		t.Fatalf("psql: %v\n%s", err, out)
	}
	return string(out)
}

// query asks psql for one text.
func ask(t *testing.T, uri, sql string) string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "psql", "--no-psqlrc", "-At", "-c", sql, uri).CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", sql, err, out)
	}
	return strings.TrimSpace(string(out))
}

// TestRestore restores an export with psql: into a stock logserver and into an
// empty database. PostgreSQL's rows are the exported ones, and what pg_dump
// makes of them is read back.
func TestRestore(t *testing.T) {
	rows := canonicalRows()
	file := filepath.Join(t.TempDir(), "export.sql")
	if err := os.WriteFile(file, []byte(write(t, transfer.SQL, transfer.WriterOptions{Columns: rowColumns, Table: "events"}, rows...)), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, make := range []func(context.Context, string) error{
		func(context.Context, string) error { return nil }, pgtest.CreateLogserver,
	} {
		uri := pgtest.Postgres(t)
		if err := make(t.Context(), uri); err != nil {
			t.Fatal(err)
		}
		psql(t, uri, file)
		got := ask(t, uri, `SELECT '{"id":' || id || ',"event":' || event || '}' FROM api.events ORDER BY id`)
		if d := cmp.Diff(rows, strings.Split(got, "\n")); d != "" {
			t.Errorf("-want +got\n%s", d)
		}
		last := 3*len(rows) - 2
		if got := ask(t, uri, `SET ROLE event_logger; INSERT INTO api.events (event) VALUES ('{}') RETURNING id`); !strings.Contains(got, fmt.Sprint("\n", last+1)) {
			t.Errorf("the next id is %q, want %d", got, last+1)
		}
		if pgtest.DumpIsOlder(t) {
			t.Log("left out: pg_dump is older than the server")
			continue
		}
		dumps(t, uri, append(slices.Clone(rows), fmt.Sprintf(`{"id":%d,"event":{}}`, last+1)))
	}
}

// dumps reads pg_dump's COPY and INSERT forms.
func dumps(t *testing.T, uri string, want []string) {
	t.Helper()
	for _, form := range [][]string{nil, {"--inserts"}, {"--column-inserts", "--rows-per-insert=5"}} {
		out, err := exec.CommandContext(t.Context(), "pg_dump", append(form, "--no-owner", "--encoding=utf8", "--dbname="+uri)...).Output()
		if err != nil {
			t.Fatalf("pg_dump: %v", err)
		}
		var got []string
		for rec, err := range transfer.Read(bytes.NewReader(out), transfer.SQL, transfer.Options{}) {
			if err != nil {
				t.Fatalf("%s: %v", form, err)
			}
			got = append(got, fmt.Sprintf(`{"id":%d,"event":%s}`, rec.ID, rec.Doc))
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("pg_dump %s: -want +got\n%s", form, d)
		}
	}
}
