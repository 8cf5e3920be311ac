package relation

import (
	"context"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
)

// catalog is what the database's catalogue said at one time. It is never changed
// but for the rights, which are found when they are asked for.
type catalog struct {
	tables map[string]map[string]*Table // by schema and name
	types  []typeName                   // for casts, in the order of the search path
	rights rightsCache
}

// typeName is a type that a select may cast to.
type typeName struct{ schema, name string }

// tablesSQL lists the columns of the tables and views of some schemas. It runs
// with an empty search path, so that types and defaults are spelled in full.
// Partitions are reached through their table.
const tablesSQL = `
with recursive bases (oid, base, expr) as (
	select oid, oid, null::text from pg_type where typtype <> 'd'
	union all
	select t.oid, b.base, coalesce(t.typdefault, b.expr) collate "default" from pg_type t join bases b on b.oid = t.typbasetype where t.typtype = 'd'
)
select n.nspname, c.relname, c.oid, coalesce(obj_description(c.oid, 'pg_class'), ''),
	pg_relation_is_updatable(c.oid, true) & 8 = 8,
	coalesce((select array_agg(k.attname::text order by array_position(i.indkey::int2[], k.attnum))
		from pg_index i join pg_attribute k on k.attrelid = c.oid and k.attnum = any(i.indkey)
		where i.indrelid = c.oid and i.indisprimary), '{}'),
	a.attname, format_type(a.atttypid, a.atttypmod), coalesce(col_description(c.oid, a.attnum), ''),
	case when a.attidentity = 'd' then (select format('nextval(%L::regclass)', s.objid::regclass) from pg_depend s where s.classid = 'pg_class'::regclass
			and s.refclassid = 'pg_class'::regclass and s.refobjid = c.oid and s.refobjsubid = a.attnum and s.deptype = 'i')
		when a.attgenerated <> '' or a.attidentity <> '' then ''
		else coalesce(pg_get_expr(d.adbin, d.adrelid), bs.expr, '') end,
	a.attnotnull or t.typtype = 'd' and t.typnotnull, a.attgenerated <> '' or a.attidentity = 'a',
	coalesce((select array_agg(e.enumlabel::text order by e.enumsortorder) from pg_enum e where e.enumtypid = bs.base), '{}'),
	bt.typname, bt.typcategory::text
from pg_class c
join pg_namespace n on n.oid = c.relnamespace
join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
join pg_type t on t.oid = a.atttypid
join bases bs on bs.oid = t.oid
join pg_type bt on bt.oid = bs.base
left join pg_attrdef d on d.adrelid = c.oid and d.adnum = a.attnum
where n.nspname = any($1) and c.relkind in ('r', 'v', 'm', 'f', 'p') and not c.relispartition
order by n.nspname, c.relname, a.attnum`

// emptySQL lists the tables that have no columns, which the other one cannot.
const emptySQL = `
select n.nspname, c.relname, c.oid, coalesce(obj_description(c.oid, 'pg_class'), '')
from pg_class c join pg_namespace n on n.oid = c.relnamespace
where n.nspname = any($1) and c.relkind in ('r', 'v', 'm', 'f', 'p') and not c.relispartition
	and not exists (select from pg_attribute a where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped)`

// typesSQL lists the types that casts may name.
const typesSQL = `
select n.nspname, t.typname from pg_type t join pg_namespace n on n.oid = t.typnamespace
where n.nspname = any($1) and t.typtype <> 'p' and t.typisdefined
order by array_position($1::text[], n.nspname::text), t.typname`

// readCatalog reads the catalogue in one snapshot. What is Vigil's own is left out.
func readCatalog(ctx context.Context, conn *pgx.Conn, c *Config) (*catalog, error) {
	cat := &catalog{tables: map[string]map[string]*Table{}}
	err := pgx.BeginTxFunc(ctx, conn, pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, "select set_config('search_path', '', true)"); err != nil {
			return err
		}
		own, err := readOwn(ctx, tx)
		if err != nil {
			return err
		}
		own = append(own, c.Own...)
		if err := cat.readTables(ctx, tx, c.Schemas, own); err != nil {
			return err
		}
		if err := cat.readEmpty(ctx, tx, c.Schemas, own); err != nil {
			return err
		}
		path := append([]string{"pg_catalog"}, slices.Concat(c.Schemas, c.Path)...)
		rows, err := tx.Query(ctx, typesSQL, path)
		if err != nil {
			return err
		}
		cat.types, err = pgx.CollectRows(rows, func(r pgx.CollectableRow) (t typeName, err error) {
			return t, r.Scan(&t.schema, &t.name)
		})
		return err
	})
	return cat, err
}

// ownSQL finds which tables list those that Vigil has made here, where the login
// can read them.
const ownSQL = `
select c.relname from pg_class c join pg_namespace n on n.oid = c.relnamespace
where n.nspname = 'vigil' and c.relname in ('tables', 'views')
	and exists (select from pg_roles where rolname = 'vigil_reader' and pg_has_role(oid, 'member'))`

