package postgrest

import (
	"io"
	"strings"
	"testing"

	"vigil/internal/query"
)

// plain is a table as every event table begins.
var plain = &table{
	Schema: &query.Schema{Table: "events", Key: "id", Columns: []query.Column{
		{Name: "id", Type: query.Int8, Insert: true},
		{Name: "event", Type: query.JSONB, Insert: true, Required: true},
		{Name: "_uid", Type: query.UUID, System: true},
	}},
	doc: "event",
}

// decode reads a body as insert does.
func decode(kind bodyKind, c columns, body string) ([]row, error) {
	rows, err := decoders[kind](&c, []byte(body))
	for i := range rows {
		if err == nil {
			err = c.finish(&rows[i], kind == bodyJSON || kind == bodyLines)
		}
	}
	return rows, err
}

func TestDecode(t *testing.T) {
	all := columns{table: plain, depth: 5, keys: 3}
	event := columns{table: plain, depth: 5, keys: 3, only: []string{"event"}}
	both := columns{table: plain, depth: 5, keys: 3, only: []string{"id", "event"}, needID: true}
	tests := []struct {
		name string
		kind bodyKind
		cols columns
		body string
		want string // id:document of each row
		code string // of the error
	}{
		{"object", bodyJSON, all, `{"event":{"a":1}}`, `0:{"a":1}`, ""},
		{"bytes are kept", bodyJSON, all, " \n{ \"event\" : {\"b\": 1e2 , \"a\":\"\\u0041\"} }\t", `0:{"b": 1e2 , "a":"\u0041"}`, ""},
		{"escaped name", bodyJSON, all, `{"\u0065vent":1}`, `0:1`, ""},
		{"any JSON but null", bodyJSON, all, `[{"event":"x"},{"event":5},{"event":[null]},{"event":true}]`, `0:"x" 0:5 0:[null] 0:true`, ""},
		{"last duplicate counts", bodyJSON, all, `{"event":null,"event":{"a":2}}`, `0:{"a":2}`, ""},
		{"last duplicate is null", bodyJSON, all, `{"event":1,"event":null}`, "", "23502"},
		{"different names", bodyJSON, all, `[{"event":1},{"id":900,"event":2}]`, "0:1 900:2", ""},
		{"empty array", bodyJSON, all, `[]`, "", ""},
		{"id as text", bodyJSON, all, `{"id":" 77 ","event":1}`, "77:1", ""},
		{"empty object", bodyJSON, all, `{}`, "", "23502"},
		{"null event", bodyJSON, all, `{"event": null }`, "", "23502"},
		{"null id", bodyJSON, all, `{"id":null,"event":1}`, "", "23502"},
		{"id is text", bodyJSON, all, `{"id":"abc","event":1}`, "", "22P02"},
		{"id is a fraction", bodyJSON, all, `{"id":1.5,"event":1}`, "", "22P02"},
		{"id is true", bodyJSON, all, `{"id":true,"event":1}`, "", "22P02"},
		{"id is 0", bodyJSON, all, `{"id":0,"event":1}`, "", "23514"},
		{"id is negative", bodyJSON, all, `{"id":-5,"event":1}`, "", "23514"},
		{"id is huge", bodyJSON, all, `{"id":99999999999999999999,"event":1}`, "", "22003"},
		{"unknown column", bodyJSON, all, `{"event":1,"foo":2}`, "", "PGRST204"},
		{"column of Vigil", bodyJSON, all, `{"event":1,"_uid":"x"}`, "", "428C9"},
		{"unknown column left out", bodyJSON, event, `{"event":1,"foo":2}`, "0:1", ""},
		{"id left out", bodyJSON, event, `{"event":1,"id":"x"}`, "0:1", ""},
		{"id asked for and missing", bodyJSON, both, `{"event":1}`, "", "23502"},
		{"number", bodyJSON, all, `5`, "", "PGRST102"},
		{"string", bodyJSON, all, `"x"`, "", "PGRST102"},
		{"null", bodyJSON, all, `null`, "", "PGRST102"},
		{"array of numbers", bodyJSON, all, `[1,2]`, "", "PGRST102"},
		{"mixed array", bodyJSON, all, `[{"event":1},2]`, "", "PGRST102"},
		{"nothing", bodyJSON, all, ``, "", "PGRST102"},
		{"white space", bodyJSON, all, " \n", "", "PGRST102"},
		{"truncated", bodyJSON, all, `{"event":{`, "", "PGRST102"},
		{"two values", bodyJSON, all, `{"event":1}{"event":2}`, "", "PGRST102"},
		{"byte order mark", bodyJSON, all, "\ufeff" + `{"event":1}`, "", "PGRST102"},
		{"bad UTF-8", bodyJSON, all, "{\"event\":\"\xff\"}", "", "PGRST102"},
		{"NUL", bodyJSON, all, `{"event":"x\u0000y"}`, "", "22P05"},
		{"lone surrogate", bodyJSON, all, `{"event":"\ud800"}`, "", "PGRST102"},
		{"NaN", bodyJSON, all, `{"event":NaN}`, "", "PGRST102"},
		{"deep enough", bodyJSON, all, `{"event":[[[[[]]]]]}`, `0:[[[[[]]]]]`, ""},
		{"too deep", bodyJSON, all, `{"event":[[[[[[]]]]]]}`, "", "54000"},
		{"too deep in an array", bodyJSON, all, `[{"event":[[[[[[]]]]]]}]`, "", "54000"},
		{"keys enough", bodyJSON, all, `[{"event":{"a":1,"b":2,"c":3}},{"event":{"a":1,"b":2,"c":3}}]`, `0:{"a":1,"b":2,"c":3} 0:{"a":1,"b":2,"c":3}`, ""},
		{"too many keys", bodyJSON, all, `{"event":{"a":1,"b":2,"c":3,"d":4}}`, "", "54000"},

		{"lines", bodyLines, all, "{\"event\":1}\n\r\n {\"event\":2} \r\n{\"event\":3}", "0:1 0:2 0:3", ""},
		{"line that is no object", bodyLines, all, "{\"event\":1}\n2", "", "PGRST102"},
		{"object over two lines", bodyLines, all, "{\"event\":\n1}", "", "PGRST102"},
		{"no lines", bodyLines, all, "\n\n", "", ""},

		{"csv", bodyCSV, all, "event\n\"{\"\"a\"\":1}\"\n\"{\"\"a\"\":2}\"\n", `0:{"a":1} 0:{"a":2}`, ""},
		{"csv with ids", bodyCSV, all, "id,event\r\n7,5\r\n8,true", "7:5 8:true", ""},
		{"csv null", bodyCSV, all, "event,id\nNULL,5", "", "23502"},
		{"csv quoted NULL is text", bodyCSV, all, "event,id\n\"NULL\",5", "", "PGRST102"},
		{"csv ragged", bodyCSV, all, "id,event\n901\n", "", "PGRST102"},
		{"csv unknown column", bodyCSV, all, "event,foo\n1,2", "", "PGRST204"},
		{"csv text is not JSON", bodyCSV, all, "event\nhello", "", "PGRST102"},
		{"csv empty", bodyCSV, all, "", "", "PGRST102"},
		{"csv only names", bodyCSV, all, "event\n", "", ""},
		{"csv unclosed", bodyCSV, all, "event\n\"5", "", "PGRST102"},
		{"csv quote inside", bodyCSV, all, "event\n5\"5", "", "PGRST102"},
		{"csv text behind a quote", bodyCSV, all, "event\n\"5\"5", "", "PGRST102"},
		{"csv empty cell", bodyCSV, all, "id,event\n1,", "", "PGRST102"},
		{"csv bad id", bodyCSV, all, "id,event\nx,1", "", "22P02"},
		{"csv line breaks in a cell", bodyCSV, all, "event\n\"[1,\r\n2]\"", "0:[1,\r\n2]", ""},

		{"form", bodyForm, all, "event=%7B%22a%22%3A1%7D&id=5", `5:{"a":1}`, ""},
		{"form, last counts", bodyForm, all, "event=1&event=2", "0:2", ""},
		{"form text is not JSON", bodyForm, all, "event=hello", "", "PGRST102"},
		{"form without event", bodyForm, all, "id=5", "", "23502"},
		{"form empty", bodyForm, all, "", "", "23502"},
		{"form broken", bodyForm, all, "event=%zz", "", "PGRST102"},
		{"form null", bodyForm, all, "event=null", "", "23502"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			rows, err := decode(tt.kind, tt.cols, tt.body)
			if tt.code != "" {
				if err == nil || asError(err).Code != tt.code || asError(err).Status/100 != 4 {
					t.Fatalf("got %v %v, want code %s", rows, err, tt.code)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, r := range rows {
				got = append(got, itoa(r.id)+":"+string(r.doc))
			}
			if s := strings.Join(got, " "); s != tt.want {
				t.Errorf("got %s, want %s", s, tt.want)
			}
		})
	}
}

func TestTooManyRows(t *testing.T) {
	c := columns{table: plain, depth: 5, keys: 3}
	bodies := map[bodyKind]string{
		bodyJSON:  "[" + strings.Repeat(`{"event":1},`, maxRows) + `{"event":1}]`,
		bodyLines: strings.Repeat("{\"event\":1}\n", maxRows+1),
		bodyCSV:   "event\n" + strings.Repeat("1\n", maxRows+1),
	}
	for kind, body := range bodies {
		if _, err := decode(kind, c, body); err == nil || asError(err).Status != 413 {
			t.Errorf("kind %d: got %v, want 413", kind, err)
		}
	}
}

// Errors must not repeat what stands in the row.
func TestErrorsTellNoData(t *testing.T) {
	const secret = "Patient-4711"
	c := columns{table: plain, depth: 5, keys: 3}
	for kind, bodies := range map[bodyKind][]string{
		bodyJSON:  {`{"id":"` + secret + `","event":1}`, `{"event":"` + secret, `{"event":"` + secret + `\u0000"}`, `{"event":null,"id":` + secret + `}`},
		bodyLines: {`"` + secret + `"`},
		bodyCSV:   {"event\n" + secret, "id,event\n" + secret + ",1", "event\n\"" + secret},
		bodyForm:  {"event=" + secret, "id=" + secret},
	} {
		for _, body := range bodies {
			_, err := decode(kind, c, body)
			if err == nil {
				t.Errorf("%s: taken", body)
			} else if text := string(asError(err).appendJSON(nil)); strings.Contains(text, secret) {
				t.Errorf("%s: the error repeats it: %s", body, text)
			}
		}
	}
}

func FuzzDecode(f *testing.F) {
	f.Add(uint8(bodyJSON), `[{"event":{"a":1}},{"id":3,"event":"x"}]`)
	f.Add(uint8(bodyLines), "{\"event\":1}\n{\"event\":2}")
	f.Add(uint8(bodyCSV), "id,event\n1,\"{\"\"a\"\":1}\"\r\n2,NULL")
	f.Add(uint8(bodyForm), "event=%7B%7D&id=2")
	f.Fuzz(func(t *testing.T, kind uint8, body string) {
		c := columns{table: plain, depth: 10, keys: 50}
		rows, err := decode(bodyKind(kind%uint8(len(decoders))), c, body)
		if err != nil {
			if s := asError(err).Status; s < 400 || s > 499 {
				t.Fatalf("status %d: %v", s, err)
			}
			return
		}
		for _, r := range rows {
			if len(r.doc) == 0 || r.id < 0 {
				t.Fatalf("took a row without document or with a bad id: %+v", r)
			}
		}
	})
}

func TestCSVReader(t *testing.T) {
	in := csvReader{rest: []byte("a,\"b\"\"c\",\r\n\n,\n\"x\"")}
	var got []string
	for {
		cells, err := in.record(nil)
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		line := make([]string, len(cells))
		for i, c := range cells {
			line[i] = string(c.text)
		}
		got = append(got, strings.Join(line, "|"))
	}
	if s := strings.Join(got, ";"); s != `a|b"c|;|;x` {
		t.Errorf("got %s", s)
	}
}
