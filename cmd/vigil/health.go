package main

import (
	"context"
	"errors"
	"time"

	"vigil/internal/telemetry"
)

// healthCmd is the health check of images that have no other program in them.
type healthCmd struct {
	settings
	Admin string `help:"Address of /live and /ready, where the server was given one by a flag." placeholder:"HOST:PORT"`
	Live  bool   `help:"Ask only whether the server runs, not whether it takes events."`
}

// Run asks the server that the configuration describes.
func (c *healthCmd) Run(ctx context.Context, std *stdio) error {
	conf, err := c.load(std, map[string]string{"admin": c.Admin})
	if err != nil {
		return err
	}
	if conf.Admin == "" {
		return errors.New("ask for health: the admin server is switched off")
	}
	ctx, cancel := context.WithTimeout(ctx, 4*time.Second)
	defer cancel()
	page := "/ready"
	if c.Live {
		page = "/live"
	}
	return telemetry.Probe(ctx, conf.Admin, page)
}
