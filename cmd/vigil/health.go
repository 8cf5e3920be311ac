package main

import (
	"context"
	"errors"
	"time"

	"vigil/internal/config"
	"vigil/internal/telemetry"
)

// healthCmd is the health check of images that have no other program in them.
type healthCmd struct {
	Live bool `help:"Ask only whether the server runs, not whether it takes events."`
}

// Run asks the server that the configuration describes.
func (c *healthCmd) Run(ctx context.Context, std *stdio) error {
	conf, err := config.Load(nil, std.Env, std.Dir)
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
