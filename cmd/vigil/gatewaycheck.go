package main

import (
	"context"
	"net/url"

	"vigil/gateway"
	"vigil/internal/config"
)

// checkGateways reports the first gateway whose level, policies or key of
// pseudonyms would end its start. Nothing is opened but that key.
func checkGateways(list []config.Gateway, p *peers) error {
	for _, g := range list {
		if err := checkGateway(g, p); err != nil {
			return err
		}
	}
	return nil
}

func checkGateway(g config.Gateway, p *peers) (err error) {
	gc := gateway.Config{Spool: noSpool{}}
	if gc.Pseudonyms, err = readPseudonyms("pseudonym-key", g.PseudonymKey); err == nil {
		err = setPolicies(&gc, g, p)
	}
	if err == nil {
		_, err = gateway.New(gc)
	}
	if err != nil {
		return usagef("gateway %s: %w", firstOf(g.Name, "gateway"), err)
	}
	return nil
}

// doubtGateway says what in the policies of g, which must be sound, hardly does
// what was meant.
func doubtGateway(g config.Gateway) []string {
	policies, err := policiesOf(g.Policies)
	if err != nil {
		return nil
	}
	var bases []string
	for _, u := range g.Upstreams {
		if parsed, err := url.Parse(u.URL); err == nil {
			bases = append(bases, parsed.EscapedPath())
		}
	}
	return gateway.Doubts(policies, bases...)
}

// noSpool is the spool of a gateway that is only looked at: it keeps nothing.
type noSpool struct{}

func (noSpool) Begin(context.Context, []byte) (uint64, error)       { return 1, nil }
func (noSpool) End(context.Context, uint64, []byte) (uint64, error) { return 1, nil }
func (noSpool) Sync(context.Context, uint64) error                  { return nil }
func (noSpool) Err() error                                          { return nil }
