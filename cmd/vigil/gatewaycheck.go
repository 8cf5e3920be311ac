package main

import (
	"context"
	"fmt"

	"vigil/gateway"
	"vigil/internal/config"
)

// checkGateways reports the first gateway whose level, policies or key of
// pseudonyms would end its start. Nothing is opened but that key.
func checkGateways(list []config.Gateway, p *peers) error {
	for _, g := range list {
		if err := checkGateway(g, p); err != nil {
			return fmt.Errorf("gateway %s: %w", firstOf(g.Name, "gateway"), err)
		}
	}
	return nil
}

func checkGateway(g config.Gateway, p *peers) (err error) {
	gc := gateway.Config{Spool: noSpool{}}
	if gc.Pseudonyms, err = readPseudonyms(g.PseudonymKey); err != nil {
		return err
	}
	if err = setPolicies(&gc, g, p); err == nil {
		_, err = gateway.New(gc)
	}
	if err != nil {
		return usageError{err}
	}
	return nil
}

// noSpool is the spool of a gateway that is only looked at: it keeps nothing.
type noSpool struct{}

func (noSpool) Begin(context.Context, []byte) (uint64, error)       { return 1, nil }
func (noSpool) End(context.Context, uint64, []byte) (uint64, error) { return 1, nil }
func (noSpool) Sync(context.Context, uint64) error                  { return nil }
func (noSpool) Err() error                                          { return nil }
