"""Reads and writes stored agents, for their edits and their versions."""

from __future__ import annotations

from typing import Any

import msgspec

from deskbell.agents import store
from deskbell.agents.model import Agent, AgentRow, AgentSnapshot, LinkedBase
from deskbell.core.context import Context
from deskbell.errors import Problem
from deskbell.foundation.db import update
from deskbell.foundation.ids import organization_public_id
from deskbell.knowledge.bases import names_of_bases


async def agent_row(ctx: Context, id: str, *, lock: bool = False) -> AgentRow:
    find = store.lock_agent if lock else store.agent_row
    row = await ctx.db.one(find(ctx.organization_id, id))
    if row is None:
        raise Problem("not_found", "Agent not found")
    return row


async def edited(ctx: Context, id: str) -> Agent:
    """An agent with its prompt and the state of its edits."""
    row = await agent_row(ctx, id)
    return Agent(
        id=row.id,
        name=row.name,
        description=row.description,
        model=row.model,
        system_prompt=row.system_prompt,
        variables=row.variables,
        welcome_message=row.welcome_message,
        is_draft=row.live_version is None,
        pending_edits=row.live_version is not None and row.live_version != row.last_version,
        awaiting_approval=row.awaiting_approval,
        live_version=row.live_version,
        organization_id=organization_public_id(ctx.organization_id),
        knowledge_bases=await knowledge_bases(ctx, id),
        created_at=row.created_at,
        updated_at=row.updated_at,
    )


async def snapshot(ctx: Context, id: str) -> AgentSnapshot:
    """An agent as events keep it."""
    agent, row = await edited(ctx, id), await agent_row(ctx, id)
    return AgentSnapshot(**msgspec.structs.asdict(agent), last_version=row.last_version or None)


async def knowledge_bases(ctx: Context, id: str) -> list[LinkedBase]:
    """The knowledge bases that an agent is linked to and that still exist."""
    ids = await ctx.db.all(store.linked_bases(ctx.organization_id, id))
    names = await names_of_bases(ctx, ids) if ids else {}
    return [LinkedBase(base, names[base]) for base in ids if base in names]


async def set_columns(ctx: Context, id: str, **columns: Any) -> None:
    key = {"organization_id": ctx.organization_id, "id": id}
    await ctx.db.run(update(store.agents, key, {**columns, "updated_at": ctx.now}))
