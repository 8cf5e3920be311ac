package relation

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
)

// Session is who asks, and what of the request policies and triggers can see.
type Session struct {
	Role string
	// Claims are those of the token, numbers as json.Number; the role is added
	// where there is none.
	Claims map[string]any
	Method string
	Path   string
	// Headers are the request's. Those that are credentials, or could be, are not
	// told to the database.
	Headers map[string]string
	Zone    string // time zone of the answer, empty for the database's
}

// prefix marks Vigil's own roles, which no request can have.
const prefix = "vigil_"

// check refuses roles that nobody can have. SET ROLE NONE would be the login.
func (s *Session) check() error {
	if s.Role == "" || s.Role == "none" || strings.HasPrefix(s.Role, prefix) || strings.Contains(s.Role, "\x00") {
		return &Error{Code: "42501", Message: `permission denied to set role "` + cut(strings.ReplaceAll(s.Role, "\x00", "")) + `"`}
	}
	return nil
}

// settings returns the statement with which a transaction begins to act for s.
// It is PostgREST's, but for the token and cookies, which it does not tell.
func (s *Session) settings(d *DB, schema string, r *role) (statement, error) {
	claims := map[string]any{"role": s.Role}
	for k, v := range s.Claims {
		claims[k] = v
	}
	headers := map[string]string{}
	for k, v := range s.Headers {
		if k = strings.ToLower(k); !isCredential(k, v) {
			headers[k] = v
		}
	}
	claimsText, err := encode(claims)
	if err != nil {
		return statement{}, err
	}
	headersText, err := encode(headers)
	if err != nil {
		return statement{}, err
	}
	path := quote(schema)
	for _, p := range d.cfg.Path {
		path += ", " + quote(p)
	}
	w := newWriter(nil, nil, "")
	var calls []string
	set := func(name, value string) {
		value = strings.ToValidUTF8(strings.ReplaceAll(value, "\x00", ""), "\uFFFD")
		calls = append(calls, "set_config("+w.typedArg(name, "text")+", "+w.typedArg(value, "text")+", true)")
	}
	set("role", s.Role)
	for _, kv := range r.settings {
		set(kv[0], kv[1])
	}
	set("search_path", path)
	set("request.jwt.claims", claimsText)
	set("request.method", s.Method)
	set("request.path", s.Path)
	set("request.headers", headersText)
	set("request.cookies", "{}")
	if s.Zone != "" {
		set("timezone", s.Zone)
	}
	return w.done("select " + strings.Join(calls, ", "))
}

// encode spells a value as JSON.
func encode(v any) (string, error) {
	var b strings.Builder
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return "", err
	}
	return strings.TrimSuffix(b.String(), "\n"), nil
}

// acquire takes a connection, for as long as the configuration says.
func (d *DB) acquire(parent context.Context) (*pgxpool.Conn, error) {
	ctx, cancel := context.WithTimeout(parent, d.cfg.Wait)
	defer cancel()
	conn, err := d.pool.Acquire(ctx)
	switch {
	case err == nil:
		return conn, nil
	case parent.Err() != nil:
		return nil, parent.Err()
	case ctx.Err() != nil:
		return nil, noConnection(err)
	}
	return nil, err
}

// transaction is one transaction for a session on a connection of its own.
type transaction struct {
	d      *DB
	ctx    context.Context
	cancel context.CancelFunc
	conn   *pgxpool.Conn
	multi  *pgconn.MultiResultReader
	// pending says that the database may yet have much to say.
	pending bool
}

// begin sends the statements of a transaction, with those before them that make
// it act for s, in one round trip. The results of those before are taken.
func (d *DB) begin(ctx context.Context, s *Session, schema string, r *role, mode string, statements ...statement) (*transaction, error) {
	settings, err := s.settings(d, schema, r)
	if err != nil {
		return nil, err
	}
	conn, err := d.acquire(ctx)
	if err != nil {
		return nil, err
	}
	x := &transaction{d: d, conn: conn}
	x.ctx, x.cancel = context.WithCancel(ctx)
	var batch pgconn.Batch
	batch.ExecParams(mode, nil, nil, nil, nil)
	batch.ExecParams(settings.text, settings.args, nil, nil, nil)
	for _, st := range statements {
		batch.ExecParams(st.text, st.args, nil, nil, nil)
	}
	x.multi = conn.Conn().PgConn().ExecBatch(x.ctx, &batch)
	for range 2 {
		if err := x.skip(); err != nil {
			x.end()
			return nil, err
		}
	}
	return x, nil
}

// next returns the result of the next statement.
func (x *transaction) next() (*pgconn.ResultReader, error) {
	if x.multi.NextResult() {
		return x.multi.ResultReader(), nil
	}
	if err := x.multi.Close(); err != nil {
		return nil, err
	}
	return nil, errors.New("the database gave no result")
}

// skip takes the result of the next statement, which is not looked at.
func (x *transaction) skip() error {
	result, err := x.next()
	if err != nil {
		return err
	}
	_, err = result.Close()
	return err
}

// one returns the only cell of the only row of the next statement.
func (x *transaction) one() (string, error) {
	result, err := x.next()
	if err != nil {
		return "", err
	}
	cell := ""
	for result.NextRow() {
		cell = string(result.Values()[0])
	}
	_, err = result.Close()
	return cell, err
}

// end lets go of the connection. What has not been committed is rolled back, what
// still comes is cancelled.
func (x *transaction) end() {
	if x.conn == nil {
		return
	}
	if x.pending {
		x.cancel()
	}
	_ = x.multi.Close() // what went wrong has been told
	x.cancel()
	pc := x.conn.Conn().PgConn()
	if !pc.IsClosed() && pc.TxStatus() != 'I' {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		_, _ = pc.Exec(ctx, "rollback").ReadAll() // a connection that is lost has rolled back
	}
	x.conn.Release()
	x.conn = nil
}

// commit commits. An error that is no refusal leaves it open whether it did.
func (x *transaction) commit() error {
	if err := x.multi.Close(); err != nil {
		return err
	}
	results, err := x.conn.Conn().PgConn().Exec(x.ctx, "commit").ReadAll()
	switch {
	case err == nil && len(results) == 1 && results[0].CommandTag.String() == "COMMIT":
		return nil
	case err == nil:
		return &Error{Code: "25P02", Message: "the transaction was rolled back"}
	}
	if e, ok := errors.AsType[*pgconn.PgError](err); ok && e.Severity != "FATAL" && e.Severity != "PANIC" {
		return err
	}
	return unknownFate(err)
}
