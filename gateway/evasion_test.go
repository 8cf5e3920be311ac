package gateway_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
	"unicode/utf16"

	"vigil/gateway"
)

// bytes16 is a text in UTF-16, with the mark that says in which order.
func bytes16(s string, little bool) string {
	b := "\xfe\xff"
	if little {
		b = "\xff\xfe"
	}
	for _, u := range utf16.Encode([]rune(s)) {
		if little {
			b += string([]byte{byte(u), byte(u >> 8)})
		} else {
			b += string([]byte{byte(u >> 8), byte(u)})
		}
	}
	return b
}

// TestEvasion sends requests about a patient in forms that servers take and that the
// record must not be misled by: for each the patient is in the record.
func TestEvasion(t *testing.T) {
	const observation = `{"resourceType":"Observation","id":"o-1","subject":{"reference":"Patient/p-1"}}`
	const inXML = `<Observation xmlns="http://hl7.org/fhir"><note><text value="` + "\xe4" + `"/></note><subject><reference value="Patient/p-1"/></subject></Observation>`
	for name, c := range map[string]struct {
		head, body string
		answer     string // of the server; empty is nothing about anybody
		interacts  string
		note       string
	}{
		"plain":            {head: "GET /fhir/Observation/o-1 HTTP/1.1", answer: observation, interacts: "read"},
		"escaped base":     {head: "GET /%66hir/Observation/o-1 HTTP/1.1", answer: observation, interacts: "read"},
		"base in capitals": {head: "GET /FHIR/Observation/o-1 HTTP/1.1", answer: observation, interacts: "read"},
		"dots before base": {head: "GET /x/../fhir/Patient/p-1 HTTP/1.1", interacts: "read"},
		"dot":              {head: "GET /fhir/./Patient/p-1 HTTP/1.1", interacts: "read"},
		"two slashes":      {head: "GET //fhir//Patient//p-1 HTTP/1.1", interacts: "read"},
		"parameters":       {head: "GET /fhir;v=1/Patient;x=y/p-1;z HTTP/1.1", interacts: "read"},
		"escaped type":     {head: "GET /fhir/%50atient/p%2d1/ HTTP/1.1", interacts: "read"},
		"small letters":    {head: "GET /fhir/observation/o-1 HTTP/1.1", answer: observation},
		"escaped slash":    {head: "GET /fhir/Observation%2fo-1 HTTP/1.1", answer: observation},
		"backslash":        {head: `GET /fhir/Observation\o-1 HTTP/1.1`, answer: observation},
		"search elsewhere": {head: "GET /fhir/observation?x=y HTTP/1.1", answer: `{"resourceType":"Bundle","entry":[{"resource":` + observation + `}]}`},
		"other answer":     {head: "GET /fhir/Encounter/e HTTP/1.1", answer: observation, interacts: "read"},
		"method":           {head: "get /fhir/Patient/p-1 HTTP/1.1", interacts: "read"},
		"other method": {
			head: "POST /fhir/Patient/p-1 HTTP/1.1\r\nX-HTTP-Method-Override: DELETE", note: "asks to be taken for the method DELETE",
		},
		"method that is none": {
			head: "POST /fhir/Patient/p-1?_method=%1b%5b31m HTTP/1.1", note: "asks to be taken for the method another one",
		},
		"address":            {head: "GET http://h/fhir/Patient/p-1 HTTP/1.1", interacts: "read"},
		"UTF-16":             {head: "POST /fhir/Observation HTTP/1.1\r\nContent-Type: application/fhir+json; charset=UTF-16", body: bytes16(observation, false), interacts: "create"},
		"UTF-16, other":      {head: "POST /fhir/Observation HTTP/1.1\r\nContent-Type: application/fhir+json", body: bytes16(observation, true), interacts: "create"},
		"UTF-16, no mark":    {head: "POST /fhir/Observation HTTP/1.1\r\nContent-Type: application/fhir+json; charset=utf-16le", body: bytes16(observation, true)[2:], interacts: "create"},
		"UTF-16 that is not": {head: "POST /fhir/Observation HTTP/1.1\r\nContent-Type: application/fhir+xml; charset=utf-16", body: `<?xml version="1.0" encoding="UTF-16"?>` + strings.ReplaceAll(inXML, "\xe4", "a"), interacts: "create"},
		"UTF-8 with mark":    {head: "POST /fhir/Observation HTTP/1.1\r\nContent-Type: application/fhir+json", body: "\xef\xbb\xbf" + observation, interacts: "create"},
		"XML in UTF-16":      {head: "POST /fhir/Observation HTTP/1.1\r\nContent-Type: application/fhir+xml", body: bytes16(`<?xml version="1.0" encoding="UTF-16"?>`+strings.ReplaceAll(inXML, "\xe4", "ä"), true), interacts: "create"},
		"XML in Latin-1":     {head: "POST /fhir/Observation HTTP/1.1\r\nContent-Type: application/fhir+xml", body: `<?xml version='1.0' encoding='ISO-8859-1'?>` + inXML, interacts: "create"},
		"XML that is said":   {head: "POST /fhir/Observation HTTP/1.1\r\nContent-Type: application/fhir+xml; charset=iso-8859-1", body: inXML, interacts: "create"},
		"two types": {
			head: "POST /fhir/Observation HTTP/1.1\r\nContent-Type: image/png\r\nContent-Type: application/fhir+json", body: observation, interacts: "create",
			note: "several types of content",
		},
		"several codings": {head: "POST /fhir/Observation HTTP/1.1\r\nContent-Type: application/json\r\nContent-Encoding: identity\r\nContent-Encoding: identity", body: observation, interacts: "create"},
		"type of nothing": {
			head: "POST /fhir/Observation?patient=p-1 HTTP/1.1\r\nContent-Type: image/png", body: observation, interacts: "create",
			note: "request body is not read, since its type is none of FHIR's: image/png",
		},
		"body of a GET": {head: "GET /fhir/Patient/p-1 HTTP/1.1", body: "x", interacts: "read"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := start(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				io.Copy(io.Discard, r.Body)
				w.Header().Set("Content-Type", "application/fhir+json")
				io.WriteString(w, c.answer)
			}))
			conn, err := net.Dial("tcp", s.front.Listener.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			fmt.Fprintf(conn, "%s\r\nHost: h\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%s", c.head, len(c.body), c.body)
			resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
			if err != nil || resp.StatusCode != http.StatusOK {
				t.Fatal(resp, err)
			}
			io.Copy(io.Discard, resp.Body)
			x := s.only()
			if x.Interaction != c.interacts || !slices.Equal(x.Patients, []string{"Patient/p-1"}) && name != "type of nothing" {
				t.Errorf("recorded as %q of %v: %+v", x.Interaction, x.Patients, x)
			}
			if got := strings.Join(x.Notes, "\n"); !strings.Contains(got, c.note) || c.note == "" && got != "" {
				t.Errorf("notes %q, want %q", got, c.note)
			}
		})
	}
}

