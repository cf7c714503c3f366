create table agent_conversations (
    organization_id {id} not null references organizations (id),
    id text not null,
    agent_id {id} not null,
    title text not null,
    messages bigint not null,
    input_tokens bigint not null,
    output_tokens bigint not null,
    cost_nanos bigint not null,
    created_at {instant} not null,
    updated_at {instant} not null,
    primary key (organization_id, id),
    foreign key (organization_id, agent_id) references agents (organization_id, id)
) {strict};
create unique index agent_conversations_id on agent_conversations (id);
create index agent_conversations_by_activity on agent_conversations (organization_id, updated_at desc, id desc);
create index agent_conversations_by_agent on agent_conversations (organization_id, agent_id, updated_at desc, id desc);

create table agent_messages (
    organization_id {id} not null,
    conversation_id text not null,
    position bigint not null,
    id {id} not null,
    role text not null,
    content text not null,
    model text,
    input_tokens bigint not null,
    output_tokens bigint not null,
    cost_nanos bigint not null,
    sources {json} not null,
    created_at {instant} not null,
    primary key (organization_id, conversation_id, position),
    foreign key (organization_id, conversation_id) references agent_conversations (organization_id, id)
) {strict};
--postgres: select deskbell_wall(named, 'organization_id') from unnest(array['agent_conversations', 'agent_messages']::regclass[]) as named;
