package ingest_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"vigil"
	"vigil/internal/ingest"
	"vigil/internal/store"
)

// bulkAnswer is what a client reads of an answer.
type bulkAnswer struct {
	Took   *int
	Errors *bool
	Items  []map[string]struct {
		Index  string `json:"_index"`
		ID     string `json:"_id"`
		Status int
		Result string
		Error  *struct{ Type, Reason string }
	}
}

// bulk sends a bulk request and returns the status of each item, after its action.
func (f *face) bulk(body string, header ...string) (statuses string, answer bulkAnswer) {
	f.t.Helper()
	res := f.write("/_bulk", body, append([]string{"Content-Type", "application/x-ndjson"}, header...)...)
	if res.Code != http.StatusOK {
		f.t.Fatalf("%d %s", res.Code, res.Body)
	}
	if err := json.Unmarshal(res.Body.Bytes(), &answer); err != nil || answer.Took == nil || answer.Errors == nil {
		f.t.Fatalf("%s: %v", res.Body, err)
	}
	if res.Header().Get("X-Elastic-Product") != "Elasticsearch" {
		f.t.Error("Elasticsearch's clients refuse the answer")
	}
	var out []string
	failed := false
	for _, item := range answer.Items {
		for action, it := range item {
			out = append(out, fmt.Sprint(action, " ", it.Status))
			failed = failed || it.Status >= 300
			if (it.Status >= 300) != (it.Error != nil) {
				f.t.Errorf("%+v", it)
			}
		}
	}
	if failed != *answer.Errors {
		f.t.Errorf("errors is %v", *answer.Errors)
	}
	return strings.Join(out, ", "), answer
}

// TestBulkAsAidbox takes what Aidbox's appender sends: creates without ids.
func TestBulkAsAidbox(t *testing.T) {
	f := newFace(t, nil)
	const body = `{"create": {"_index": "aidbox-logs-2026-11-22"}}
{"ev":"w/req","w_url":"/Patient","w_m":"get","tn":"samplebox","@timestamp":"2024-01-31T13:35:43.123Z","ts":"2024-01-31T13:35:43.123Z","ctx":"c-1","lvl":"info","w_qs":null}
{"create": {"_index": "aidbox-logs-2026-11-22"}}
{"ev":"w/resp","w_st":200,"ts":"2024-01-31T13:35:43.138Z","ctx":"c-1","ctx_end":true}
`
	got, answer := f.bulk(body, "Authorization", "Basic Ym94LXVpOmJveC1zZWNyZXQ=")
	if got != "create 201, create 201" || answer.Items[0]["create"].Index != "aidbox-logs-2026-11-22" {
		t.Errorf("%s, %+v", got, answer)
	}
	all := f.events()
	if len(all) != 2 || all[0].Table != vigil.TableLogs || all[0].Format != vigil.FormatAidbox || answer.Items[1]["create"].ID != all[1].UID.String() {
		t.Fatalf("%d stored", len(all))
	}
	if lines := strings.Split(body, "\n"); string(all[0].Doc) != lines[1] || string(all[1].Doc) != lines[3] {
		t.Errorf("stored %s and %s", all[0].Doc, all[1].Doc)
	}
	if all[0].Sender.Client != "box-ui" || all[0].Sender.Listener != "elasticsearch" {
		t.Errorf("%+v", all[0].Sender)
	}
}

