"""Knowledge bases: created, listed, deleted."""

from __future__ import annotations

from deskbell.core.context import Context
from deskbell.core.events import record
from deskbell.foundation.db import insert
from deskbell.foundation.ids import PublicId, public_id
from deskbell.foundation.pagination import Pagination, Window
from deskbell.identity.access.membership import forget_resource
from deskbell.knowledge import jobs, rules, store
from deskbell.knowledge.model import BaseState, KnowledgeBase, KnowledgeBases, NewKnowledgeBase


async def list_bases(ctx: Context, window: Window) -> KnowledgeBases:
    """Knowledge bases, newest first, with what they hold."""
    rows, total = await ctx.db.page(store.base_list(ctx.organization_id), 1, window.limit, offset=window.offset)
    return KnowledgeBases(rows, Pagination(window.limit, window.offset, total))


async def create_base(ctx: Context, new: NewKnowledgeBase) -> KnowledgeBase:
    """Create an empty knowledge base; documents are added to it next."""
    now = ctx.now
    row = {"organization_id": ctx.organization_id, "id": public_id("kb"), "name": new.name.strip(), "version": 0}
    row |= {"description": new.description, "created_at": now, "updated_at": now}
    await ctx.db.run(insert(store.knowledge_bases, row))
    base = await get_base(ctx, PublicId(row["id"]))
    await record(ctx, "knowledge_base.created", base.id, after=base)
    return base


async def get_base(ctx: Context, id: PublicId) -> KnowledgeBase:
    """One knowledge base, with how many documents and chunks it holds."""
    base = await ctx.db.one(store.base_row(ctx.organization_id, id))
    if base is None:
        raise rules.no_base()
    return base


async def delete_base(ctx: Context, id: PublicId) -> KnowledgeBase:
    """Delete a knowledge base with everything in it. Agents that used it go on without it; no answer shows it from now on."""
    base = await get_base(ctx, id)
    await ctx.db.run(store.delete_base(ctx.organization_id, id))
    await forget_resource(ctx, id)
    await record(ctx, "knowledge_base.deleted", id, after=base)
    await jobs.queue_clean_up(ctx, id)
    return base


async def state_of_base(ctx: Context, id: str) -> BaseState:
    """What a search needs to know of a knowledge base."""
    state = await ctx.db.one(store.base_state(ctx.organization_id, id))
    if state is None:
        raise rules.no_base()
    return state


async def names_of_bases(ctx: Context, ids: list[str]) -> dict[str, str]:
    """The names of those knowledge bases that exist, by id."""
    names = {}
    for id in ids:
        if (state := await ctx.db.one(store.base_state(ctx.organization_id, id))) is not None:
            names[id] = state.name
    return names
