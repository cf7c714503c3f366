create table reservations (
    organization_id {id} not null references organizations (id),
    id {id} not null,
    agent_id {id} not null,
    amount bigint not null,
    expires_at {instant} not null,
    primary key (organization_id, id)
) {strict};

--postgres: select deskbell_wall('reservations', 'organization_id');