// readOwn returns the names of the tables and views that Vigil has ever made in
// its schema, those included that its configuration no longer names.
func readOwn(ctx context.Context, tx pgx.Tx) (own []string, err error) {
	rows, err := tx.Query(ctx, ownSQL)
	if err != nil {
		return nil, err
	}
	lists, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil || len(lists) == 0 {
		return nil, err
	}
	if _, err := tx.Exec(ctx, "set local role vigil_reader"); err != nil {
		return nil, err
	}
	for _, list := range lists {
		if rows, err = tx.Query(ctx, "select name from "+pgx.Identifier{"vigil", list}.Sanitize()); err != nil {
			return nil, err
		}
		names, err := pgx.CollectRows(rows, pgx.RowTo[string])
		if err != nil {
			return nil, err
		}
		own = append(own, names...)
	}
	_, err = tx.Exec(ctx, "set local role none")
	return own, err
}

func (cat *catalog) readTables(ctx context.Context, tx pgx.Tx, schemas, own []string) error {
	rows, err := tx.Query(ctx, tablesSQL, schemas)
	if err != nil {
		return err
	}
	var t Table
	var col Column
	var base, category string
	_, err = pgx.ForEachRow(rows, []any{
		&t.Schema, &t.Name, &t.oid, &t.Comment, &t.Insertable, &t.Key,
		&col.Name, &col.Type, &col.Comment, &col.Default, &col.NotNull, &col.Generated, &col.Enum, &base, &category,
	}, func() error {
		known := cat.add(t, own)
		if known != nil {
			col.Kind, col.tsvector = kindOf(base, category), base == "tsvector"
			known.Columns = append(known.Columns, col)
		}
		t.Key, col.Enum = nil, nil // or the next row would write into them
		return nil
	})
	return err
}

func (cat *catalog) readEmpty(ctx context.Context, tx pgx.Tx, schemas, own []string) error {
	rows, err := tx.Query(ctx, emptySQL, schemas)
	if err != nil {
		return err
	}
	var t Table
	_, err = pgx.ForEachRow(rows, []any{&t.Schema, &t.Name, &t.oid, &t.Comment}, func() error {
		cat.add(t, own)
		return nil
	})
	return err
}

// add returns the table like t, which is added where it is not there; nil where
// it is Vigil's own.
func (cat *catalog) add(t Table, own []string) *Table {
	if t.Schema == ownSchema && slices.Contains(own, t.Name) {
		return nil
	}
	names := cat.tables[t.Schema]
	if names == nil {
		names = map[string]*Table{}
		cat.tables[t.Schema] = names
	}
	known := names[t.Name]
	if known == nil {
		known = &t
		names[t.Name] = known
	}
	return known
}

// kindOf says what values of a type look like in JSON. Categories are those of
// pg_type.typcategory.
func kindOf(base, category string) Kind {
	switch base {
	case "json", "jsonb":
		return KindJSON
	case "int2", "int4", "int8":
		return KindInteger
	case "float4", "float8", "numeric":
		return KindNumber
	}
	switch category {
	case "B":
		return KindBoolean
	case "A":
		return KindArray
	case "C":
		return KindObject
	}
	return KindString
}

// standardTypes are the names that SQL has for types beside those of pg_type,
// and what they mean.
var standardTypes = map[string]string{
	"int": "int4", "integer": "int4", "smallint": "int2", "bigint": "int8", "real": "float4", "float": "float8",
	"double precision": "float8", "decimal": "numeric", "dec": "numeric", "boolean": "bool", "character varying": "varchar",
	"char varying": "varchar", "bit varying": "varbit", "timestamp with time zone": "timestamptz",
	"timestamp without time zone": "timestamp", "time with time zone": "timetz", "time without time zone": "time",
}

// sizedTypes are names whose length is one where none is given.
var sizedTypes = map[string]string{
	"char": "character(1)", "character": "character(1)", "nchar": "character(1)", "national character": "character(1)", "bit": "bit(1)",
}

// typeSQL returns what a cast to the named type is written as.
func (cat *catalog) typeSQL(name string) (string, error) {
	n := strings.ToLower(strings.Join(strings.Fields(name), " "))
	if s, ok := sizedTypes[n]; ok {
		return s, nil
	}
	if s, ok := standardTypes[n]; ok {
		return "pg_catalog." + s, nil
	}
	i := slices.IndexFunc(cat.types, func(t typeName) bool { return t.name == n })
	if i < 0 {
		return "", &Error{Code: "42704", Message: `type "` + cut(name) + `" does not exist`}
	}
	return pgx.Identifier{cat.types[i].schema, cat.types[i].name}.Sanitize(), nil
}
