package main

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"vigil/internal/spool"
)

type spoolCmd struct {
	Status spoolStatusCmd `cmd:"" help:"Say what waits in a spool, of a gateway that is stopped."`
}

type spoolStatusCmd struct {
	Dir  string `arg:"" optional:"" default:"vigil-spool/gateway" help:"Directory of the spool." placeholder:"DIR"`
	JSON bool   `name:"json" help:"Print JSON."`
}

// Run prints what waits. It changes nothing.
func (c *spoolStatusCmd) Run(_ context.Context, std *stdio) error {
	st, err := spool.Inspect(c.Dir)
	if err != nil {
		if strings.Contains(err.Error(), "another process") {
			return fmt.Errorf("%w: while the gateway runs, its /metrics say what waits (vigil_spool_waiting_bytes)", err)
		}
		return err
	}
	if c.JSON {
		return json.NewEncoder(std.Out).Encode(map[string]any{
			"waitingBytes": st.Waiting, "waitingRecords": st.Records, "underWay": st.Begun, "volumes": st.Volumes,
		})
	}
	if st.Records == 0 && st.Begun == 0 {
		fmt.Fprintln(std.Out, "nothing waits: everything was handed over")
		return nil
	}
	fmt.Fprintf(std.Out, "waiting for their destination: %s (%d bytes on disk)\n", number(st.Records, "record", "records"), st.Waiting)
	if st.Begun > 0 {
		fmt.Fprintf(std.Out, "under way when the process ended: %s; the next start records such as broken off\n", number(st.Begun, "request", "requests"))
	}
	return nil
}
