package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"vigil/internal/format/fhir"
)

type sendCmd struct {
	settings
	To          string   `help:"Base of the FHIR server, such as http://localhost:3000/fhir; a server without a path has it at /fhir. Without it the store is the destination." placeholder:"URL"`
	Token       string   `help:"Bearer token for the server, or @FILE; VIGIL_TOKEN is the default." placeholder:"TOKEN"`
	FHIRVersion string   `name:"fhir-version" default:"4.0" enum:"4.0,5.0" help:"Version of the resources: 4.0 or 5.0."`
	Batch       int      `help:"Send so many AuditEvents together, in Bundles of type batch." placeholder:"N"`
	Files       []string `arg:"" name:"file" help:"Files with AuditEvents or Bundles, JSON or XML, or NDJSON with one in each line; - is standard input."`
}

// Help says what is sent.
func (*sendCmd) Help() string {
	return `Each AuditEvent is created, each Bundle is posted as it is. A request that the
server cannot take for now is sent again, up to five times, with a key by which it
is known: nothing is added twice. What the server refuses is told, and the command
ends with code 1.`
}

// Run sends the files in their order.
func (c *sendCmd) Run(ctx context.Context, std *stdio) (err error) {
	to := reach{settings: c.settings, URL: c.To, Token: c.Token}
	if c.To != "" {
		if to.URL, err = fhirBase(c.To); err != nil {
			return err
		}
	}
	f, err := to.open(ctx, std, false)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.close()) }()
	s := &sending{sendCmd: c, std: std, remote: f.remote, at: f.base}
	if c.To == "" {
		s.at += "/fhir"
	}
	if c.FHIRVersion == "5.0" {
		s.version = fhir.R5
	}
	for _, name := range c.Files {
		if err := s.file(ctx, name); err != nil {
			return err
		}
	}
	if err := s.flush(ctx); err != nil {
		return err
	}
	fmt.Fprintf(std.Out, "%d taken, %d in quarantine, %d refused\n", s.taken, s.held, s.refused)
	if s.refused > 0 {
		return fmt.Errorf("%s refused", number(s.refused, "resource was", "resources were"))
	}
	return nil
}

// fhirBase returns the base that --to means.
func fhirBase(to string) (string, error) {
	u, err := url.Parse(to)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return "", usagef("--to: want a URL such as http://localhost:3000/fhir")
	}
	if strings.Trim(u.Path, "/") == "" {
		u.Path = "/fhir"
	}
	return strings.TrimRight(u.String(), "/"), nil
}

// sending is a run of the command.
type sending struct {
	*sendCmd
	*remote
	std     *stdio
	at      string // the FHIR base
	version fhir.Version

	waiting              [][]byte // AuditEvents for the next batch, as JSON
	names                []string // where they are from
	taken, held, refused int
}

// file sends what is in a file.
func (s *sending) file(ctx context.Context, name string) error {
	var doc []byte
	var err error
	if name == "-" {
		doc, err = io.ReadAll(s.std.In)
	} else {
		doc, err = os.ReadFile(name)
	}
	if err != nil {
		return err
	}
	name = filepath.Base(name)
	doc = bytes.TrimSpace(bytes.TrimPrefix(doc, []byte("\ufeff")))
	if !strings.HasSuffix(name, ".ndjson") {
		return s.document(ctx, name, doc)
	}
	i := 0
	for line := range bytes.Lines(doc) {
		if i++; len(bytes.TrimSpace(line)) == 0 {
			continue
		}
		if err := s.document(ctx, name+":"+strconv.Itoa(i), bytes.TrimSpace(line)); err != nil {
			return err
		}
	}
	return nil
}

// document sends a resource, or keeps it for the next batch.
func (s *sending) document(ctx context.Context, name string, doc []byte) error {
	n, err := fhir.Parse(doc, s.version, fhir.Limits{Nodes: 50_000_000})
	if err != nil { // the server shall say what it thinks of it
		return s.post(ctx, name, "/AuditEvent", doc)
	}
	switch {
	case n.Resource == "Bundle":
		return s.post(ctx, name, "", doc)
	case s.Batch < 2:
		return s.post(ctx, name, "/AuditEvent", doc)
	}
	s.waiting, s.names = append(s.waiting, fhir.AppendJSON(nil, n)), append(s.names, name)
	if len(s.waiting) >= s.Batch {
		return s.flush(ctx)
	}
	return nil
}

// flush sends what waits, as a batch.
func (s *sending) flush(ctx context.Context) error {
	if len(s.waiting) == 0 {
		return nil
	}
	var b bytes.Buffer
	b.WriteString(`{"resourceType":"Bundle","type":"batch","entry":[`)
	for i, doc := range s.waiting {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, `{"resource":%s,"request":{"method":"POST","url":"AuditEvent"}}`, doc)
	}
	b.WriteString("]}")
	err := s.post(ctx, "", "", b.Bytes())
	s.waiting, s.names = s.waiting[:0], s.names[:0]
	return err
}

