package relation

import (
	"context"
	"slices"
	"strings"
	"sync"

	"github.com/jackc/pgx/v5"
)

// Right is what a role may do with a table, in whole or in part.
type Right struct {
	Table  *Table
	Select bool // some column at least
	Insert bool

	all bool // select every column
}

// role is what the database says of a role.
type role struct {
	rights   map[uint32]Right
	settings [][2]string // of ALTER ROLE … SET
}

// rightsCache has the roles that have been asked for, by name.
type rightsCache struct {
	mu    sync.Mutex
	roles map[string]*role
}

// maxRoles bounds the cache; names of roles come from verified tokens.
const maxRoles = 1024

const rightsSQL = `
select o.oid, has_any_column_privilege(r.oid, o.oid, 'select'), has_any_column_privilege(r.oid, o.oid, 'insert'),
	has_table_privilege(r.oid, o.oid, 'select')
from pg_roles r, pg_class o where r.rolname = $1 and o.oid = any($2::oid[])`

// settingsSQL finds what a role's sessions would begin with: settings that any
// user may make, those for this database last.
const settingsSQL = `
select s.setting from pg_db_role_setting d join pg_roles r on r.oid = d.setrole, unnest(d.setconfig) s(setting)
left join pg_settings g on lower(g.name) = lower(split_part(s.setting, '=', 1))
where r.rolname = $1 and d.setdatabase in (0, (select oid from pg_database where datname = current_database()))
	and (g.context = 'user' or g.name is null and s.setting like '%.%')
	and lower(split_part(s.setting, '=', 1)) not in ('role', 'session_authorization', 'search_path', 'client_encoding', 'standard_conforming_strings')
order by d.setdatabase`

// Rights lists the tables of a schema that a role may use in some way, by name.
// A role that the database does not have may use none.
func (d *DB) Rights(ctx context.Context, schema, name string) ([]Right, error) {
	cat := d.catalog.Load()
	r, err := d.role(ctx, cat, name)
	if err != nil {
		return nil, d.failure(ctx, err)
	}
	var list []Right
	for _, t := range cat.tables[schema] {
		right := r.rights[t.oid]
		if right.Insert = right.Insert && t.Insertable; right.Select || right.Insert {
			right.Table = t
			list = append(list, right)
		}
	}
	slices.SortFunc(list, func(a, b Right) int { return strings.Compare(a.Table.Name, b.Table.Name) })
	return list, nil
}

// role returns what the database says of a role, as of a catalogue.
func (d *DB) role(ctx context.Context, cat *catalog, name string) (*role, error) {
	cat.rights.mu.Lock()
	known := cat.rights.roles[name]
	cat.rights.mu.Unlock()
	if known != nil {
		return known, nil
	}
	var oids []uint32
	for _, names := range cat.tables {
		for _, t := range names {
			oids = append(oids, t.oid)
		}
	}
	conn, err := d.acquire(ctx)
	if err != nil {
		return nil, err
	}
	defer conn.Release()
	r, err := readRole(ctx, conn.Conn(), name, oids)
	if err != nil {
		return nil, err
	}
	cat.rights.mu.Lock()
	defer cat.rights.mu.Unlock()
	if cat.rights.roles == nil || len(cat.rights.roles) >= maxRoles {
		cat.rights.roles = map[string]*role{}
	}
	cat.rights.roles[name] = r
	return r, nil
}

func readRole(ctx context.Context, conn *pgx.Conn, name string, oids []uint32) (*role, error) {
	r := &role{rights: map[uint32]Right{}}
	rows, err := conn.Query(ctx, rightsSQL, name, oids)
	if err != nil {
		return nil, err
	}
	var oid uint32
	var right Right
	_, err = pgx.ForEachRow(rows, []any{&oid, &right.Select, &right.Insert, &right.all}, func() error {
		r.rights[oid] = right
		return nil
	})
	if err != nil {
		return nil, err
	}
	if rows, err = conn.Query(ctx, settingsSQL, name); err != nil {
		return nil, err
	}
	var setting string
	_, err = pgx.ForEachRow(rows, []any{&setting}, func() error {
		if k, v, ok := strings.Cut(setting, "="); ok {
			r.settings = append(r.settings, [2]string{k, v})
		}
		return nil
	})
	return r, err
}
