package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"syscall"

	"vigil/gateway"
	"vigil/internal/config"
	"vigil/internal/durable"
)

// catchHangups makes SIGHUP mean that the configuration is to be read again, and
// not the end of the process any more.
func (g *gateways) catchHangups() {
	g.hangups = make(chan os.Signal, 1)
	signal.Notify(g.hangups, syscall.SIGHUP)
}

// followHangups reads the configuration again at each SIGHUP, until ctx ends.
func (g *gateways) followHangups(ctx context.Context) {
	defer signal.Stop(g.hangups)
	for {
		select {
		case <-g.hangups:
			g.reload()
		case <-ctx.Done():
			return
		}
	}
}

// reload puts the levels and policies into force that the configuration has now,
// of all gateways or of none. All else needs a restart.
func (g *gateways) reload() {
	now, err := g.changes()
	if err != nil {
		for _, f := range g.list {
			f.gateway.RefusePolicies(err)
		}
		return
	}
	for i, f := range g.list {
		if now[i] == nil {
			f.log.Warn("the configuration has no such gateway any more; it goes on as it is until a restart")
			continue
		}
		f.change(now[i])
	}
}

// change is what a gateway is configured as now.
type change struct {
	config.Gateway
	level    gateway.Level
	policies []gateway.Policy
}

// changes reads the configuration and checks it. There is one for each gateway,
// nil where it is not configured any more.
func (g *gateways) changes() ([]*change, error) {
	cfg, err := g.c.Reload()
	if err != nil {
		return nil, err
	}
	now := make([]*change, len(g.list))
	for i, f := range g.list {
		at := slices.IndexFunc(cfg.Gateways, func(c config.Gateway) bool { return c.Name == f.Name })
		if at < 0 {
			continue
		}
		c := &change{Gateway: cfg.Gateways[at]}
		gc := gateway.Config{Spool: noSpool{}, Pseudonyms: f.pseudonyms}
		if err = setPolicies(&gc, c.Gateway, g.c.Peers); err == nil {
			_, err = gateway.New(gc)
		}
		if err != nil {
			return nil, fmt.Errorf("gateway %s: %w", f.Name, err)
		}
		c.level, c.policies = gc.Level, gc.Policies
		now[i] = c
	}
	return now, nil
}

// change puts c's level and policies into force.
func (f *frontGateway) change(c *change) {
	before := f.gateway.Policies()
	if err := f.gateway.SetPolicies(c.level, c.policies); err != nil {
		f.gateway.RefusePolicies(err)
		return
	}
	if err := f.notePolicies(); err != nil {
		f.log.Error("the next start tells of this change of policies again", "err", err)
	}
	for _, doubt := range doubtGateway(c.Gateway) {
		f.log.Warn(doubt)
	}
	if keys := differing(f.Gateway, c.Gateway); keys != nil {
		f.log.Warn("the configuration of the gateway has changed in more than its policies: that needs a restart", "keys", strings.Join(keys, ", "))
	}
	if f.gateway.Policies() == before {
		f.log.Info("the configuration was read again; the policies are the same")
		return
	}
	f.log.Info("new policies are in force")
}

// notePolicies writes down what is in force, so that a change between two runs is
// told as one.
func (f *frontGateway) notePolicies() error {
	if err := durable.WriteFile(filepath.Join(f.dir, policiesFile), []byte(f.gateway.Policies())); err != nil {
		return fmt.Errorf("note the policies: %w", err)
	}
	return nil
}

// policiesFile is in the directory of a gateway's spool.
const policiesFile = "policies"

// differing returns the keys, beside those that reload looks at, whose values are
// not the same.
func differing(a, b config.Gateway) (keys []string) {
	a.Level, a.Policies, b.Level, b.Policies = "", nil, "", nil
	va, vb := reflect.ValueOf(a), reflect.ValueOf(b)
	for i := range va.NumField() {
		if !reflect.DeepEqual(va.Field(i).Interface(), vb.Field(i).Interface()) {
			key, _, _ := strings.Cut(va.Type().Field(i).Tag.Get("yaml"), ",")
			keys = append(keys, key)
		}
	}
	return keys
}
