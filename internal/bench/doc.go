// Package bench measures a running Vigil, and the same work on PostgREST over
// PostgreSQL as its peer, with one load generator and in one run, so that the
// ratios hold on any machine.
package bench
