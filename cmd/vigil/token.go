package main

import (
	"fmt"
	"time"

	"vigil/internal/auth"
)

type tokenCmd struct {
	settings
	Role    string   `required:"" help:"Role of the token: event_logger, event_writer, audit_writer, log_writer, gateway, auditor, admin, web_anon or one of the configuration."`
	Expires lifetime `help:"How long the token is good; it does not expire by itself." placeholder:"7d"`
	Subject string   `help:"Who the token is for: its sub claim, which is kept with every event." placeholder:"NAME"`
}

// Run prints a JSON Web Token as logserver's generate_JWT.py makes it.
func (c *tokenCmd) Run(std *stdio) error {
	cfg, err := c.load(std, nil)
	if err != nil {
		return err
	}
	if c.Expires < 0 {
		return usagef("--expires %s is in the past", time.Duration(c.Expires))
	}
	grants, err := grants(cfg)
	if err != nil {
		return err
	}
	if !grants.Known(c.Role) {
		return usagef("there is no role %q: vigil token --help has the built-in ones, and the setting roles adds others", c.Role)
	}
	secret, _, err := signingSecret(cfg)
	if err != nil {
		return err
	}
	var until time.Time
	if c.Expires > 0 {
		until = time.Now().Add(time.Duration(c.Expires))
	}
	var more map[string]any
	if c.Subject != "" {
		more = map[string]any{"sub": c.Subject}
	}
	token, err := auth.Mint(secret, c.Role, until, more)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(std.Out, token)
	return err
}
