// Command vigil is an audit record repository: it takes audit events, keeps
// them in an append-only store under a Merkle log, and answers questions about them.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
	_ "time/tzdata" // a static binary names zones also where the system has none
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	std := &stdio{In: os.Stdin, Out: os.Stdout, Err: os.Stderr, Env: os.Environ(), Dir: "."}
	code := run(ctx, os.Args[1:], std)
	stop()
	os.Exit(code)
}
