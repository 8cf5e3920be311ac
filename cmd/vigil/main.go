// Command vigil is an audit record repository: it takes audit events, keeps
// them in an append-only store under a Merkle log, and answers questions about them.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	_ "time/tzdata" // a static binary names zones also where the system has none
)

func main() {
	ctx, stop := context.WithCancel(context.Background())
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	go func() {
		<-signals
		stop()
		<-signals // whoever asks twice does not want to wait
		fmt.Fprintln(os.Stderr, "vigil: ended at the second signal")
		os.Exit(1)
	}()
	std := &stdio{In: os.Stdin, Out: os.Stdout, Err: os.Stderr, Env: os.Environ(), Dir: "."}
	code := run(ctx, os.Args[1:], std)
	stop()
	os.Exit(code)
}
