package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"runtime/debug"
	"strings"

	"github.com/alecthomas/kong"
)

// cli is every command. Each lives in a file of its own.
type cli struct {
	Serve      serveCmd      `cmd:"" help:"Take in, keep and serve audit events."`
	Token      tokenCmd      `cmd:"" help:"Make a token for a role."`
	Query      queryCmd      `cmd:"" help:"Ask a server or a store, in the words of the API."`
	Tail       tailCmd       `cmd:"" help:"Follow new events."`
	Import     importCmd     `cmd:"" help:"Take in events from files: NDJSON, JSON, CSV, or a dump of logserver."`
	Export     exportCmd     `cmd:"" help:"Write events to a file: NDJSON, CSV, Parquet, or SQL for a logserver."`
	Send       sendCmd       `cmd:"" help:"Send AuditEvents from files to a FHIR server."`
	Config     configCmd     `cmd:"" help:"Print every setting, its value and where that came from."`
	Health     healthCmd     `cmd:"" help:"Ask the server on this machine whether it is ready: for health checks."`
	Verify     verifyCmd     `cmd:"" help:"Prove that nothing in a store or a running server was changed."`
	Check      checkCmd      `cmd:"" help:"Check every file of a store that no server has open, or a database."`
	Recover    recoverCmd    `cmd:"" help:"Let a store that was put back to an older state take events again, in a new epoch."`
	Migrate    migrateCmd    `cmd:"" help:"Make a PostgreSQL database ready for this version, or upgrade it."`
	Erase      eraseCmd      `cmd:"" help:"Remove the documents of events, for good; their places in the log stay."`
	Prune      pruneCmd      `cmd:"" help:"Remove the documents of a table that are older than they have to be kept."`
	Backup     backupCmd     `cmd:"" help:"Copy a store, while its server goes on."`
	Bench      benchCmd      `cmd:"" help:"Measure this machine: Vigil beside PostgREST over PostgreSQL."`
	Gateway    gatewayCmd    `cmd:"" help:"Stand before a FHIR server and record every request to it."`
	Spool      spoolCmd      `cmd:"" help:"Look into a gateway's spool."`
	HMAC       hmacCmd       `cmd:"" name:"hmac" help:"Print the pseudonym that stands for a value in a gateway's records."`
	Quarantine quarantineCmd `cmd:"" name:"quarantine" help:"See what could not be taken, and try again."`
	Version    versionCmd    `cmd:"" help:"Print the version."`

	ShowVersion kong.VersionFlag `name:"version" help:"Print the version."`
}

// stdio is what a command sees of the world outside its arguments.
type stdio struct {
	In       io.Reader
	Out, Err io.Writer
	Env      []string // as os.Environ
	Dir      string   // where .env and vigil.yaml are looked for
}

// env returns a variable of the environment, and whether it is set.
func (s *stdio) env(name string) (value string, set bool) {
	for _, v := range s.Env { // the last one counts
		if text, ok := strings.CutPrefix(v, name+"="); ok {
			value, set = text, true
		}
	}
	return value, set
}

// limitMemory tells the Go runtime how much to keep: to collect at so many percent
// of what lives, unless GOGC says it, and to stay under limit bytes, 0 for no limit,
// unless configured bytes or GOMEMLIMIT say it.
func (s *stdio) limitMemory(configured int64, percent int, limit int64) {
	if _, set := s.env("GOGC"); !set {
		debug.SetGCPercent(percent)
	}
	_, set := s.env("GOMEMLIMIT")
	switch {
	case configured > 0:
		debug.SetMemoryLimit(configured)
	case limit > 0 && !set:
		debug.SetMemoryLimit(limit)
	}
}

// A usageError ends the program with code 2: the call was wrong, nothing was done.
type usageError struct{ error }

// usagef returns a usageError.
func usagef(format string, args ...any) error { return usageError{fmt.Errorf(format, args...)} }

// exit is what kong's exit function panics with, so that run can return.
type exit int

// run is the program: it returns the exit code, 0 for success, 1 for failure
// and 2 for wrong usage. Errors are printed here and nowhere else.
func run(ctx context.Context, args []string, std *stdio) (code int) {
	defer func() {
		if r := recover(); r != nil {
			e, ok := r.(exit)
			if !ok {
				panic(r)
			}
			code = int(e)
		}
	}()
	var c cli
	parser, err := kong.New(&c, kong.Name("vigil"),
		kong.Description("Vigil keeps audit events so that none is lost or changed unnoticed, and answers who did what to whose record."),
		kong.Writers(std.Out, std.Err), kong.Exit(func(n int) { panic(exit(n)) }),
		kong.BindTo(ctx, (*context.Context)(nil)), kong.Bind(std), kong.UsageOnError(),
		kong.Vars{"version": "vigil " + version()},
		kong.ConfigureHelp(kong.HelpOptions{Compact: true, NoExpandSubcommands: true}))
	if err != nil {
		fmt.Fprintln(std.Err, "vigil:", err)
		return 1
	}
	k, err := parser.Parse(rewrite(parser, args))
	if err != nil {
		fmt.Fprintf(std.Err, "vigil: %v (vigil --help lists the commands)\n", err)
		return 2
	}
	if err := k.Run(); err != nil {
		fmt.Fprintln(std.Err, "vigil:", err)
		if _, ok := errors.AsType[usageError](err); ok {
			return 2
		}
		return 1
	}
	return 0
}
