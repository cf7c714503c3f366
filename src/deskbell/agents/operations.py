"""What can be done with agents: list, read, create and change them; and the agent as a conversation needs it."""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import UNSET

from deskbell.agents import rules, store, versions
from deskbell.agents.model import Agent, AgentChanges, Bots, NewAgent, PublicAgent
from deskbell.agents.records import agent_row, edited, knowledge_bases, set_columns, snapshot
from deskbell.core.context import Context
from deskbell.core.events import record
from deskbell.core.operation import Operation
from deskbell.core.scopes import MANAGE, USE
from deskbell.credits import operations as credits
from deskbell.credits import reservations
from deskbell.credits.rules import DOLLAR
from deskbell.errors import Problem
from deskbell.foundation.db import Session, insert
from deskbell.foundation.ids import new_id, organization_public_id
from deskbell.foundation.pagination import Pagination, Window
from deskbell.knowledge.bases import names_of_bases


class LiveAgent(msgspec.Struct):
    """An agent as it answers: its live version, or its draft if it was never published.

    `limited` says that a wallet or a budget pays for its replies.
    """

    id: str
    model: str
    system_prompt: str
    variables: dict[str, str]
    welcome_message: str | None
    kb_ids: list[str]
    limited: bool = False


async def list_agents(ctx: Context, window: Window) -> Bots:
    """List agents, newest first. Drafts are included; they may be incomplete."""
    rows, total = await ctx.db.page(store.bot_list(ctx.organization_id), 1, window.limit, offset=window.offset)
    for row in rows:
        row.organization_id = organization_public_id(row.organization_id)
    return Bots(rows, Pagination(window.limit, window.offset, total))


async def get_agent(ctx: Context, id: str) -> PublicAgent:
    """One agent by its id. Its prompt is not shown."""
    row = await agent_row(ctx, id)
    return PublicAgent(
        id=row.id,
        name=row.name,
        description=row.description,
        model=row.live_model or row.model,
        is_draft=row.live_version is None,
        organization_id=organization_public_id(ctx.organization_id),
        knowledge_bases=await knowledge_bases(ctx, id),
        created_at=row.created_at,
        updated_at=row.updated_at,
    )


async def create_agent(ctx: Context, new: NewAgent) -> Agent:
    """Create an agent. It is a draft until it is published; only its name is required."""
    now = ctx.now
    rules.validate_names(new.variables)
    given = msgspec.structs.asdict(new)
    bases: list[str] = given.pop("kb_ids")
    row = {
        **given,
        "organization_id": ctx.organization_id,
        "id": new_id(),
        "variables": msgspec.json.encode(new.variables).decode(),
        "last_version": 0,
        "awaiting_approval": False,
        "created_at": now,
        "updated_at": now,
    }
    await ctx.db.run(insert(store.agents, row))
    await link(ctx, row["id"], bases)
    await record(ctx, "agent.created", row["id"], after=await snapshot(ctx, row["id"]))
    return await edited(ctx, row["id"])


async def link(ctx: Context, id: str, base_ids: list[str]) -> None:
    """Replaces the knowledge bases that an agent answers from."""
    wanted = list(dict.fromkeys(base_ids))
    if wanted == await ctx.db.all(store.linked_bases(ctx.organization_id, id)):
        return
    names = await names_of_bases(ctx, wanted) if wanted else {}
    if len(names) < len(wanted):
        raise Problem("not_found", "Knowledge base not found")
    await ctx.db.run(store.unlink_bases(ctx.organization_id, id))
    for position, base in enumerate(wanted):
        row = {"organization_id": ctx.organization_id, "agent_id": id, "knowledge_base_id": base, "position": position}
        await ctx.db.run(insert(store.agent_knowledge_bases, row))


