create table knowledge_segments (
    organization_id {id} not null references organizations (id),
    knowledge_base_id text not null,
    id text not null,
    chunk_count bigint not null,
    data {blob} not null,
    words {blob} not null,
    primary key (organization_id, knowledge_base_id, id)
) {strict};

create table knowledge_blocks (
    organization_id {id} not null references organizations (id),
    knowledge_base_id text not null,
    name {key} not null,
    segment_id text not null,
    data {blob} not null,
    primary key (organization_id, knowledge_base_id, name, segment_id)
) {strict};
--postgres: alter table knowledge_blocks alter column data set storage external;

create table knowledge_graphs (
    organization_id {id} not null references organizations (id),
    knowledge_base_id text not null,
    embedder text not null,
    name text not null,
    ready {flag} not null,
    adopted {flag} not null,
    primary key (organization_id, knowledge_base_id, embedder)
) {strict};
--postgres: select deskbell_wall(named, 'organization_id') from unnest(array['knowledge_segments', 'knowledge_blocks', 'knowledge_graphs']::regclass[]) as named;
--postgres: create function knowledge_nearest(own uuid, base text, model text, question text, most int) returns table (id text, vector bytea) language plpgsql volatile as $$ declare graph text; begin select g.name into graph from knowledge_graphs g where g.organization_id = own and g.knowledge_base_id = base and g.embedder = model and g.ready; if graph is null then return; end if; perform set_config('hnsw.ef_search', least(greatest(most, 100), 1000)::text, true), set_config('hnsw.iterative_scan', 'relaxed_order', true), set_config('enable_sort', 'off', true), set_config('enable_seqscan', 'off', true); return query execute format('select g.id, halfvec_send(g.embedding) from %I g where g.organization_id = $2 and g.revision = (select d.live_revision from documents d where d.organization_id = $2 and d.id = g.document_id) order by g.embedding <#> $1::halfvec limit %s', graph, most) using question, own; end $$;
