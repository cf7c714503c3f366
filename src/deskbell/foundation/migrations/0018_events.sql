-- What happened, one row for each write, in the transaction of the write. `position` orders them; a reader goes up to what is settled.
create table events (
    organization_id {id} not null references organizations (id),
    position bigint not null,
    id {id} not null,
    type text not null,
    created_at {instant} not null,
    principal_type text not null,
    principal_id text,
    principal_name text not null,
    channel text not null,
    request_id text,
    lead_id {id},
    object_type text not null,
    object_id text not null,
    changes {json},
    data {json},
    primary key (organization_id, position)
) {strict};
create unique index events_id on events (organization_id, id);
create index events_by_type on events (organization_id, type, position);
create index events_by_lead on events (organization_id, lead_id, position);
-- Most events are about a lead itself, and events_by_lead finds those.
--sqlite: create index events_by_object on events (organization_id, object_id, position) where object_id is not lead_id;
--postgres: create index events_by_object on events (organization_id, object_id, position) where object_id is distinct from lead_id::text;
--postgres: select deskbell_wall('events', 'organization_id');
--postgres: create sequence events_position;
-- A writer holds a shared lock that says after which position its own will be, until it commits; 64 positions share one.
--postgres: create function deskbell_next_event() returns bigint volatile language plpgsql security definer set search_path = public as $$ begin perform pg_advisory_xact_lock_shared(1702260084, ((select last_value from events_position) / 64)::int); return nextval('events_position'); end $$;
-- All events up to this position are committed or never will be. The newest position is read before the locks, so that none is missed.
--postgres: create function deskbell_settled_event() returns bigint volatile language plpgsql security definer set search_path = public as $$ declare newest bigint; oldest bigint; begin select last_value into newest from events_position; select min(objid::bigint) * 64 into oldest from pg_locks where locktype = 'advisory' and classid = 1702260084 and objsubid = 2 and database = (select oid from pg_database where datname = current_database()); return least(newest, coalesce(oldest, newest)); end $$;