// attempts is how often a request is sent that the server cannot take for now.
const attempts = 5

// post sends a body to base+path and counts what became of it. Its error is one
// that ends the run.
func (s *sending) post(ctx context.Context, name, path string, body []byte) error {
	key := rand.Text()
	for i, pause := 1, 200*time.Millisecond; ; i, pause = i+1, 2*pause {
		res, answer, err := s.once(ctx, path, key, body)
		switch {
		case err == nil && !forNow(res.StatusCode):
			return s.count(name, res.StatusCode, answer)
		case err == nil && i == attempts:
			return fmt.Errorf("the server takes nothing now: %s", strings.Join(issuesOf(answer, s.version), "; "))
		case i == attempts || ctx.Err() != nil:
			return fmt.Errorf("reach %s: %w", s.name, err)
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// forNow reports whether an answer is of a server, or of a proxy before it, that
// takes nothing now and may later.
func forNow(status int) bool {
	switch status {
	case http.StatusTooManyRequests, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout, http.StatusInsufficientStorage:
		return true
	}
	return false
}

// once sends a request and reads the answer.
func (s *sending) once(ctx context.Context, path, key string, body []byte) (*http.Response, []byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.at+path, bytes.NewReader(body))
	if err != nil {
		return nil, nil, err
	}
	content := "application/fhir+json"
	if bytes.HasPrefix(body, []byte("<")) {
		content = "application/fhir+xml"
	}
	req.Header.Set("Content-Type", content+"; fhirVersion="+s.FHIRVersion)
	req.Header.Set("Accept", "application/fhir+json; fhirVersion="+s.FHIRVersion)
	req.Header.Set("Idempotency-Key", key)
	req.Header.Set("Prefer", "return=OperationOutcome")
	if s.token != "" {
		req.Header.Set("Authorization", "Bearer "+s.token)
	}
	res, err := s.client.Do(req)
	if err != nil {
		return nil, nil, err
	}
	defer res.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(res.Body, 64<<20))
	return res, answer, err
}

// count says what became of a request.
func (s *sending) count(name string, status int, answer []byte) error {
	switch {
	case status == http.StatusUnauthorized, status == http.StatusForbidden:
		return fmt.Errorf("%s; give a token by --token or VIGIL_TOKEN", strings.Join(issuesOf(answer, s.version), "; "))
	case status == http.StatusCreated:
		s.taken++
		return nil
	case status == http.StatusAccepted:
		s.held++
		return nil
	case status != http.StatusOK:
		s.refuse(name, strconv.Itoa(status), issuesOf(answer, s.version))
		return nil
	}
	n, err := fhir.Parse(answer, s.version, fhir.Limits{Nodes: 50_000_000})
	if err != nil {
		return fmt.Errorf("read the answer: %w", err)
	}
	if n.Resource != "Bundle" { // it was there
		s.taken++
		return nil
	}
	for i, e := range n.All("entry") {
		where := name + " entry " + strconv.Itoa(i)
		if i < len(s.names) && name == "" {
			where = s.names[i]
		}
		switch code, _, _ := strings.Cut(e.Get("response", "status").Text(), " "); {
		case code == "202":
			s.held++
		case strings.HasPrefix(code, "2"):
			s.taken++
		default:
			s.refuse(where, code, outcomeIssues(e.Get("response", "outcome")))
		}
	}
	return nil
}

func (s *sending) refuse(name, status string, issues []string) {
	s.refused++
	if len(issues) == 0 {
		issues = []string{"no reason is given"}
	}
	fmt.Fprintf(s.std.Err, "vigil: %s: %s: %s\n", name, status, strings.Join(issues, "; "))
}

// issuesOf returns the errors of an OperationOutcome, or what else was answered.
func issuesOf(answer []byte, v fhir.Version) []string {
	n, err := fhir.Parse(answer, v, fhir.Limits{})
	if err != nil || n.Resource != "OperationOutcome" {
		return []string{fmt.Sprintf("%.200q", answer)}
	}
	return outcomeIssues(n)
}

// outcomeIssues returns the errors of an OperationOutcome.
func outcomeIssues(n *fhir.Node) []string {
	var out []string
	for _, i := range n.All("issue") {
		if s := i.Child("severity").Text(); s != "error" && s != "fatal" {
			continue
		}
		text := i.Child("diagnostics").Text()
		if text == "" {
			text = i.Get("details", "text").Text()
		}
		if where := i.Child("expression").Text(); where != "" {
			text = where + ": " + text
		}
		out = append(out, text)
	}
	return out
}
