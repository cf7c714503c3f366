create table dropped_entries (
    organization_id {id} not null references organizations (id),
    feed_id text not null,
    name text not null,
    created_at {instant} not null,
    primary key (organization_id, feed_id, name)
) {strict};
--postgres: select deskbell_wall('dropped_entries', 'organization_id');
