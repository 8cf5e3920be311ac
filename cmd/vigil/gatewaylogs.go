package main

import (
	"context"
	"net/http"
)

// withLogs puts the stream of logs and $loggy on the listeners of those gateways
// that are told so, as Aidbox has them beside its API. They are the same faces as
// on the server's own listener, with its rights and its record of access, and end
// with ctx.
func (g *gateways) withLogs(ctx context.Context, api http.Handler) {
	for _, f := range g.list {
		if !f.Logs {
			continue
		}
		next := f.server.Handler
		f.server.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path != "/_logs" && r.URL.Path != "/$loggy" {
				next.ServeHTTP(w, r)
				return
			}
			asked, cancel := context.WithCancel(r.Context())
			defer cancel()
			defer context.AfterFunc(ctx, cancel)()
			api.ServeHTTP(w, r.WithContext(asked))
		})
	}
}
