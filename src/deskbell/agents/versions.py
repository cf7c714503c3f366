"""Versions: what a published agent was at each save. They are never changed, only added."""

from __future__ import annotations

import msgspec

from deskbell.agents import jobs, rules, store
from deskbell.agents.model import AgentRow, Configuration, Version, VersionRow, Versions, VersionSummary
from deskbell.agents.records import agent_row, set_columns, snapshot
from deskbell.core.context import Context
from deskbell.core.events import record
from deskbell.errors import Problem
from deskbell.foundation.db import insert
from deskbell.foundation.pagination import Pagination, Window
from deskbell.identity.people import needs_approval
from deskbell.organizations.operations import approves_agents

_variables = msgspec.json.Decoder(dict[str, str]).decode


def complete(row: AgentRow) -> Configuration:
    """The configuration of an agent's edits. Raises `validation_error` if model or prompt is missing."""
    for name in ("model", "system_prompt"):
        if not (getattr(row, name) or "").strip():
            raise Problem("validation_error", f"The agent has no `{name}` yet: set it first")
    return configuration(row)


def configuration(row: AgentRow | VersionRow) -> Configuration:
    return Configuration(row.model or "", row.system_prompt or "", _variables(row.variables))


async def version_row(ctx: Context, agent_id: str, number: int) -> VersionRow:
    row = await ctx.db.one(store.version_row(ctx.organization_id, agent_id, number))
    if row is None:
        raise Problem("not_found", "Version not found")
    return row


async def live_configuration(ctx: Context, row: AgentRow) -> Configuration | None:
    """The configuration that answers at present; None for an agent that was never published."""
    if row.live_version is None:
        return None
    return configuration(await version_row(ctx, row.id, row.live_version))


async def append(ctx: Context, row: AgentRow, configured: Configuration, summary: str) -> int:
    """Stores the next version and returns its number."""
    number = row.last_version + 1
    version = {
        "organization_id": ctx.organization_id,
        "agent_id": row.id,
        "number": number,
        "model": configured.model,
        "system_prompt": configured.system_prompt,
        "variables": msgspec.json.encode(configured.variables).decode(),
        "change_summary": summary,
        "created_at": ctx.now,
    }
    await ctx.db.run(insert(store.agent_versions, version))
    await set_columns(ctx, row.id, last_version=number)
    return number


async def go_live(ctx: Context, id: str, number: int, configured: Configuration) -> None:
    await set_columns(ctx, id, live_version=number, live_model=configured.model, awaiting_approval=False)


async def save(ctx: Context, row: AgentRow) -> None:
    """The edits of a published agent as its next version. It is live only if it is what answers already."""
    after = complete(row)
    before = configuration(await version_row(ctx, row.id, row.last_version))
    number = await append(ctx, row, after, rules.summary(before, after))
    if after != before:
        await jobs.summarize(ctx, row.id, number)
    if after == await live_configuration(ctx, row):
        await go_live(ctx, row.id, number, after)
    else:
        await set_columns(ctx, row.id, awaiting_approval=False)


async def publish(ctx: Context, row: AgentRow) -> None:
    """Makes the newest edits live, or asks for approval."""
    after = complete(row)
    if row.live_version is not None and row.live_version == row.last_version:
        return
    if await waits_for_approval(ctx, row, after):
        await set_columns(ctx, row.id, awaiting_approval=True)
        return
    number = row.last_version or await append(ctx, row, after, rules.summary(None, after))
    await go_live(ctx, row.id, number, after)


async def waits_for_approval(ctx: Context, row: AgentRow, after: Configuration) -> bool:
    """Whether an owner or admin has to approve this: another model or prompt, by somebody who is neither."""
    live = await live_configuration(ctx, row)
    same = live is not None and (live.model, live.system_prompt) == (after.model, after.system_prompt)
    return not same and await approves_agents(ctx) and needs_approval(ctx)


async def revert(ctx: Context, id: str, number: int) -> Version:
    """Restore an earlier version: it is added again as the newest one, and live at once unless it has to be approved."""
    row = await agent_row(ctx, id, lock=True)
    agent = await snapshot(ctx, id)
    restored = await version_row(ctx, id, number)
    configured = configuration(restored)
    before = configuration(await version_row(ctx, id, row.last_version))
    waiting = await waits_for_approval(ctx, row, configured)
    restoring = f"Restored version {number}. "
    newest = await append(ctx, row, configured, restoring + rules.summary(before, configured))
    if configured != before:
        await jobs.summarize(ctx, id, newest, restoring)
    stored = bytes(restored.variables).decode()
    await set_columns(ctx, id, model=configured.model, system_prompt=configured.system_prompt, variables=stored)
    if waiting:
        await set_columns(ctx, id, awaiting_approval=True)
    else:
        await go_live(ctx, id, newest, configured)
    await record(ctx, "agent.reverted", id, before=agent, after=await snapshot(ctx, id))
    return await get_version(ctx, id, newest)


async def list_versions(ctx: Context, id: str, window: Window) -> Versions:
    """List an agent's versions, newest first. A draft has none."""
    agent = await agent_row(ctx, id)
    statement = store.version_list(ctx.organization_id, id)
    rows, total = await ctx.db.page(statement, 1, window.limit, offset=window.offset)
    shown = [
        VersionSummary(row.number, row.model, row.change_summary, *states(agent, row), row.created_at) for row in rows
    ]
    return Versions(shown, Pagination(window.limit, window.offset, total))


async def get_version(ctx: Context, id: str, number: int) -> Version:
    """One version with its prompt and variables."""
    agent = await agent_row(ctx, id)
    row = await version_row(ctx, id, number)
    content = (row.model, row.system_prompt, row.variables)
    return Version(row.number, *content, row.change_summary, *states(agent, row), row.created_at)


def states(agent: AgentRow, row: VersionRow) -> tuple[bool, bool]:
    """Whether a version is the newest, and whether it is the one that answers."""
    return row.number == agent.last_version, row.number == agent.live_version
