alter table people add column phone text;
alter table people add column notify {json} not null default '{}';
create index api_keys_by_person on api_keys (organization_id, person_id, id);

create table person_groups (
    organization_id {id} not null references organizations (id),
    id {id} not null,
    name text not null,
    created_at {instant} not null,
    updated_at {instant} not null,
    primary key (organization_id, id)
) {strict};

create table group_members (
    organization_id {id} not null references organizations (id),
    group_id {id} not null,
    person_id {id} not null,
    primary key (organization_id, group_id, person_id),
    foreign key (organization_id, group_id) references person_groups (organization_id, id),
    foreign key (organization_id, person_id) references people (organization_id, id)
) {strict};
create index group_members_by_person on group_members (organization_id, person_id);

create table grants (
    organization_id {id} not null references organizations (id),
    id {id} not null,
    subject_type text not null,
    subject_id {id} not null,
    resource_type text not null,
    resource_id text not null,
    level text not null,
    created_at {instant} not null,
    primary key (organization_id, id)
) {strict};
create unique index grants_once on grants (organization_id, subject_id, resource_id, subject_type, resource_type, level);
create index grants_by_resource on grants (organization_id, resource_id);

--postgres: select deskbell_wall(named, 'organization_id') from unnest(array['person_groups', 'group_members', 'grants']::regclass[]) as named;
