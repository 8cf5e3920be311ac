package main

import (
	"fmt"
	"log/slog"
	"text/tabwriter"
)

type configCmd struct {
	settings
}

// Run prints every setting with its value and where that came from, and what the
// settings of Firely Server and Oracle HDR come to, where there are any. What would
// end the start of a gateway is an error here, before it is restarted.
func (c *configCmd) Run(std *stdio) error {
	cfg, err := c.load(std, nil)
	if err != nil {
		return err
	}
	for _, w := range cfg.Warnings {
		fmt.Fprintln(std.Err, "vigil: warning:", w)
	}
	tw := tabwriter.NewWriter(std.Out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(tw, "SETTING\tVALUE\tFROM")
	for _, s := range cfg.Explain() {
		fmt.Fprintf(tw, "%s\t%s\t%s\n", s.Name, s.Value, s.Source)
	}
	for _, s := range cfg.Ignored {
		fmt.Fprintf(tw, "%s\t(means nothing here)\t%s\n", s.Name, s.Source)
	}
	if err := tw.Flush(); err != nil {
		return err
	}
	p, err := loadPeers(cfg, std, slog.New(slog.DiscardHandler))
	if err != nil {
		return err
	}
	for _, line := range p.describe(cfg) {
		fmt.Fprintln(std.Out, line)
	}
	if err := checkGateways(cfg.Gateways, p); err != nil {
		return err
	}
	for _, g := range cfg.Gateways {
		for _, doubt := range doubtGateway(g) {
			fmt.Fprintf(std.Err, "vigil: warning: gateway %s: %s\n", g.Name, doubt)
		}
	}
	return nil
}
