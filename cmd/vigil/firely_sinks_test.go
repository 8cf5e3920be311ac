package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// serilog sends events as Serilog's sink for Seq does (SeqIngestionApiClient): the
// compact events of a batch a line each, and of the answer the least level.
func serilog(t *testing.T, server, path, key string, batch ...string) (level *string, status int) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, server+path, strings.NewReader(strings.Join(batch, "\n")+"\n"))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/vnd.serilog.clef; charset=utf-8")
	r.Header.Set("X-Seq-ApiKey", key)
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var answer struct{ MinimumLevelAccepted *string }
	if err := json.NewDecoder(resp.Body).Decode(&answer); err != nil {
		t.Fatalf("%s: %d is not answered in JSON: %v", path, resp.StatusCode, err)
	}
	return answer.MinimumLevelAccepted, resp.StatusCode
}

// TestSerilog: a program that logs by Serilog uses Vigil as its Seq, and so does
// Vigil's own sink for Seq, as Firely's page configures it.
func TestSerilog(t *testing.T) {
	seq := newProcess(t, filepath.Join(t.TempDir(), "store"))
	seq.mustStart()
	server, key := "http://"+seq.addr, token(t, "log_writer")
	for i, path := range []string{"/api/events/raw?clef", "/ingest/clef"} {
		level, status := serilog(t, server, path, key,
			fmt.Sprintf(`{"@t":"2026-02-03T04:05:06.7890000Z","@mt":"Opened {Path}","@l":"Warning","@tr":"4bf92f3577b34da6a3ce929d0e0e4736","Path":"/a/%d","nested":{"list":[1,null]}}`, i),
			`{"@t":"2026-02-03T04:05:07.0000000Z","@mt":"{@Odd}","Odd":{"a":"x\ny"},"@@name":1}`)
		if status != http.StatusCreated || level != nil {
			t.Errorf("%s: %d, least level %v", path, status, level)
		}
		if _, status := serilog(t, server, path, key, `{"@t":"2026-02-03T04:05:07Z"`); status != http.StatusBadRequest {
			t.Errorf("%s: a broken event is answered by %d", path, status)
		}
		if _, status := serilog(t, server, path, "not-a-key", `{"@t":"2026-02-03T04:05:07Z"}`); status != http.StatusUnauthorized {
			t.Errorf("%s: a wrong key is answered by %d", path, status)
		}
	}
	s := newSite(t, fhirAnswers(t).URL, "audit.logsettings.json",
		`{"AuditLog": {"Enrich": ["WithMachineName", {"Name": "WithCorrelationIdHeader", "Args": {"headerKey": "x-ward"}}],
			"WriteTo": [{"Name": "Seq", "Args": {"serverUrl": "`+server+`", "apiKey": "%SEQ_KEY%"}}]}}`)
	s.env = []string{"SEQ_KEY=" + key}
	s.open()
	s.ask("GET", "/fhir/Observation/o1", "", "X-Ward", "visit-7")
	there := &site{process: seq}
	var rows []map[string]any
	eventually(t, "events in Seq", s.process, func() bool {
		rows = there.read("logs?select=event&order=id")
		return len(rows) == 4+2
	})
	text, err := json.Marshal(rows)
	if err != nil || strings.Contains(s.out.String(), key) {
		t.Errorf("%v; the log has the key: %v", err, strings.Contains(s.out.String(), key))
	}
	for _, want := range []string{`"Path":"/a/1"`, `"@@name":1`, `"RequestResponse":"[Request]"`, `"StatusCode":-1`, `"StatusCode":200`, `"CorrelationId":"visit-7"`, `"@mt":"[Audit] {RequestResponse} {Action} {Path}`, `"Action":"instance_read"`} {
		if !strings.Contains(string(text), want) {
			t.Errorf("no %s in %s", want, text)
		}
	}
}

// TestFirelyElasticsearch: documents as Serilog's sink writes them, each once, by the
// second node where the first does not answer.
func TestFirelyElasticsearch(t *testing.T) {
	es := newBulkServer(t)
	s := newSite(t, fhirAnswers(t).URL, "audit.logsettings.json", `{"AuditLog": {"WriteTo": [
		{"Name": "Elasticsearch", "Args": {"nodeUris": "http://`+freeAddr(t)+`;`+es.URL+`", "indexFormat": "audit-{0:yyyy.MM.dd}", "typeName": null}},
		{"Name": "Console", "Args": {"standardErrorFromLevel": "Verbose", "outputTemplate": "to stderr: {RequestResponse} {Message:lj}{NewLine}"}}]}}`)
	s.open()
	s.ask("GET", "/fhir/Observation/o1", "")
	eventually(t, "documents", s.process, func() bool { return es.count(`"@timestamp":"`) == 2 })
	for _, want := range []string{`"level":"Information"`, `"messageTemplate":"[Audit] `, `"fields":{`, `"RequestResponse":"[`} {
		if es.count(want) != 2 {
			t.Errorf("%s in %v", want, es.docs)
		}
	}
	eventually(t, "the console's lines", s.process, func() bool {
		return strings.Contains(s.out.String(), "to stderr: [Response] [Audit] [Response] instance_read /fhir/Observation/o1 [StatusCode: 200]\n")
	})
}

// TestFirelyDrops: where blockWhenFull is written as false, what the buffer has no
// room for is dropped, and its number is told: with the lines it is all there was.
func TestFirelyDrops(t *testing.T) {
	s := newSite(t, newFHIR(t).URL, "audit.logsettings.json", `{"AuditLog": {"WriteTo": [{"Name": "Async", "Args": {"bufferSize": 1, "blockWhenFull": false,
		"configure": [{"Name": "File", "Args": {"path": "audit/AuditLog.log"}}]}}]}}`)
	s.open()
	dropped, exchanges, lines := 0, 0, 0
	for round := 0; round < 20 && dropped == 0; round++ { // a slow gateway may leave the file its time
		ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
		load(ctx, s.listen, 8, fmt.Sprint("d", round))
		cancel()
		dropped, exchanges, lines = s.dropped(t)
	}
	if dropped == 0 {
		t.Errorf("nothing was dropped of %d", exchanges)
	}
	t.Logf("%d exchanges, %d written, %d dropped", exchanges, lines/2, dropped)
}

// dropped waits until all exchanges are written or told as dropped.
func (s *site) dropped(t *testing.T) (dropped, exchanges, lines int) {
	t.Helper()
	eventually(t, "all that was dropped is told", s.process, func() bool {
		dropped = 0
		for _, row := range s.read("system?select=event&event->>message=like.gap*") {
			var e struct {
				Event struct {
					Entity struct{ Detail []struct{ Count string } }
				}
			}
			b, err := json.Marshal(row)
			if err == nil {
				err = json.Unmarshal(b, &e)
			}
			if err != nil || len(e.Event.Entity.Detail) != 1 {
				t.Fatalf("%s %v", b, err)
			}
			n, err := strconv.Atoi(e.Event.Entity.Detail[0].Count)
			if err != nil {
				t.Fatal(err)
			}
			dropped += n
		}
		exchanges, lines = len(s.read("exchanges?select=id")), len(s.lines("audit/AuditLog*.log"))
		return exchanges > 0 && lines%2 == 0 && lines/2+dropped == exchanges
	})
	return dropped, exchanges, lines
}
