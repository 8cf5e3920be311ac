// Package pgtest starts a throw-away PostgreSQL 15 and the real PostgREST
// 12.0.2 beside it, as oracles for tests and as the peer of benchmarks.
//
// Tests use [Postgres] and [PostgREST], which skip the test where the programs
// are not installed and fail it where CI=true. Everything else uses [Start]
// and [StartPostgREST].
//
// Both programs refuse to run as root, so a root caller runs them as the user
// postgres or nobody. Each runs under a small shell that holds a pipe to us:
// when we end, however we end, it stops the program and removes its files.
package pgtest
