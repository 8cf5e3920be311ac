package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"strings"
	"time"
)

type tailCmd struct {
	reach
	Question string `arg:"" optional:"" default:"events" help:"What to follow, as in a URL of the API: TABLE?FILTERS&select=…" placeholder:"QUERY"`
	Since    string `help:"Begin behind this id, or at this time, instead of now." placeholder:"ID|TIME"`
}

// Run prints new events, one JSON object a line, until it is interrupted, or
// after as many as limit= in the question says. Where the connection breaks it
// is made again, and no event is left out.
func (c *tailCmd) Run(ctx context.Context, std *stdio) (err error) {
	f, err := c.open(ctx, std, false)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.close()) }()
	if f.alone {
		return fmt.Errorf("no server has %s open, so nothing new will come: start vigil serve, or name a server by --url (vigil query shows what is there)", f.name)
	}
	out := io.Writer(std.Out)
	if width(std.Out) > 0 {
		out = &harmless{w: std.Out}
	}
	question := c.Question
	if c.Since != "" {
		join := "?"
		if strings.Contains(question, "?") {
			join = "&"
		}
		question += join + "since=" + url.QueryEscape(c.Since)
	}
	t := &tailing{face: f, out: out, question: question}
	for pause := time.Second; ; pause = min(2*pause, 30*time.Second) {
		got, err := t.follow(ctx)
		switch {
		case ctx.Err() != nil:
			return nil
		case strings.Contains(question, "limit="): // what is left of it is not known to a new connection
			return err
		case err != nil && !t.live: // it never began
			return err
		case got:
			pause = time.Second
		}
		fmt.Fprintf(std.Err, "vigil: the connection ended (%v); trying again\n", reason(err))
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return nil
		}
	}
}

func reason(err error) string {
	if err == nil {
		return "the server closed it"
	}
	return err.Error()
}

// tailing is a live tail over connections that may break.
type tailing struct {
	*face
	out      io.Writer
	question string
	last     string // id of the last event
	live     bool   // it has been connected
}

// follow prints the events of one connection (server-sent events, WHATWG HTML,
// section 9.2), and tells whether there were any.
func (t *tailing) follow(ctx context.Context) (got bool, err error) {
	res, err := t.ask(ctx, t.question, "text/event-stream", tailHeader(t.last))
	if err != nil {
		return false, err
	}
	defer res.Body.Close()
	t.live = true
	var data []byte
	id := t.last
	for line, err := range linesOf(res.Body) {
		if err != nil {
			return got, err
		}
		name, value, _ := bytes.Cut(bytes.TrimSuffix(line, []byte("\r")), []byte(":"))
		value = bytes.TrimPrefix(value, []byte(" "))
		switch {
		case len(name) > 0 && string(name) == "data":
			data = append(append(data, value...), '\n')
		case string(name) == "id":
			id = string(value)
		case len(line) == 0 && len(data) > 0:
			if _, err := t.out.Write(data); err != nil {
				return got, err
			}
			data, t.last, got = data[:0], id, true
		}
	}
	return got, nil
}
