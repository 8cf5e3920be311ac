package main

import (
	"fmt"
	"maps"

	"vigil/internal/config"
)

// settings are the flags of commands that read the configuration.
type settings struct {
	Config string            `help:"Configuration file; vigil.yaml is read by itself." placeholder:"FILE"`
	Store  string            `help:"Where events are kept: dir:PATH, postgres://… or memory:." placeholder:"URL"`
	Set    map[string]string `help:"Any other setting, by its name in docs/config.md." placeholder:"NAME=VALUE" mapsep:"none"`
}

// load returns the effective configuration; more are flags of the command's own.
func (s *settings) load(std *stdio, more map[string]string) (*config.Config, error) {
	flags := map[string]string{}
	maps.Copy(flags, s.Set)
	maps.Copy(flags, more)
	for name, value := range map[string]string{"config": s.Config, "store": s.Store} {
		if value != "" {
			flags[name] = value
		}
	}
	for name, value := range flags {
		if value == "" {
			delete(flags, name)
		}
	}
	c, err := config.Load(flags, std.Env, std.Dir)
	if err != nil {
		return nil, usageError{fmt.Errorf("configuration: %w", err)}
	}
	c.Peers.Firely = peerDir(c.Peers.Firely, std, "VONK_PATH_TO_SETTINGS=")
	c.Peers.HDR = peerDir(c.Peers.HDR, std, "")
	return c, nil
}
