package postgres

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgconn/ctxwatch"
	"github.com/jackc/pgx/v5/pgxpool"
)

// The roles that sessions act as; the login has no rights of its own.
const (
	writerRole = "vigil_writer"
	readerRole = "vigil_reader"
)

// writerConfig returns how the sequencer connects.
func writerConfig(url string) (*pgx.ConnConfig, error) {
	cc, err := parseURL(url)
	if err != nil {
		return nil, err
	}
	cc.RuntimeParams["role"] = writerRole
	cc.RuntimeParams["default_transaction_isolation"] = "read committed"
	// The row's lock is not held for a writer that can no longer be heard.
	cc.RuntimeParams["idle_in_transaction_session_timeout"] = "30s"
	// What the database sets for its users' statements is not for a commit.
	cc.RuntimeParams["statement_timeout"], cc.RuntimeParams["lock_timeout"] = "0", "0"
	return cc, nil
}

// connectWriter connects, and makes sure that a commit waits for the disk. A
// server that never syncs is the operator's to answer for.
func connectWriter(ctx context.Context, cc *pgx.ConnConfig) (*pgx.Conn, error) {
	conn, err := pgx.ConnectConfig(ctx, cc)
	if err != nil {
		return nil, err
	}
	const sql = "select set_config('synchronous_commit', 'on', false) where current_setting('synchronous_commit') = 'off'"
	if _, err := conn.Exec(ctx, sql); err != nil {
		return nil, closing(conn, err)
	}
	return conn, nil
}

func closing(conn *pgx.Conn, err error) error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	_ = conn.Close(ctx) // err is why
	return err
}

// openPool opens the connections for reading.
func openPool(ctx context.Context, o Options) (*pgxpool.Pool, error) {
	cc, err := parseURL(o.URL)
	if err != nil {
		return nil, err
	}
	pc, err := pgxpool.ParseConfig(o.URL)
	if err != nil {
		return nil, errors.New("the address of the database has a setting of its connection pool that cannot be read")
	}
	pc.ConnConfig = cc
	p := cc.RuntimeParams
	p["role"], p["default_transaction_read_only"] = readerRole, "on"
	p["enable_partitionwise_join"], p["enable_partitionwise_aggregate"] = "on", "on"
	// A cancelled statement is cancelled at the server, and the connection goes on.
	cc.BuildContextWatcherHandler = func(c *pgconn.PgConn) ctxwatch.Handler {
		return &pgconn.CancelRequestContextWatcherHandler{Conn: c, CancelRequestDelay: 0, DeadlineDelay: 2 * time.Second}
	}
	pc.MaxConns = int32(min(o.Readers, 1<<15))
	pc.MinConns, pc.MinIdleConns = 0, 0
	return pgxpool.NewWithConfig(ctx, pc)
}
