"""The tables of agents and their versions, and every query on them."""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    Column,
    Delete,
    ForeignKeyConstraint,
    Index,
    Integer,
    Select,
    Table,
    Text,
    delete,
    func,
    select,
)

from deskbell.agents.model import AgentRow, Bot, VersionRow
from deskbell.foundation.db import BOOLEAN, ID, JSON, TIMESTAMP, command, query, schema

agents = Table(
    "agents",
    schema,
    Column("organization_id", ID, primary_key=True),
    Column("id", ID, primary_key=True),
    Column("name", Text, nullable=False),
    Column("description", Text),
    Column("model", Text),
    Column("system_prompt", Text),
    Column("variables", JSON, nullable=False),
    Column("welcome_message", Text),
    Column("live_model", Text),
    Column("live_version", Integer),
    Column("last_version", Integer, nullable=False),
    Column("awaiting_approval", BOOLEAN, nullable=False),
    Column("created_at", TIMESTAMP, nullable=False),
    Column("updated_at", TIMESTAMP, nullable=False),
    ForeignKeyConstraint(["organization_id"], ["organizations.id"]),
)
Index("agents_id", agents.c.id, unique=True)


def _of_agent() -> ForeignKeyConstraint:
    return ForeignKeyConstraint(["organization_id", "agent_id"], ["agents.organization_id", "agents.id"])


agent_versions = Table(
    "agent_versions",
    schema,
    Column("organization_id", ID, primary_key=True),
    Column("agent_id", ID, primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("model", Text, nullable=False),
    Column("system_prompt", Text, nullable=False),
    Column("variables", JSON, nullable=False),
    Column("change_summary", Text, nullable=False),
    Column("created_at", TIMESTAMP, nullable=False),
    _of_agent(),
)

agent_knowledge_bases = Table(
    "agent_knowledge_bases",
    schema,
    Column("organization_id", ID, primary_key=True),
    Column("agent_id", ID, primary_key=True),
    Column("knowledge_base_id", Text, primary_key=True),
    Column("position", Integer, nullable=False),
    _of_agent(),
)

_agent = [agents.c[name] for name in AgentRow.__struct_fields__]
_version = [agent_versions.c[name] for name in VersionRow.__struct_fields__]
_bot = [
    agents.c.id,
    agents.c.name,
    agents.c.description,
    func.coalesce(agents.c.live_model, agents.c.model).label("model"),
    agents.c.live_version.is_(None).label("is_draft"),
    agents.c.organization_id,
    agents.c.created_at,
    agents.c.updated_at,
]


@query(AgentRow)
def agent_row(organization_id: str, id: str) -> Select[Any]:
    return select(*_agent).where(agents.c.organization_id == organization_id, agents.c.id == id)


@query(AgentRow)
def lock_agent(organization_id: str, id: str) -> Select[Any]:
    """Locked until the transaction ends, where the database has row locks: versions are numbered one by one."""
    return select(*_agent).where(agents.c.organization_id == organization_id, agents.c.id == id).with_for_update()


@query(Bot)
def bot_list(organization_id: str) -> Select[Any]:
    rows = select(*_bot).where(agents.c.organization_id == organization_id)
    return rows.order_by(agents.c.created_at.desc(), agents.c.id.desc())


@query(str)
def organization_of_agent(id: str) -> Select[Any]:
    """For the operator's commands, which are given an agent's id alone."""
    return select(agents.c.organization_id).where(agents.c.id == id)


@query(VersionRow)
def version_row(organization_id: str, agent_id: str, number: int) -> Select[Any]:
    return select(*_version).where(
        agent_versions.c.organization_id == organization_id,
        agent_versions.c.agent_id == agent_id,
        agent_versions.c.number == number,
    )


@query(VersionRow)
def version_list(organization_id: str, agent_id: str) -> Select[Any]:
    rows = select(*_version).where(
        agent_versions.c.organization_id == organization_id, agent_versions.c.agent_id == agent_id
    )
    return rows.order_by(agent_versions.c.number.desc())


@query(str)
def linked_bases(organization_id: str, agent_id: str) -> Select[Any]:
    """Ids of knowledge bases in the order in which they were linked. Some may have been deleted."""
    table = agent_knowledge_bases
    rows = select(table.c.knowledge_base_id).where(
        table.c.organization_id == organization_id, table.c.agent_id == agent_id
    )
    return rows.order_by(table.c.position)


@command
def unlink_bases(organization_id: str, agent_id: str) -> Delete:
    table = agent_knowledge_bases
    return delete(table).where(table.c.organization_id == organization_id, table.c.agent_id == agent_id)
