package postgres

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"vigil"
	"vigil/internal/store"
)

// oldSchema is where the table of a logserver is kept once its rows were moved.
const oldSchema = "logserver_old"

// Takeover is what became of a logserver's table.
type Takeover struct {
	Rows  int64
	Hash  string   // SHA-256 of COPY (SELECT id, event … ORDER BY id) TO STDOUT, of old and new
	Moved []string // views that read the old table, and are beside it now
}

// TakeOver is [Migrate] for a database that may have a logserver's table
// api.events: its rows become events with the same ids, and the table itself,
// unchanged, logserver_old.events. Broken off, it goes on where it was; until it
// is done, [Open] refuses the database. Rows and documents are compared at the
// end. It returns nil where there was nothing to take over. Progress, where not
// nil, is told how many rows were moved.
func TakeOver(ctx context.Context, ownerURL string, o Options, c store.Config, g Grants, progress func(done, total int64)) (*Takeover, error) {
	o.URL, o.Guard, o.takingOver = ownerURL, "", true
	c = configDefaults(c)
	c.Metrics = nil // the server that is opened next has its own
	var t *Takeover
	err := asOwner(ctx, ownerURL, func(conn *pgx.Conn) error {
		if err := moveAside(ctx, conn); err != nil {
			return err
		}
		if err := prepare(ctx, conn, c, g); err != nil {
			return err
		}
		unfinished, err := isUnfinished(ctx, conn)
		if err != nil || !unfinished {
			return err
		}
		if g.User != "" { // the owner writes this once
			if _, err := conn.Exec(ctx, "grant vigil_writer, vigil_reader to current_user"); err != nil {
				return err
			}
		}
		t, err = takeOver(ctx, conn, o, c, progress)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("migrate database: %w", err)
	}
	return t, nil
}

// isUnfinished reports whether there is a logserver's table, moved aside, whose
// rows have not all been moved. The asker needs no right on it.
func isUnfinished(ctx context.Context, q querier) (unfinished bool, err error) {
	const sql = `select exists (select from pg_class c join pg_namespace n on n.oid = c.relnamespace
			where n.nspname = $1 and c.relname = 'events' and c.relkind in ('r', 'p'))
		and not exists (select from vigil.takeovers where source = $1 || '.events')`
	err = q.QueryRow(ctx, sql, oldSchema).Scan(&unfinished)
	return unfinished, err
}

// moveAside moves a logserver's table, and the views over it, out of the schema
// api. It does nothing where api.events is not foreign.
func moveAside(ctx context.Context, conn *pgx.Conn) error {
	if err := checkForeign(ctx, conn); !errors.Is(err, ErrForeign) {
		return err
	}
	return pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, "set local lock_timeout = '30s'; lock table api.events in access exclusive mode", pgx.QueryExecModeSimpleProtocol); err != nil {
			return fmt.Errorf("lock api.events, which other sessions use: stop the logserver first: %w", err)
		}
		if err := checkLogserver(ctx, tx); err != nil {
			return err
		}
		rows, err := tx.Query(ctx, `
			with recursive readers as (
				select 'api.events'::regclass::oid as oid
				union
				select r.ev_class from readers b join pg_depend d on d.refobjid = b.oid and d.classid = 'pg_rewrite'::regclass
					join pg_rewrite r on r.oid = d.objid
			)
			select quote_ident(c.relname) from readers join pg_class c using (oid)
			where c.relkind in ('v', 'm') and c.relnamespace = 'api'::regnamespace order by 1`)
		if err != nil {
			return err
		}
		views, err := pgx.CollectRows(rows, pgx.RowTo[string])
		if err != nil {
			return err
		}
		script := "create schema if not exists " + oldSchema + "; alter table api.events set schema " + oldSchema + ";"
		for _, v := range views {
			script += "alter table api." + v + " set schema " + oldSchema + ";"
		}
		if _, err := tx.Exec(ctx, script, pgx.QueryExecModeSimpleProtocol); err != nil {
			return fmt.Errorf("move api.events to the schema %s: %w", oldSchema, err)
		}
		return nil
	})
}

// checkLogserver makes sure that api.events is a table such as a logserver has:
// every row of it can become an event.
func checkLogserver(ctx context.Context, tx pgx.Tx) error {
	var shape string
	err := tx.QueryRow(ctx, `
		select case when c.relkind in ('r', 'p') then string_agg(attname || ' ' || format_type(atttypid, -1), ', ' order by attnum) else 'the columns of a view' end
		from pg_class c join pg_attribute a on a.attrelid = c.oid
		where c.oid = 'api.events'::regclass and attnum > 0 and not attisdropped group by c.relkind`).Scan(&shape)
	if err != nil {
		return err
	}
	switch shape {
	case "id integer, event jsonb", "id bigint, event jsonb", "id integer, event json", "id bigint, event json":
	default:
		return fmt.Errorf("%w, and no logserver's either: it has %s instead of id and event; rename it, or move it to another schema", ErrForeign, shape)
	}
	var rows, ids, bad int64
	if err := tx.QueryRow(ctx, "select count(*), count(distinct id), count(*) filter (where id < 1 or id is null or event is null) from api.events").Scan(&rows, &ids, &bad); err != nil {
		return err
	}
	if bad > 0 || ids < rows {
		return fmt.Errorf("%w: %d of its rows have no document or no id above 0, %d have the id of another one: mend these first", ErrForeign, bad, rows-ids)
	}
	return nil
}