// TestBulkIDs: a document with an id is stored once.
func TestBulkIDs(t *testing.T) {
	f := newFace(t, nil)
	create := `{"create":{"_index":"i","_id":"1"}}` + "\n" + `{"a":1}` + "\n"
	index := `{"index":{"_index":"i","_id":"2"}}` + "\n" + `{"a":1}` + "\n"
	changed := strings.ReplaceAll(index, `"a":1`, `"a":2`)
	long := `{"create":{"_index":"i","_id":"` + strings.Repeat("x", 500) + `"}}` + "\n{}\n"
	for _, tt := range []struct {
		body, want string
		stored     int64
	}{
		{create + index, "create 201, index 201", 2},
		{create + index, "create 409, index 200", 2},
		{strings.ReplaceAll(create, `"a":1`, `"a":3`), "create 409", 2},
		{strings.ReplaceAll(create, `"i"`, `"j"`), "create 201", 3},
		{changed, "index 201", 4},
		{changed + index, "index 200, index 200", 4},
		{long + long, "create 201, create 409", 5},
		{`{"create":{"_index":"i"}}` + "\n{}\n" + create, "create 201, create 409", 6},
		{`{"create":{"_index":"i","_id":7}}` + "\n{}\n", "create 201", 7},
	} {
		if got, _ := f.bulk(tt.body); got != tt.want || f.store.Log().Size() != tt.stored {
			t.Errorf("%s: %s; %d stored", tt.body, got, f.store.Log().Size())
		}
	}
	// Ids are the sender's own.
	if got, _ := f.bulk(create, "Authorization", "Basic Ym94LXVpOmJveC1zZWNyZXQ="); got != "create 201" {
		t.Errorf("of another sender: %s", got)
	}
}

// TestBulkItems: what is wrong with an item is in its answer, and the rest is stored.
func TestBulkItems(t *testing.T) {
	f := newFace(t, func(c *ingest.Config) {
		c.Index = func(index string) string {
			if strings.HasPrefix(index, "e-") {
				return vigil.TableEvents
			}
			return strings.TrimPrefix(index, "t-")
		}
	})
	got, answer := f.bulk(`{"create":{"_index":"logs"}}
{"ok":1}
{"create":{"_index":"logs"}}
{"broken":
{"index":{"_index":"logs"}}
"text"
{"create":{"_index":"logs"}}
{"nul":"\u0000"}
{"update":{"_index":"logs","_id":"1"}}
{"doc":{}}
{"delete":{"_index":"logs","_id":"1"}}
{"create":{"_index":"e-1"}}
{"not":"allowed"}
{"create":{"_index":"t-nothing"}}
{"not":"allowed"}
`)
	want := "create 201, create 400, index 400, create 400, update 405, delete 405, create 403, create 403"
	if got != want || f.store.Log().Size() != 1 {
		t.Errorf("%s; %d stored", got, f.store.Log().Size())
	}
	if e := answer.Items[1]["create"].Error; e.Type != "mapper_parsing_exception" {
		t.Errorf("%+v", e)
	}
	admin := f.token("admin")
	if got, _ := f.bulk(`{"create":{"_index":"e-1"}}`+"\n"+`{"action":"read"}`+"\n", "Authorization", admin); got != "create 201" {
		t.Errorf("mapped: %s", got)
	}
	if e, _ := f.last(); e.Table != vigil.TableEvents || e.Format != vigil.FormatLogserver {
		t.Errorf("%+v", e)
	}
}