// TestTargetsWithoutPath sends targets that have no path, and that net/http would send
// on as an address or a path: they are refused, and recorded as what they are.
func TestTargetsWithoutPath(t *testing.T) {
	for _, target := range []string{"x:http://h/fhir/Patient/1", "x:fhir/Patient/1", "http:fhir/Patient/1", "x:*"} {
		reached := make(chan string, 1)
		s := start(t, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { reached <- r.RequestURI }),
			func(c *gateway.Config) {
				c.Policies = []gateway.Policy{{Route: "/", Level: gateway.None}, {Route: "/*", Level: gateway.None}}
			})
		s.line("GET " + target + " HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")
		if len(reached) > 0 {
			t.Errorf("%s: the upstream saw %s", target, <-reached)
		}
		if x := s.only(); x.Status != http.StatusBadRequest || "x:"+x.Path != target && "http:"+x.Path != target {
			t.Errorf("%s: recorded %+v", target, x)
		}
	}
}

// TestTrailersAreNoHeaders sends trailers that a server might take for a part of the
// header: who asks, for what, or where the request ends. None of them passes, nor
// does one that was not announced.
func TestTrailersAreNoHeaders(t *testing.T) {
	seen := make(chan http.Header, 1)
	s := start(t, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		seen <- r.Trailer
	}), func(c *gateway.Config) { c.UserHeader = "X-User" })
	fields := []string{
		"Authorization: Bearer x", "Cookie: a=b", "Host: other", "X-User: root", "X_User: root", "X-Forwarded-For: 203.0.113.9", "Forwarded: for=203.0.113.9",
		"X-HTTP-Method-Override: DELETE", "X-Original-Url: /x", "If-None-Exist: a=b", "Content-Type: text/plain", "X-Request-Id: 1", "X-Audit: e30=", "X-Api-Key: x",
	}
	names := "X-Sum"
	for _, f := range fields {
		names += ", " + f[:strings.IndexByte(f, ':')]
	}
	s.line("POST /fhir/Patient HTTP/1.1\r\nHost: h\r\nConnection: close\r\nTransfer-Encoding: chunked\r\nTrailer: " + names + "\r\n\r\n1\r\nx\r\n0\r\n" +
		strings.Join(fields, "\r\n") + "\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\nX-Late: 1\r\nX-Sum: 7\r\n\r\n")
	if got := <-seen; len(got) != 1 || got.Get("X-Sum") != "7" {
		t.Errorf("the upstream saw the trailers %v", got)
	}
	s.only()
}

// TestHalfRequests has clients that send half of a body and no more, or what is none:
// that is their doing in the record, and not the upstream's.
func TestHalfRequests(t *testing.T) {
	for body, want := range map[string]string{
		"Content-Length: 100\r\n\r\nx":                           "the client was gone before there was a response",
		"Transfer-Encoding: chunked\r\n\r\n1\r\nx\r\n":           "the client was gone before there was a response",
		"Transfer-Encoding: chunked\r\n\r\n1\r\nx\r\nzz\r\n\r\n": "the client did not send the whole request",
	} {
		s := start(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.Copy(io.Discard, r.Body) }))
		s.upstream.Config.ErrorLog = quiet()
		conn, err := net.Dial("tcp", s.front.Listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		io.WriteString(conn, "POST /fhir/Patient HTTP/1.1\r\nHost: h\r\n"+body)
		conn.(*net.TCPConn).CloseWrite()
		answer, _ := io.ReadAll(conn)
		conn.Close()
		refused := strings.HasPrefix(string(answer), "HTTP/1.1 400 ")
		if x := s.only(); x.Error != want || refused != (x.Status == http.StatusBadRequest) || refused == strings.Contains(want, "gone") {
			t.Errorf("%q: answered %.20q, recorded %d, %q", body, answer, x.Status, x.Error)
		}
	}
}
