"""What becomes of groups and grants when a person, a group or a resource goes."""

from __future__ import annotations

from typing import Any

from deskbell.core.context import Context
from deskbell.core.events import record
from deskbell.errors import Problem
from deskbell.foundation.db import update
from deskbell.identity.access import store
from deskbell.identity.access.model import Grant, Group, GroupRow
from deskbell.identity.lookups import lock_team


async def get_group(ctx: Context, id: str) -> Group:
    found = await ctx.db.one(store.group_row(ctx.organization_id, id))
    if found is None:
        raise Problem("not_found", "No group of your organization has this id")
    return await whole_group(ctx, found)


async def touch_group(ctx: Context, before: Group, columns: dict[str, Any] | None = None) -> Group:
    """Stores and records that a group or its members changed."""
    key = {"organization_id": ctx.organization_id, "id": before.id}
    await ctx.db.run(update(store.person_groups, key, {**(columns or {}), "updated_at": ctx.now}))
    after = await get_group(ctx, before.id)
    await record(ctx, "group.updated", after.id, before=before, after=after)
    return after


async def whole_group(ctx: Context, row: GroupRow) -> Group:
    """A group with its members."""
    members = await ctx.db.all(store.members_of(ctx.organization_id, row.id))
    return Group(row.id, row.name, members, row.created_at, row.updated_at)


async def leave_groups_and_grants(ctx: Context, person_id: str) -> None:
    """Takes a person out of all groups and ends their grants."""
    groups = [await get_group(ctx, id) for id in await ctx.db.all(store.groups_of(ctx.organization_id, person_id))]
    await ctx.db.run(store.drop_member(ctx.organization_id, person_id))
    for before in groups:
        await touch_group(ctx, before)
    await drop_grants(ctx, await ctx.db.all(store.grant_list(ctx.organization_id, person_id)))


async def forget_resource(ctx: Context, resource_id: str) -> None:
    """Ends the grants on an agent or knowledge base that is deleted."""
    await lock_team(ctx)
    await drop_grants(ctx, await ctx.db.all(store.grant_list(ctx.organization_id, None, resource_id)))


async def drop_grants(ctx: Context, grants: list[Grant]) -> None:
    for grant in grants:
        await ctx.db.run(store.drop_grant(ctx.organization_id, grant.id))
        await record(ctx, "grant.deleted", grant.id, after=grant)
