package main

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"vigil"
	"vigil/internal/format/fhir"
)

type quarantineCmd struct {
	List  quarantineListCmd  `cmd:"" help:"List what is in quarantine and was not taken since."`
	Show  quarantineShowCmd  `cmd:"" help:"Print the reason and the document of one."`
	Retry quarantineRetryCmd `cmd:"" help:"Hand documents to the server again, as after a change of fhir.profiles."`
}

// Help says what quarantine is.
func (*quarantineCmd) Help() string {
	return `Quarantine has what came and could not be understood or taken, with the reason.
Nothing leaves it: a document that is taken after all is added to its table, and
its record in quarantine is followed by one that says so.`
}

// held is a record of the table quarantine.
type held struct {
	UID      string `json:"uid"`
	Received string `json:"received"`
	Event    struct {
		Reason  string   `json:"reason"`
		For     string   `json:"for"`
		Format  string   `json:"format"`
		Issues  []string `json:"issues"`
		Bytes   string   `json:"bytes"`
		Retried string   `json:"retried"`
	} `json:"event"`
}

// held calls each with what a filter selects.
func (f *face) held(ctx context.Context, filter string, each func(*held) error) error {
	for line, err := range f.rows(ctx, vigil.TableQuarantine+"?select=uid:_uid,received:_received,event&order=id"+filter) {
		if err != nil {
			return err
		}
		var h held
		if err := json.Unmarshal(line, &h); err != nil {
			return fmt.Errorf("read a record of quarantine: %w", err)
		}
		if err := each(&h); err != nil {
			return err
		}
	}
	return nil
}

// pending calls each with what was not taken since, oldest first.
func (f *face) pending(ctx context.Context, each func(*held) error) error {
	retried := map[string]bool{}
	if err := f.held(ctx, "&event->>retried=not.is.null", func(h *held) error {
		retried[h.Event.Retried] = true
		return nil
	}); err != nil {
		return err
	}
	return f.held(ctx, "&event->>retried=is.null", func(h *held) error {
		if retried[h.UID] {
			return nil
		}
		return each(h)
	})
}

type quarantineListCmd struct{ reach }

// Run lists what is pending.
func (c *quarantineListCmd) Run(ctx context.Context, std *stdio) (err error) {
	f, err := c.open(ctx, std, false)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.close()) }()
	t := newTable(std.Out)
	n := 0
	err = f.pending(ctx, func(h *held) error {
		if n++; n == 1 {
			t.add([]string{"uid", "received", "for", "reason"})
		}
		reason := h.Event.Reason
		if len(h.Event.Issues) > 0 {
			reason += ": " + h.Event.Issues[0]
		}
		t.add([]string{h.UID, h.Received, h.Event.For, reason})
		return nil
	})
	if err = errors.Join(err, t.flush()); err == nil && n == 0 {
		fmt.Fprintln(std.Err, "(nothing is in quarantine)")
	}
	return err
}

type quarantineShowCmd struct {
	reach
	UID string `arg:"" help:"UID, as the list has it."`
}

// Run prints one document.
func (c *quarantineShowCmd) Run(ctx context.Context, std *stdio) (err error) {
	if _, err := vigil.ParseUID(c.UID); err != nil {
		return usageError{err}
	}
	f, err := c.open(ctx, std, false)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.close()) }()
	found := false
	err = f.held(ctx, "&_uid=eq."+c.UID, func(h *held) error {
		found = true
		fmt.Fprintf(std.Err, "received %s for %s: %s\n", h.Received, h.Event.For, h.Event.Reason)
		for _, issue := range h.Event.Issues {
			fmt.Fprintf(std.Err, "  %s\n", issue)
		}
		doc, err := base64.StdEncoding.DecodeString(h.Event.Bytes)
		if err != nil {
			return fmt.Errorf("read the document: %w", err)
		}
		out := io.Writer(std.Out)
		if width(std.Out) > 0 {
			out = &harmless{w: std.Out}
		}
		_, err = fmt.Fprintf(out, "%s\n", doc)
		return err
	})
	if err == nil && !found {
		err = fmt.Errorf("there is no %s in quarantine", c.UID)
	}
	return err
}

type quarantineRetryCmd struct {
	reach
	UIDs []string `arg:"" optional:"" name:"uid" help:"UIDs, as the list has them; without any, all AuditEvents that are pending."`
}

// Run hands documents over again.
func (c *quarantineRetryCmd) Run(ctx context.Context, std *stdio) (err error) {
	f, err := c.open(ctx, std, false)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.close()) }()
	wanted := map[string]bool{}
	for _, uid := range c.UIDs {
		wanted[strings.ToLower(uid)] = true
	}
	taken, failed := 0, 0
	var again []*held
	err = f.pending(ctx, func(h *held) error {
		if len(wanted) == 0 && h.Event.For == vigil.TableAuditEvents || wanted[h.UID] {
			again = append(again, h)
			delete(wanted, h.UID)
		}
		return nil
	})
	if err != nil {
		return err
	}
	for uid := range wanted {
		return fmt.Errorf("%s is not pending in quarantine", uid)
	}
	for _, h := range again {
		if err := f.retry(ctx, h); err != nil {
			failed++
			fmt.Fprintf(std.Err, "vigil: %s: %v\n", h.UID, err)
			continue
		}
		taken++
	}
	fmt.Fprintf(std.Out, "%d taken, %d stay in quarantine\n", taken, failed)
	if failed > 0 {
		return fmt.Errorf("%s not taken", number(failed, "document was", "documents were"))
	}
	return nil
}

// retry hands one document to the FHIR face, which records that it was taken.
func (f *face) retry(ctx context.Context, h *held) error {
	if h.Event.For != vigil.TableAuditEvents {
		return fmt.Errorf("it is for %s: post the document there, as vigil quarantine show prints it", h.Event.For)
	}
	doc, err := base64.StdEncoding.DecodeString(h.Event.Bytes)
	if err != nil {
		return fmt.Errorf("read the document: %w", err)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, f.base+"/fhir/AuditEvent", bytes.NewReader(doc))
	if err != nil {
		return err
	}
	version := "4.0"
	if h.Event.Format == string(vigil.FormatFHIRR5) {
		version = "5.0"
	}
	req.Header.Set("Content-Type", "application/fhir+json; fhirVersion="+version)
	req.Header.Set("Accept", "application/fhir+json")
	req.Header.Set("Prefer", "return=minimal")
	req.Header.Set("Vigil-Retry", h.UID)
	if f.token != "" {
		req.Header.Set("Authorization", "Bearer "+f.token)
	}
	res, err := f.client.Do(req)
	if err != nil {
		return fmt.Errorf("reach %s: %w", f.name, err)
	}
	defer res.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(res.Body, 1<<20))
	if err != nil {
		return err
	}
	if res.StatusCode != http.StatusCreated {
		return errors.New(strings.Join(issuesOf(answer, fhir.R4), "; "))
	}
	return nil
}
