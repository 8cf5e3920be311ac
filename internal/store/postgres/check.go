package postgres

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"vigil/internal/ledger"
	"vigil/internal/store"
)

// Check looks whether the database protects what the store has in it, and holds
// all of it: the triggers that refuse changes, the partitions, the number of rows,
// and every leaf of the log, which it makes again. It returns what is wrong; an
// error is why it could not look. It changes nothing and may run beside servers.
// Progress, where not nil, is told how many entries of the log were looked at.
func Check(ctx context.Context, o Options, c store.Config, progress func(done, total int64)) ([]string, error) {
	o.Unsigned = true
	s, err := open(ctx, o, c, true)
	if err != nil {
		return nil, fmt.Errorf("check store in PostgreSQL: %w", err)
	}
	problems, err := s.check(ctx, progress)
	if err = errors.Join(err, s.Close()); err != nil {
		return nil, fmt.Errorf("check store in PostgreSQL: %w", err)
	}
	return problems, nil
}

// unprotectedSQL finds the relations that lack one of the triggers that refuse
// changes, or have one that does not always fire.
const unprotectedSQL = `
	with guarded as (
		select c.oid from vigil.tables t join pg_class c on c.oid = format('api.%I', t.name)::regclass
		union all
		select i.inhrelid from vigil.tables t join pg_inherits i on i.inhparent = format('api.%I', t.name)::regclass
		union all
		select unnest(array['vigil.tiles', 'vigil.senders', 'vigil.migrations', 'vigil.erased', 'vigil.removals']::regclass[])
	)
	select g.oid::regclass::text from guarded g
	where (select count(*) from pg_trigger t join pg_proc p on p.oid = t.tgfoid
		where t.tgrelid = g.oid and t.tgenabled = 'A' and p.proname = 'refuse' and p.pronamespace = 'vigil'::regnamespace
			and t.tgname in ('vigil_never_changes', 'vigil_never_emptied')) <> 2
	order by 1`

func (s *Store) check(ctx context.Context, progress func(done, total int64)) ([]string, error) {
	rows, err := s.pool.Query(ctx, unprotectedSQL)
	if err != nil {
		return nil, err
	}
	problems, err := pgx.CollectRows(rows, func(r pgx.CollectableRow) (text string, err error) {
		err = r.Scan(&text)
		return text + ": the triggers that refuse changes are missing or switched off: whoever did it could change events; compare with a checkpoint that is kept elsewhere (vigil verify --against)", err
	})
	if err != nil {
		return nil, err
	}
	if s.rollback != nil {
		problems = append(problems, errors.Unwrap(s.rollback).Error())
	}
	size, root := s.tree.Published()
	expect := []ledger.Expect{{Name: "log's state", Size: size, Root: root}}
	if s.guard != nil {
		if g, err := s.guard.Load(s.StoreID()); err == nil && g.Epoch == s.epoch {
			expect = append(expect, ledger.Expect{Name: "rollback guard", Size: g.Size, Root: g.Root})
		}
	}
	v := ledger.NewVerifier(ledger.VerifierConfig{Tile: s.tree.Tile, Size: size, Expect: expect})
	for e, err := range s.Entries(ctx, 0) {
		if err != nil {
			if cerr := ctx.Err(); cerr != nil {
				return nil, cerr
			}
			v.Unreadable(err)
			break
		}
		v.AddEntry(store.EntryOf(e))
		if progress != nil && (v.Size()%4096 == 0 || v.Size() == size) {
			progress(v.Size(), size)
		}
	}
	for _, p := range v.Finish() {
		problems = append(problems, p.String())
	}
	counted, err := s.checkCounts(ctx, size)
	return append(problems, counted...), err
}

// checkCounts compares the rows of the tables and of their facts with the log.
// What other front ends add meanwhile is left out.
func (s *Store) checkCounts(ctx context.Context, size int64) (problems []string, err error) {
	all := int64(0)
	for i, t := range s.tables {
		var rows, facts int64
		name := s.Catalog.Tables()[i].Name
		events := t.events.name.Sanitize()
		sql := "select count(*), count(f.id) from " + events + " t left join " + t.facts.name.Sanitize() +
			" f on f.id = t.id and f._received = t._received where t._index < $1"
		if err := s.pool.QueryRow(ctx, sql, size).Scan(&rows, &facts); err != nil {
			return nil, err
		}
		if facts != rows {
			problems = append(problems, fmt.Sprintf("%s: %d rows have no facts, so that questions about them do not find these: they can be made anew", name, rows-facts))
		}
		all += rows
	}
	var erased int64
	if err := s.pool.QueryRow(ctx, "select count(*) from vigil.erased where index < $1", size).Scan(&erased); err != nil {
		return nil, err
	}
	if all+erased != size {
		problems = append(problems, fmt.Sprintf("the tables have %d rows and %d were removed, the log has %d entries", all, erased, size))
	}
	return problems, nil
}
