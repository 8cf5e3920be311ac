package main

import (
	"bufio"
	"context"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestAidboxLogs reads /_logs on a gateway's own listener while a client uses the
// gateway with Aidbox's headers, and while an application sends to $loggy there.
func TestAidboxLogs(t *testing.T) {
	fhir := newFHIR(t)
	with, without := freeAddr(t), freeAddr(t)
	p := newProcess(t, filepath.Join(t.TempDir(), "store"))
	p.env = append(p.env, "VIGIL_GATEWAYS=[{name: front, listen: '"+with+"', upstream: '"+fhir.URL+"/fhir', logs: true}, {name: other, listen: '"+without+"', upstream: '"+fhir.URL+"/fhir'}]",
		"VIGIL_AIDBOX_TENANT=samplebox")
	p.mustStart()
	defer p.stop()

	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	send := func(method, url, body string, header ...string) *http.Response {
		t.Helper()
		req, err := http.NewRequestWithContext(ctx, method, "http://"+url, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		for i := 0; i+1 < len(header); i += 2 {
			req.Header.Set(header[i], header[i+1])
		}
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { res.Body.Close() })
		return res
	}
	if res := send("GET", with+"/_logs", ""); res.StatusCode != http.StatusUnauthorized {
		t.Errorf("without a token: %d", res.StatusCode)
	}
	lines := bufio.NewScanner(send("GET", with+"/_logs?tables=exchanges,logs", "", "Authorization", "Bearer "+token(t, "auditor")).Body)
	send("POST", with+"/fhir/Patient/_search", "name=John&password=hidden", "Content-Type", "application/x-www-form-urlencoded", "X-Audit-Req-Body", "true",
		"X-Correlation-Id", "my-corr-id", "X-Audit", base64.StdEncoding.EncodeToString([]byte(`{"role": "nurse", "w_uid": "forged"}`)))
	next := func() map[string]any {
		t.Helper()
		if !lines.Scan() {
			t.Fatalf("the stream ended: %v", lines.Err())
		}
		var v map[string]any
		if err := json.Unmarshal(lines.Bytes(), &v); err != nil {
			t.Fatal(err)
		}
		return v
	}
	req, resp := next(), next()
	for _, l := range []map[string]any{req, resp} {
		if l["role"] != "nurse" || l["w_corr_id"] != "my-corr-id" || l["tn"] != "samplebox" || l["w"] != "front" || l["w_uid"] == "forged" || l["ctx"] != req["ctx"] {
			t.Errorf("%v", l)
		}
	}
	if body, _ := req["w_b"].(string); req["ev"] != "w/req" || !strings.Contains(body, `"name":"John"`) || strings.Contains(body, "hidden") {
		t.Errorf("%v", req)
	}
	if resp["ev"] != "w/resp" || resp["w_st"] != 200.0 || resp["ctx_end"] != true || resp["w_b"] != nil {
		t.Errorf("%v", resp)
	}
	if res := send("POST", with+"/$loggy", `{"type":"ui","message":{"error":"x"}}`, "Authorization", "Bearer "+token(t, "log_writer")); res.StatusCode != http.StatusOK {
		t.Errorf("$loggy answers %d", res.StatusCode)
	}
	if l := next(); l["type"] != "ui" {
		t.Errorf("%v", l)
	}
	// A gateway that was not told so has no such paths of its own.
	send("GET", without+"/fhir/_logs", "")
	if res := send("GET", without+"/_logs", ""); res.StatusCode == http.StatusUnauthorized {
		t.Error("a gateway shows logs that was not told to")
	}
	if l := next(); l["w_url"] != "/fhir/_logs" || l["w"] != "other" {
		t.Errorf("%v", l)
	}
}

// TestSizes finds the sizes of the store among the logs.
func TestSizes(t *testing.T) {
	p := newProcess(t, filepath.Join(t.TempDir(), "store"))
	p.env = append(p.env, "VIGIL_AIDBOX_SIZES=20ms")
	p.mustStart()
	defer p.stop()
	eventually(t, "sizes are written", p, func() bool {
		_, body, err := p.do(context.Background(), "GET", "/logs?select=event&event->>ev=eq.db/rel-size&event->>rel=eq.logs&limit=1", "auditor", "")
		_, total, err2 := p.do(context.Background(), "GET", "/logs?select=event&event->>ev=eq.db/db-size&event->>db-size=neq.0&limit=1", "auditor", "")
		return err == nil && err2 == nil && strings.Contains(body, `"rel-size"`) && strings.Contains(total, `"db-size"`)
	})
}