async def update_agent(ctx: Context, id: str, changes: AgentChanges) -> Agent:
    """Change some fields of an agent. Model, prompt and variables of a published one become a new version, live once it is published.

    Name, description, welcome message and knowledge bases apply at once. Absent fields stay, null clears a nullable one.
    """
    row = await agent_row(ctx, id, lock=True)
    before = await snapshot(ctx, id)
    given: dict[str, Any] = {
        name: value for name, value in msgspec.structs.asdict(changes).items() if value is not UNSET
    }
    if "kb_ids" in given:
        await link(ctx, id, given.pop("kb_ids"))
    if "variables" in given:
        rules.validate_names(given["variables"])
        given["variables"] = msgspec.json.encode(given["variables"]).decode()
    await set_columns(ctx, id, **given)
    if row.live_version is not None:
        await versions.save(ctx, await agent_row(ctx, id))
    elif row.awaiting_approval:
        await set_columns(ctx, id, awaiting_approval=False)
    await record(ctx, "agent.saved", id, before=before, after=await snapshot(ctx, id))
    return await edited(ctx, id)


async def publish_agent(ctx: Context, id: str) -> Agent:
    """Make an agent's edits live. The first time it becomes version 1.

    Where the organization wants approval, a new model or prompt of a member or an application waits for an owner or admin.
    """
    row = await agent_row(ctx, id, lock=True)
    before = await snapshot(ctx, id)
    await versions.publish(ctx, row)
    after = await snapshot(ctx, id)
    await record(ctx, "agent.saved" if after.awaiting_approval else "agent.published", id, before=before, after=after)
    return await edited(ctx, id)


async def live_agent(ctx: Context, id: str) -> LiveAgent:
    """The agent as it answers now. Raises `payment_required` without credit, and `validation_error` for a draft without model or prompt."""
    row = await agent_row(ctx, id)
    if row.live_version is None:
        configuration = versions.complete(row)
    else:
        configuration = versions.configuration(await versions.version_row(ctx, id, row.live_version))
    limited = await credits.require_credit(ctx, id)
    bases = [base.id for base in await knowledge_bases(ctx, id)]
    return LiveAgent(
        id=id,
        model=configuration.model,
        system_prompt=configuration.system_prompt,
        variables=configuration.variables,
        welcome_message=row.welcome_message,
        kb_ids=bases,
        limited=limited,
    )


async def debit_chat(
    ctx: Context, agent: LiveAgent, reservation: str | None, input_tokens: int, output_tokens: int, cost: int
) -> None:
    """Charges what a reply has cost, in billionths of a US dollar, in the transaction that saves it, and ends its reservation."""
    if reservation:
        await reservations.end(ctx, reservation)
    tokens = {"input_tokens": input_tokens, "output_tokens": output_tokens}
    await credits.record(ctx, activity="chat", agent_id=agent.id, cost=cost / DOLLAR, **tokens)


async def organization_of(session: Session, id: str) -> str:
    """The organization of an agent, for commands that are given its id alone."""
    organization_id = await session.one(store.organization_of_agent(id))
    if organization_id is None:
        raise Problem("not_found", f"No agent has the id {id}")
    return organization_id


OPERATIONS = [
    Operation("agents.list", list_agents, "GET /v1/agents", scope=USE),
    Operation("agents.get", get_agent, "GET /v1/agents/{id}", scope=USE),
    Operation("agents.create", create_agent, "POST /v1/agents", scope=MANAGE, errors=("not_found",)),
    Operation("agents.update", update_agent, "PUT /v1/agents/{id}", scope=MANAGE),
    Operation("agents.publish", publish_agent, "POST /v1/agents/{id}/publish", scope=MANAGE, status=200),
    Operation("agents.versions", versions.list_versions, "GET /v1/agents/{id}/versions", scope=MANAGE),
    Operation("agents.version", versions.get_version, "GET /v1/agents/{id}/versions/{number}", scope=MANAGE),
    Operation(
        "agents.revert", versions.revert, "POST /v1/agents/{id}/versions/{number}/revert", scope=MANAGE, status=200
    ),
]
