--sqlite: alter table organizations add column agent_approval integer not null default 0;
--postgres: alter table organizations add column agent_approval boolean not null default false;

create table agents (
    organization_id {id} not null references organizations (id),
    id {id} not null,
    name text not null,
    description text,
    model text,
    system_prompt text,
    variables {json} not null,
    welcome_message text,
    live_model text,
    live_version bigint,
    last_version bigint not null,
    awaiting_approval {flag} not null,
    created_at {instant} not null,
    updated_at {instant} not null,
    primary key (organization_id, id)
) {strict};
create unique index agents_id on agents (id);
create index agents_by_created on agents (organization_id, created_at, id);

create table agent_versions (
    organization_id {id} not null references organizations (id),
    agent_id {id} not null,
    number bigint not null,
    model text not null,
    system_prompt text not null,
    variables {json} not null,
    change_summary text not null,
    created_at {instant} not null,
    primary key (organization_id, agent_id, number),
    foreign key (organization_id, agent_id) references agents (organization_id, id)
) {strict};

create table agent_knowledge_bases (
    organization_id {id} not null references organizations (id),
    agent_id {id} not null,
    knowledge_base_id text not null,
    position bigint not null,
    primary key (organization_id, agent_id, knowledge_base_id),
    foreign key (organization_id, agent_id) references agents (organization_id, id)
) {strict};

create table wallets (
    organization_id {id} not null references organizations (id),
    balance bigint not null,
    updated_at {instant} not null,
    primary key (organization_id)
) {strict};

create table budgets (
    organization_id {id} not null references organizations (id),
    agent_id {id} not null,
    amount bigint not null,
    primary key (organization_id, agent_id)
) {strict};

create table usage_days (
    organization_id {id} not null references organizations (id),
    day text not null,
    agent_id {id} not null,
    activity text not null,
    requests bigint not null,
    input_tokens bigint not null,
    output_tokens bigint not null,
    cost bigint not null,
    charge bigint not null,
    primary key (organization_id, day, agent_id, activity)
) {strict};

create table installation (
    name text primary key,
    value text not null
) {strict};

--postgres: select deskbell_wall(named, 'organization_id') from unnest(array['agents', 'agent_versions', 'agent_knowledge_bases', 'wallets', 'budgets', 'usage_days']::regclass[]) as named;
