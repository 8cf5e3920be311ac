package postgres

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"vigil"
	"vigil/internal/query"
)

// ErrForeign is wrapped by errors of [Migrate] and [Open] where the database
// has a table api.events that Vigil did not make. It is never altered.
var ErrForeign = errors.New("the database has a table api.events that vigil did not make")

// ErrNotMigrated is wrapped by errors of [Open] where the database does not have
// what this version needs.
var ErrNotMigrated = errors.New("the database is not ready: run vigil migrate with the address of its owner")

// ErrLogin is wrapped by errors of [Open] where the login has no rights to the store.
var ErrLogin = errors.New("the login may not use this store")

// noRights is the SQLSTATE of what a role may not do.
const noRights = "42501"

// SQLSTATEs of a database that takes no changes, and of one whose disk is full.
const (
	readOnly = "25006"
	diskFull = "53100"
)

// connectionLost is the class of what a coordinator of Citus says where it does not
// reach a worker.
const connectionLost = "08"

// state returns the SQLSTATE of an error, empty if it has none.
func state(err error) string {
	if e, ok := errors.AsType[*pgconn.PgError](err); ok {
		return e.Code
	}
	return ""
}

// refused reports whether the server refused a statement, and the connection is
// good: nothing of the transaction has happened.
func refused(err error) bool {
	e, ok := errors.AsType[*pgconn.PgError](err)
	return ok && e.Severity != "FATAL" && e.Severity != "PANIC"
}

// badData reports whether a statement was refused for what it holds, so that
// others may succeed where this one does not.
func badData(err error) bool {
	if !refused(err) {
		return false
	}
	switch class := class(err); class {
	case "22", "23", "54", "42", "0A":
		return state(err) != noRights
	}
	return false
}

func class(err error) string {
	if s := state(err); len(s) == 5 {
		return s[:2]
	}
	return ""
}

// writeError is what a failed commit is answered with. Nothing was stored.
func writeError(err error) error {
	if e, ok := errors.AsType[*vigil.Error](err); ok {
		return e
	}
	switch s := state(err); {
	case s == diskFull:
		return &vigil.Error{
			Kind: vigil.Full, Message: "the database's disk is full, nothing of this request was stored",
			Hint: "Writing resumes by itself when there is space.", RetryAfter: 10 * time.Second, Err: err,
		}
	case s == readOnly:
		return unavailable("the database is read-only, nothing of this request was stored", err)
	case s == noRights || s == "42P01" || s == "42703" || s == "42883":
		return &vigil.Error{
			Kind: vigil.Unavailable, Message: "the database is not as the store needs it, nothing of this request was stored",
			Hint: "The operator must run vigil migrate, or look at the server's log.", RetryAfter: 10 * time.Second, Err: err,
		}
	case badData(err):
		return &vigil.Error{Kind: vigil.Invalid, Code: s, Message: "the database cannot hold an event of this request", Err: err}
	}
	return unavailable("the database cannot be reached, nothing of this request was stored", err)
}

// unknownFate is what a request is answered with whose commit broke off, when the
// database does not come back to say what became of it.
func unknownFate(err error) error {
	return &vigil.Error{
		Kind: vigil.Unavailable, Message: "the database was lost during the commit: it is not known whether the request was stored",
		Hint: "Send it again with the same idempotency key.", RetryAfter: 5 * time.Second, Err: err,
	}
}

// tooLong is what a question is answered with that took too long.
func tooLong(err error) error {
	return &vigil.Error{
		Kind: vigil.Unavailable, Code: "57014", Message: "canceling statement due to statement timeout",
		Hint: "Ask for less at a time, or for what an index can find.", Err: err,
	}
}

func unavailable(message string, err error) error {
	return &vigil.Error{Kind: vigil.Unavailable, Message: message, RetryAfter: 2 * time.Second, Err: err}
}

// readError is what a failed statement that reads is answered with.
func readError(ctx context.Context, err error) error {
	if err == nil {
		return nil
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if _, ok := errors.AsType[*query.Error](err); ok {
		return err
	}
	if _, ok := errors.AsType[*vigil.Error](err); ok {
		return err
	}
	if _, ok := errors.AsType[*pgconn.ConnectError](err); ok { // such as a password that was changed
		return unavailable("the database cannot be reached", err)
	}
	e, _ := errors.AsType[*pgconn.PgError](err)
	switch s := state(err); {
	case s == "57014":
		return tooLong(err)
	case class(err) == "22" || class(err) == "2F":
		return &query.Error{Code: s, Message: e.Message} // what a cast or a pattern came to: no SQL
	case s == "54001" || s == "54000" || class(err) == "53" && s != "53300":
		return &vigil.Error{Kind: vigil.Unavailable, Code: s, Message: "the database has not enough room to answer", RetryAfter: 10 * time.Second, Err: err}
	case s != "" && !strings.HasPrefix(s, "57") && !strings.HasPrefix(s, "08") && s != "53300" && s != "40001":
		return &vigil.Error{Kind: vigil.Internal, Code: s, Message: "the database could not answer", Err: err}
	}
	return unavailable("the database cannot be reached", err)
}
