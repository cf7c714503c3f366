alter table jobs add column queue text not null default '';
drop index jobs_due;
create index jobs_due on jobs (queue, due_at, id) where failed_at is null;

create table knowledge_bases (
    organization_id {id} not null references organizations (id),
    id text not null,
    name text not null,
    description text,
    version bigint not null,
    embedder text,
    created_at {instant} not null,
    updated_at {instant} not null,
    primary key (organization_id, id)
) {strict};
create unique index knowledge_bases_id on knowledge_bases (id);
create index knowledge_bases_by_created on knowledge_bases (organization_id, created_at, id);

create table documents (
    organization_id {id} not null references organizations (id),
    id text not null,
    knowledge_base_id text not null,
    feed_id text,
    kind text not null,
    file_name text not null,
    url text,
    title text,
    media_type text,
    digest text,
    upload_id {id},
    bytes bigint not null,
    status text not null,
    progress bigint not null,
    error text,
    revision bigint not null,
    stored_revision bigint not null,
    live_revision bigint not null,
    chunk_count bigint not null,
    created_at {instant} not null,
    updated_at {instant} not null,
    primary key (organization_id, id)
) {strict};
create unique index documents_id on documents (id);
create unique index documents_file_name on documents (organization_id, knowledge_base_id, file_name);
create index documents_by_created on documents (organization_id, knowledge_base_id, created_at, id);
create index documents_by_feed on documents (organization_id, feed_id, id) where feed_id is not null;
create index documents_by_upload on documents (organization_id, upload_id);
create index documents_by_status on documents (organization_id, knowledge_base_id, status, created_at, id);

create table upload_parts (
    organization_id {id} not null references organizations (id),
    upload_id {id} not null,
    part bigint not null,
    data {blob} not null,
    created_at {instant} not null,
    primary key (organization_id, upload_id, part)
) {strict};
create index upload_parts_by_age on upload_parts (created_at);

create table chunks (
    organization_id {id} not null references organizations (id),
    knowledge_base_id text not null,
    document_id text not null,
    revision bigint not null,
    position bigint not null,
    id text not null,
    title text not null,
    language text not null,
    text text not null,
    headings {json} not null,
    page bigint,
    title_terms text not null,
    text_terms text not null,
    primary key (organization_id, knowledge_base_id, document_id, revision, position)
) {strict};
create unique index chunks_id on chunks (organization_id, id);

create table chunk_vectors (
    organization_id {id} not null references organizations (id),
    knowledge_base_id text not null,
    document_id text not null,
    revision bigint not null,
    position bigint not null,
    embedder text not null,
    vector {blob} not null,
    primary key (organization_id, knowledge_base_id, document_id, revision, position, embedder)
) {strict};
--postgres: select deskbell_wall(named, 'organization_id') from unnest(array['knowledge_bases', 'documents', 'upload_parts', 'chunks', 'chunk_vectors']::regclass[]) as named;
