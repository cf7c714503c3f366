create table applications (
    organization_id {id} not null references organizations (id),
    id {id} not null,
    name text not null,
    type text not null,
    revoked_at {instant},
    created_at {instant} not null,
    primary key (organization_id, id)
) {strict};
create unique index applications_id on applications (id);

create table application_origins (
    organization_id {id} not null references organizations (id),
    application_id {id} not null,
    origin text not null,
    primary key (organization_id, application_id, origin),
    foreign key (organization_id, application_id) references applications (organization_id, id)
) {strict};
create index application_origins_by_origin on application_origins (origin);

create table application_keys (
    organization_id {id} not null references organizations (id),
    id {id} not null,
    application_id {id} not null,
    name text not null,
    key_hash text not null,
    shown text not null,
    revoked_at {instant},
    last_used_at {instant},
    created_at {instant} not null,
    primary key (organization_id, id),
    foreign key (organization_id, application_id) references applications (organization_id, id)
) {strict};
create unique index application_keys_hash on application_keys (key_hash);
create unique index application_keys_id on application_keys (id);
create index application_keys_by_application on application_keys (organization_id, application_id, id);

--postgres: select deskbell_wall(named, 'organization_id') from unnest(array['applications', 'application_origins', 'application_keys']::regclass[]) as named;
