create table epoch (value bigint not null) {strict};
insert into epoch (value) values (0);

create table organizations (
    id {id} primary key,
    name text not null,
    logo_url text,
    primary_phone text,
    primary_email text,
    address text,
    business_hours {json} not null,
    payment_status text not null,
    plan_tier text not null,
    ai_name text not null,
    ai_tone text not null,
    timezone text not null,
    country text not null,
    created_at {instant} not null,
    updated_at {instant} not null
) {strict};

create table people (
    organization_id {id} not null references organizations (id),
    id {id} not null,
    name text not null,
    email text not null,
    role text not null,
    created_at {instant} not null,
    removed_at {instant},
    primary key (organization_id, id)
) {strict};
create unique index people_email on people (organization_id, email) where removed_at is null;

create table api_keys (
    organization_id {id} not null references organizations (id),
    id {id} not null,
    name text not null,
    key_hash text not null,
    prefix text not null,
    scopes {json} not null,
    person_id {id},
    active {flag} not null,
    expires_at {instant},
    reads_per_minute bigint not null,
    writes_per_minute bigint not null,
    last_used_at {instant},
    created_at {instant} not null,
    primary key (organization_id, id)
) {strict};
create unique index api_keys_hash on api_keys (key_hash);
create unique index api_keys_id on api_keys (id);

create table answers (
    organization_id {id} not null,
    method text not null,
    path text not null,
    key text not null,
    body_hash text not null,
    status bigint not null,
    body text not null,
    created_at {instant} not null,
    primary key (organization_id, method, path, key)
) {strict};
create index answers_by_age on answers (created_at);

create table suppressions (
    organization_id {id} not null references organizations (id),
    number_hash text not null,
    phone text,
    opted_out_at {instant},
    on_dnc_at {instant},
    primary key (organization_id, number_hash)
) {strict};

create table leads (
    --sqlite: number integer primary key,
    organization_id {id} not null references organizations (id),
    id {id} not null,
    first_name text not null,
    last_name text,
    phone text,
    number_hash text,
    email text,
    email_key text,
    company text,
    address_street text,
    city text,
    state text,
    zip text,
    status text not null,
    temperature text,
    source text not null,
    lead_score bigint not null,
    notes text,
    tags {json} not null,
    custom_fields {json} not null,
    first_name_key {key} not null,
    last_name_key {key},
    search_text {key} not null,
    archived_at {instant},
    created_at {instant} not null,
    updated_at {instant} not null,
    --sqlite: unique (organization_id, id)
    --postgres: primary key (organization_id, id)
) {strict};
create unique index leads_phone on leads (organization_id, phone) where archived_at is null;
create unique index leads_email on leads (organization_id, email_key) where archived_at is null;
create index leads_by_created on leads (organization_id, created_at, id) where archived_at is null;
create index leads_by_updated on leads (organization_id, updated_at, id) where archived_at is null;
create index leads_by_first_name on leads (organization_id, first_name_key, id) where archived_at is null;
create index leads_by_last_name on leads (organization_id, last_name_key, id) where archived_at is null;
create index leads_by_score on leads (organization_id, lead_score, id) where archived_at is null;
create index leads_by_status on leads (organization_id, status, created_at, id) where archived_at is null;
create index leads_by_temperature on leads (organization_id, temperature, created_at, id) where archived_at is null;
--sqlite: create virtual table leads_search using fts5(search_text, content='leads', content_rowid='number', columnsize=0, tokenize='trigram case_sensitive 1');
--sqlite: insert into leads_search (leads_search, rank) values ('secure-delete', 1);
--sqlite: create table leads_unindexed (number integer primary key, was text) strict;
--sqlite: create trigger leads_insert after insert on leads begin insert into leads_unindexed (number) values (new.number); end;
--sqlite: create trigger leads_delete after delete on leads begin insert or ignore into leads_unindexed (number, was) values (old.number, old.search_text); end;
--sqlite: create trigger leads_update after update of search_text on leads when old.search_text <> new.search_text begin insert or ignore into leads_unindexed (number, was) values (old.number, old.search_text); end;

create table appointments (
    organization_id {id} not null references organizations (id),
    id {id} not null,
    lead_id {id} not null,
    start_time {instant} not null,
    end_time {instant} not null,
    status text not null,
    type text,
    location text,
    notes text,
    booked_by text not null,
    outcome text,
    outcome_notes text,
    created_at {instant} not null,
    updated_at {instant} not null,
    primary key (organization_id, id),
    foreign key (organization_id, lead_id) references leads (organization_id, id)
) {strict};
create index appointments_by_start on appointments (organization_id, start_time, id);
create index appointments_by_created on appointments (organization_id, created_at, id);
create index appointments_by_status on appointments (organization_id, status, start_time, id);
create index appointments_by_lead on appointments (organization_id, lead_id, start_time, id);

create table tasks (
    organization_id {id} not null references organizations (id),
    id {id} not null,
    contact_id {id},
    title text not null,
    description text,
    priority text not null,
    priority_rank bigint not null,
    status text not null,
    due_date {instant},
    assigned_to_user_id {id},
    created_by_user_id {id},
    created_by_ai {flag} not null,
    created_at {instant} not null,
    updated_at {instant} not null,
    primary key (organization_id, id),
    foreign key (organization_id, contact_id) references leads (organization_id, id)
) {strict};
create index tasks_by_created on tasks (organization_id, created_at, id);
create index tasks_by_due on tasks (organization_id, due_date, id);
create index tasks_by_priority on tasks (organization_id, priority_rank, id);
create index tasks_by_status on tasks (organization_id, status, created_at, id);
create index tasks_by_contact on tasks (organization_id, contact_id, created_at, id);
create index tasks_by_assignee on tasks (organization_id, assigned_to_user_id, created_at, id);

create table threads (
    organization_id {id} not null references organizations (id),
    id {id} not null,
    lead_id {id} not null,
    status text not null,
    ai_summary text,
    sentiment text,
    interest_level text,
    requires_human {flag} not null,
    created_at {instant} not null,
    updated_at {instant} not null,
    primary key (organization_id, id),
    foreign key (organization_id, lead_id) references leads (organization_id, id)
) {strict};
create unique index threads_lead on threads (organization_id, lead_id);
create index threads_by_activity on threads (organization_id, updated_at, id);

create table messages (
    organization_id {id} not null references organizations (id),
    id {id} not null,
    lead_id {id} not null,
    type text not null,
    direction text not null,
    body text not null,
    status text not null,
    phone text not null,
    exempt {flag} not null,
    carrier_id text,
    failure text,
    sent_at {instant},
    created_at {instant} not null,
    updated_at {instant} not null,
    primary key (organization_id, id),
    foreign key (organization_id, lead_id) references leads (organization_id, id)
) {strict};
create index messages_by_lead on messages (organization_id, lead_id, created_at, id);
create index messages_queued on messages (organization_id, phone) where status = 'queued';
create unique index messages_carrier on messages (carrier_id);

create table jobs (
    id {id} primary key,
    organization_id {id},
    kind text not null,
    payload {json} not null,
    due_at {instant} not null,
    attempts bigint not null,
    dedupe text,
    claim text,
    error text,
    failed_at {instant},
    created_at {instant} not null
) {strict};
create index jobs_due on jobs (due_at, id) where failed_at is null;
create unique index jobs_dedupe on jobs (dedupe) where failed_at is null;

create table simulated_texts (
    id {id} primary key,
    organization_id {id} not null,
    reference text not null,
    recipient text not null,
    body text not null,
    status text not null,
    created_at {instant} not null
) {strict};
create index simulated_texts_by_reference on simulated_texts (reference);