// TestBulkRequests: what is wrong with a request is told in Elasticsearch's form,
// and nothing of it is stored.
func TestBulkRequests(t *testing.T) {
	f := newFace(t, nil)
	ok := `{"create":{"_index":"i"}}` + "\n{}\n"
	var zipped bytes.Buffer
	z := gzip.NewWriter(&zipped)
	z.Write([]byte(ok))
	z.Close()
	for _, tt := range []struct {
		name, body string
		status     int
	}{
		{"nothing", "", 400},
		{"blank", "\n\n", 400},
		{"no newline", strings.TrimSuffix(ok, "\n"), 400},
		{"no document", `{"create":{"_index":"i"}}` + "\n", 400},
		{"no action", "{}\n{}\n", 400},
		{"two actions", `{"create":{},"index":{}}` + "\n{}\n", 400},
		{"unknown action", `{"destroy":{}}` + "\n{}\n", 400},
		{"action is text", `{"create":"i"}` + "\n{}\n", 400},
		{"action is broken", `{"create":` + "\n{}\n", 400},
		{"long index", `{"create":{"_index":"` + strings.Repeat("x", 300) + `"}}` + "\n{}\n", 400},
		{"later action is broken", ok + "garbage\n", 400},
		{"too large", `{"create":{}}` + "\n" + `{"a":"` + strings.Repeat("x", 2<<20) + `"}` + "\n", 413},
	} {
		res := f.write("/_bulk", tt.body)
		var answer struct {
			Error struct {
				Type, Reason string
				RootCause    []struct{ Type, Reason string } `json:"root_cause"`
			}
			Status int
		}
		if err := json.Unmarshal(res.Body.Bytes(), &answer); err != nil || res.Code != tt.status || answer.Status != tt.status ||
			answer.Error.Reason == "" || len(answer.Error.RootCause) != 1 || answer.Error.RootCause[0].Reason != answer.Error.Reason {
			t.Errorf("%s: %d %s", tt.name, res.Code, res.Body)
		}
	}
	if res := f.send("POST", "/_bulk", ok); res.Code != http.StatusUnauthorized || res.Header().Get("WWW-Authenticate") == "" {
		t.Errorf("nobody: %d", res.Code)
	}
	if res := f.write("/_bulk", ok, "Authorization", f.token("auditor")); !strings.Contains(res.Body.String(), `"security_exception"`) {
		t.Errorf("auditor: %s", res.Body)
	}
	if f.store.Log().Size() != 0 {
		t.Error("something was stored")
	}
	if got, _ := f.bulk(zipped.String(), "Content-Encoding", "gzip"); got != "create 201" {
		t.Errorf("gzip: %s", got)
	}
	res := f.write("/_bulk", ok, "Accept", "application/vnd.elasticsearch+json; compatible-with=8")
	if ct := res.Header().Get("Content-Type"); ct != "application/vnd.elasticsearch+json;compatible-with=8" {
		t.Errorf("Content-Type %s", ct)
	}
}

// failing is a store that takes nothing.
type failing struct {
	ingest.Store
	err error
}

func (s failing) Append(context.Context, *store.Batch) (store.Receipt, error) {
	return store.Receipt{}, s.err
}

// TestNotStored: nothing is acknowledged that is not stored.
func TestNotStored(t *testing.T) {
	for _, tt := range []struct {
		err    error
		status int
	}{
		{&vigil.Error{Kind: vigil.Unavailable, Message: "busy", RetryAfter: 1}, 503},
		{vigil.Errorf(vigil.Full, "the disk is full"), 507},
		{errors.New("internal words"), 500},
	} {
		f := newFace(t, func(c *ingest.Config) { c.Store = failing{c.Store, tt.err} })
		for path, body := range map[string]string{
			"/$loggy": `{"message":1}`, "/_bulk": `{"create":{}}` + "\n{}\n", "/ingest/clef": `{"@t":"2026-01-01T00:00:00Z"}`,
		} {
			if res := f.write(path, body); res.Code != tt.status || strings.Contains(res.Body.String(), "internal words") {
				t.Errorf("%s: %d %s", path, res.Code, res.Body)
			}
		}
		if got, _ := f.bulk(`{"create":{"_id":"1"}}` + "\n{}\n"); tt.status == 503 && got != "create 429" || strings.Contains(got, "201") {
			t.Errorf("with an id: %s", got)
		}
	}
}

func FuzzBulk(f *testing.F) {
	for _, s := range []string{
		"{\"create\":{}}\n{}\n", "{\"index\":{\"_id\":\"1\"}}\n{\"a\":1}\n", "{\"delete\":{}}\n", "\n\n", "{}\n", "{\"create\":{}}\n\n", "{\"create\":{}}\r\n{}\r\n",
	} {
		f.Add(s)
	}
	face := newFace(f, nil)
	auth := face.token("log_writer")
	f.Fuzz(func(t *testing.T, body string) {
		before := face.store.Log().Size()
		res := face.send("POST", "/_bulk", body, "Authorization", auth)
		stored := face.store.Log().Size() - before
		if res.Code >= 500 || !json.Valid(res.Body.Bytes()) {
			t.Fatalf("%q: %d %s", body, res.Code, res.Body)
		}
		var answer bulkAnswer
		if err := json.Unmarshal(res.Body.Bytes(), &answer); err != nil {
			t.Fatal(err)
		}
		for _, item := range answer.Items {
			for _, it := range item {
				if it.Status == 201 {
					stored--
				}
			}
		}
		if stored != 0 {
			t.Fatalf("%q: %d more stored than answered: %s", body, stored, res.Body)
		}
	})
}
