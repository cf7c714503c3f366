create table mcp_sessions (
    organization_id {id} not null references organizations (id),
    id_hash text not null,
    key_id {id} not null,
    version text not null,
    client {json} not null,
    streaming_at {instant},
    created_at {instant} not null,
    seen_at {instant} not null,
    primary key (organization_id, id_hash)
) {strict};
create unique index mcp_sessions_id on mcp_sessions (id_hash);
create index mcp_sessions_by_key on mcp_sessions (key_id, seen_at);
create index mcp_sessions_by_age on mcp_sessions (seen_at);

create table mcp_replies (
    organization_id {id} not null references organizations (id),
    id_hash text not null,
    subject text not null,
    body text not null,
    created_at {instant} not null,
    primary key (organization_id, id_hash, subject)
) {strict};
create index mcp_replies_by_age on mcp_replies (created_at);
--postgres: select deskbell_wall(named, 'organization_id') from unnest(array['mcp_sessions', 'mcp_replies']::regclass[]) as named;
