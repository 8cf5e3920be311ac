package pgtest

import "context"

// logserverSchema is what uwcirg/logserver's sql folder amounts to: one table
// that everybody reads and that event_logger may do everything with. Roles
// belong to the cluster, so they may be there already.
const logserverSchema = `
create schema api;
do $$ begin create role web_anon nologin; exception when duplicate_object or unique_violation then null; end $$;
do $$ begin create role event_logger nologin; exception when duplicate_object or unique_violation then null; end $$;
create table api.events (id serial primary key, event jsonb not null);
grant usage on schema api to web_anon, event_logger;
grant select on api.events to web_anon;
grant all on api.events to event_logger;
grant usage, select on sequence api.events_id_seq to event_logger;
`

// CreateLogserver makes logserver's schema in the empty database at uri.
// Its table takes the database's collation, which is C.
func CreateLogserver(ctx context.Context, uri string) error {
	return Exec(ctx, uri, logserverSchema)
}
