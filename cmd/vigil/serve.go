package main

import "context"

type serveCmd struct{}

func (c *serveCmd) Run(ctx context.Context, std *stdio) error { return usagef("serve is not wired yet") }
