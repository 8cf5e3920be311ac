package postgres

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"vigil"
	"vigil/internal/store"
)

// reindexPart is how many rows are read and written again at once.
const reindexPart = 500

// Reindex makes the facts anew that another mapping than c's has made, and
// returns how many rows that were. It works beside servers, in small
// transactions, as the owner of the database; broken off, it goes on where it
// was. Until it is done, questions about facts are answered from the documents.
func Reindex(ctx context.Context, ownerURL string, c store.Config) (int64, error) {
	n, err := reindex(ctx, ownerURL, c)
	if err != nil {
		return n, fmt.Errorf("make facts anew: %w", err)
	}
	return n, nil
}

func reindex(ctx context.Context, ownerURL string, c store.Config) (n int64, err error) {
	if c.Mapping == nil {
		return 0, errors.New("there is no mapping")
	}
	cc, err := parseURL(ownerURL)
	if err != nil {
		return 0, err
	}
	conn, err := pgx.ConnectConfig(ctx, cc)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, closing(conn, nil)) }()
	rows, err := conn.Query(ctx, "select name, vigil.facts_of(t) from vigil.tables t order by number")
	if err != nil {
		return 0, err
	}
	tables, err := pgx.CollectRows(rows, func(r pgx.CollectableRow) (*table, error) {
		var name, facts string
		err := r.Scan(&name, &facts)
		return newTable(name, facts), err
	})
	if err != nil {
		return 0, err
	}
	for _, t := range tables {
		for last := int64(0); last >= 0; {
			var did int64
			err := pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) (err error) {
				did, last, err = t.reindex(ctx, tx, c.Mapping, last)
				return err
			})
			if n += did; err != nil {
				return n, err
			}
		}
	}
	return n, pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error { return settleMapping(ctx, tx, tables, int64(c.Mapping.Number())) })
}

// reindex does the rows behind an id, and returns how many there were and the
// last of them, -1 where there were none.
func (t *table) reindex(ctx context.Context, tx pgx.Tx, m vigil.Mapping, after int64) (n, last int64, err error) {
	sql := "select t.id, t._received, t._format, t.event::text, t._raw from " + t.events.name.Sanitize() + " t join " + t.facts.name.Sanitize() +
		" f on f.id = t.id and f._received = t._received where f.mapping <> $1 and t.id > $2 order by t.id limit $3"
	rows, err := tx.Query(ctx, sql, int64(m.Number()), after, reindexPart)
	if err != nil {
		return 0, 0, err
	}
	t.reset()
	var ids []int64
	var e vigil.Event
	var received time.Time
	var format string
	var text, raw []byte
	_, err = pgx.ForEachRow(rows, []any{&e.ID, &received, &format, &text, &raw}, func() error {
		doc := raw
		if doc == nil {
			doc = text
		}
		r := row{facts: m.Facts(vigil.Format(format), doc)}
		r.tidy()
		r.keys = keysOf(&r.facts)
		e.Received = received
		t.factArgs = appendFacts(t.factArgs, &e, &r, int64(m.Number()))
		ids = append(ids, e.ID)
		return nil
	})
	if err != nil || len(ids) == 0 {
		return 0, -1, err
	}
	b := &pgx.Batch{}
	b.Queue("delete from "+t.facts.name.Sanitize()+" where id = any($1)", ids)
	t.facts.queue(b, t.factArgs)
	return int64(len(ids)), ids[len(ids)-1], tx.SendBatch(ctx, b).Close()
}

// settleMapping notes that all facts are by one mapping, unless a server wrote
// others meanwhile.
func settleMapping(ctx context.Context, tx pgx.Tx, tables []*table, mapping int64) error {
	if _, err := tx.Exec(ctx, lockSQL); err != nil {
		return err
	}
	for _, t := range tables {
		var other bool
		if err := tx.QueryRow(ctx, "select exists (select 1 from "+t.facts.name.Sanitize()+" where mapping <> $1)", mapping).Scan(&other); err != nil {
			return err
		}
		if other {
			return errors.New("a server with another mapping is writing: stop it or give it this version and configuration, then do this again")
		}
	}
	if _, err := tx.Exec(ctx, "update vigil.tree set mapping = $1", mapping); err != nil {
		return err
	}
	_, err := tx.Exec(ctx, "select pg_notify('vigil', '')")
	return err
}