// takeOver moves what has not been moved, and compares all of it.
func takeOver(ctx context.Context, conn *pgx.Conn, o Options, c store.Config, progress func(done, total int64)) (*Takeover, error) {
	if err := moveRows(ctx, conn, o, c, progress); err != nil {
		return nil, fmt.Errorf("move the rows of %s.events (run it again to go on): %w", oldSchema, err)
	}
	rows, sum, err := copyHash(ctx, conn, "select id, event::jsonb from "+oldSchema+".events order by id")
	if err != nil {
		return nil, err
	}
	newRows, newSum, err := copyHash(ctx, conn, "select id, event from api.events order by id")
	if err != nil {
		return nil, err
	}
	if newRows != rows || newSum != sum {
		return nil, fmt.Errorf("the events are not the rows of %s.events: %d with SHA-256 %x, and %d with %x; has it been changed since? It is kept: drop the schemas api and vigil, move the table back, and begin again",
			oldSchema, newRows, newSum, rows, sum)
	}
	if err := recordTakeover(ctx, conn, o, c, rows, sum); err != nil {
		return nil, err
	}
	_, err = conn.Exec(ctx, "insert into vigil.takeovers (source, rows, sha256) values ($1, $2, $3) on conflict do nothing", oldSchema+".events", rows, sum[:])
	if err != nil {
		return nil, err
	}
	views, err := conn.Query(ctx, "select relname from pg_class where relnamespace = $1::text::regnamespace and relkind in ('v', 'm') order by 1", oldSchema)
	if err != nil {
		return nil, err
	}
	moved, err := pgx.CollectRows(views, pgx.RowTo[string])
	return &Takeover{Rows: rows, Hash: hex.EncodeToString(sum[:]), Moved: moved}, err
}

// takeoverPart is how many rows are moved with one commit, at most, and how many
// bytes of them are enough.
const (
	takeoverPart  = 1000
	takeoverBytes = 4 << 20
)

// moveRows appends the rows behind the last id of the events.
func moveRows(ctx context.Context, conn *pgx.Conn, o Options, c store.Config, progress func(done, total int64)) (err error) {
	s, err := Open(ctx, o, c)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	last := s.LastIDs()[vigil.TableEvents]
	var done, total int64
	if err := conn.QueryRow(ctx, "select count(*) filter (where id <= $1), count(*) from "+oldSchema+".events", last).Scan(&done, &total); err != nil {
		return err
	}
	rows, err := conn.Query(ctx, "select id, event::jsonb::text from "+oldSchema+".events where id > $1 order by id", last)
	if err != nil {
		return err
	}
	sender := &vigil.Sender{Listener: "import", Subject: "vigil migrate", Role: "admin", Authenticated: true}
	b := &store.Batch{Import: true}
	size := 0
	flush := func() error {
		if len(b.Events) == 0 {
			return nil
		}
		if _, err := s.Append(ctx, b); err != nil {
			return err
		}
		done += int64(len(b.Events))
		if progress != nil {
			progress(done, total)
		}
		b.Events, size = nil, 0
		return nil
	}
	var id int64
	var doc []byte
	_, err = pgx.ForEachRow(rows, []any{&id, &doc}, func() error {
		b.Events = append(b.Events, &vigil.Event{
			Table: vigil.TableEvents, Format: vigil.FormatLogserver, WantID: id, Sender: sender, Doc: append([]byte(nil), doc...),
		})
		if size += len(doc); len(b.Events) < takeoverPart && size < takeoverBytes {
			return nil
		}
		return flush()
	})
	if err != nil {
		return err
	}
	return flush()
}

// copyHash returns how many rows a query has and the SHA-256 of their COPY.
func copyHash(ctx context.Context, conn *pgx.Conn, query string) (rows int64, sum [32]byte, err error) {
	h := sha256.New()
	tag, err := conn.PgConn().CopyTo(ctx, h, "copy ("+query+") to stdout")
	return tag.RowsAffected(), [32]byte(h.Sum(nil)), err
}

// recordTakeover writes into the log what was taken over, and keeps the ids that
// logserver's sequence has given from being given again.
func recordTakeover(ctx context.Context, conn *pgx.Conn, o Options, c store.Config, rows int64, sum [32]byte) (err error) {
	var given int64
	err = conn.QueryRow(ctx, "select coalesce(pg_sequence_last_value(pg_get_serial_sequence('"+oldSchema+".events', 'id')::regclass), 0)").Scan(&given)
	if err != nil {
		return err
	}
	s, err := open(ctx, o, c, false)
	if err != nil {
		return err
	}
	n := s.Catalog.Named(vigil.TableEvents).Number
	s.seq.Last[n] = max(s.seq.Last[n], given)
	s.start()
	defer func() { err = errors.Join(err, s.Close()) }()
	doc, err := json.Marshal(map[string]any{
		"severity": "warning", "version": "1", "action": "execute", "occurred": c.Now().UTC().Format(time.RFC3339Nano),
		"agent":   map[string]any{"who": "vigil migrate", "type": "system"},
		"source":  map[string]any{"observer": "vigil", "type": "vigil"},
		"entity":  map[string]any{"detail": []map[string]any{{"table": vigil.TableEvents}, {"rows": rows}, {"sha256": hex.EncodeToString(sum[:])}}},
		"outcome": "200", "message": "the table of a logserver was taken over; it is kept as " + oldSchema + ".events",
	})
	if err != nil {
		return err
	}
	_, err = s.Append(ctx, &store.Batch{
		Events: []*vigil.Event{{
			Table: vigil.TableSystem, Format: vigil.FormatSystem, Doc: doc, Sender: &vigil.Sender{Listener: "vigil", Authenticated: true},
		}},
	})
	return err
}
