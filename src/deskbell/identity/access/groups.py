"""Groups: some people of the team under one name."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import UNSET

from deskbell.core.context import Context
from deskbell.core.events import record
from deskbell.foundation.db import insert
from deskbell.foundation.ids import new_id
from deskbell.foundation.pagination import Page
from deskbell.identity.access import store
from deskbell.identity.access.membership import drop_grants, get_group, touch_group, whole_group
from deskbell.identity.access.model import Group, GroupChanges, GroupFilter, NewGroup
from deskbell.identity.lookups import get_person, lock_team
from deskbell.organizations import rules


async def list_groups(ctx: Context, filter: GroupFilter) -> Page[Group]:
    """List the groups with the ids of their members, oldest first."""
    rows, total = await ctx.db.page(store.group_list(ctx.organization_id), filter.page, filter.limit)
    return Page([await whole_group(ctx, row) for row in rows], total, filter)


async def create_group(ctx: Context, new: NewGroup) -> Group:
    """Make a group of people of the team. Each may be in any number of groups."""
    await lock_team(ctx)
    id, moment = new_id(), ctx.now
    row = {"organization_id": ctx.organization_id, "id": id, "name": rules.not_blank("name", new.name)}
    await ctx.db.run(insert(store.person_groups, {**row, "created_at": moment, "updated_at": moment}))
    await set_members(ctx, id, new.person_ids)
    group = await get_group(ctx, id)
    await record(ctx, "group.created", id, after=group)
    return group


async def update_group(ctx: Context, id: str, changes: GroupChanges) -> Group:
    """Rename a group or replace its members: absent fields stay."""
    await lock_team(ctx)
    before = await get_group(ctx, id)
    if changes.person_ids is not UNSET:
        await ctx.db.run(store.drop_members(ctx.organization_id, id))
        await set_members(ctx, id, changes.person_ids)
    return await touch_group(
        ctx, before, {} if changes.name is UNSET else {"name": rules.not_blank("name", changes.name)}
    )


async def delete_group(ctx: Context, id: str) -> Group:
    """Delete a group and what was granted to it. Its members stay on the team."""
    await lock_team(ctx)
    group = await get_group(ctx, id)
    await drop_grants(ctx, await ctx.db.all(store.grant_list(ctx.organization_id, id)))
    await ctx.db.run(store.drop_members(ctx.organization_id, id))
    await ctx.db.run(store.drop_group(ctx.organization_id, id))
    await record(ctx, "group.deleted", id, after=group)
    return group


async def set_members(ctx: Context, id: str, person_ids: Sequence[str]) -> None:
    for person_id in dict.fromkeys(person_ids):
        await get_person(ctx, person_id)
        row = {"organization_id": ctx.organization_id, "group_id": id, "person_id": person_id}
        await ctx.db.run(insert(store.group_members, row))
