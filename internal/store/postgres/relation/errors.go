package relation

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"vigil"
)

// Error is why the database, or what stands before it, refused a statement.
type Error struct {
	Code    string // an SQLSTATE, or one of PostgREST's codes
	Message string
	Details string // empty is null
	Hint    string // empty is null
}

// Error implements error.
func (e *Error) Error() string { return e.Code + ": " + e.Message }

// failure returns what err looks like to whoever asked. What the database says
// of a statement is told; the row that it did not like is not, since that may
// hold what the asker did not give.
func (d *DB) failure(ctx context.Context, err error) error {
	if err == nil {
		return nil
	}
	if e, ok := errors.AsType[*pgconn.PgError](err); ok && ctx.Err() == nil {
		if stale(e.Code) {
			d.Reload()
		}
		switch {
		case e.Severity == "FATAL", strings.HasPrefix(e.Code, "08"), e.Code == "57P01", e.Code == "57P02", e.Code == "57P03":
			return unavailable(err)
		}
		out := &Error{Code: e.Code, Message: e.Message, Details: e.Detail, Hint: e.Hint}
		if e.Code == "23502" || e.Code == "23514" || e.Code == "44000" {
			out.Details = "" // Failing row contains (...)
		}
		if e.Code == "42501" && strings.HasPrefix(e.Message, "permission denied to set role") {
			out.Hint = "The operator must grant the role to the login that the server has in the database."
		}
		return out
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if _, ok := errors.AsType[*Error](err); ok {
		return err
	}
	if _, ok := errors.AsType[*vigil.Error](err); ok {
		return err
	}
	return unavailable(err)
}

// stale reports whether an SQLSTATE may come from a catalogue that is old: a
// table, column, function, type or schema that is not there, another type than was
// thought, an object that changed meanwhile.
func stale(code string) bool {
	switch code {
	case "42P01", "42703", "42883", "42704", "3F000", "42804", "428C9", "0A000", "55000", "XX000":
		return true
	}
	return false
}

func unavailable(err error) error {
	return &vigil.Error{
		Kind: vigil.Unavailable, Code: "PGRST001", Message: "the database cannot be reached", RetryAfter: 2 * time.Second, Err: err,
	}
}

func noConnection(err error) error {
	return &vigil.Error{
		Kind: vigil.Unavailable, Code: "PGRST003", Message: "Timed out acquiring connection from connection pool.",
		RetryAfter: 2 * time.Second, Err: err,
	}
}

// unknownFate is what an insert is answered with whose commit broke off.
func unknownFate(err error) error {
	return &vigil.Error{
		Kind: vigil.Unavailable, Code: "08007", Err: err,
		Message: "the database was lost during the commit: it is not known whether the rows were stored",
		Hint:    "Look whether they are there before sending them again.",
	}
}

// noColumn is what is said of a column that the catalogue does not have.
func noColumn(t *Table, name string) error {
	return &Error{Code: "42703", Message: "column " + t.Name + "." + cut(name) + " does not exist"}
}

// cut returns the beginning of a text that is too long to be repeated.
func cut(s string) string {
	const most = 100
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "") + "…"
}
