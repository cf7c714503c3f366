"""Grants: more rights on one agent or knowledge base than a role gives."""

from __future__ import annotations

import msgspec

from deskbell.core.context import Context
from deskbell.core.events import record
from deskbell.errors import Problem
from deskbell.foundation.db import ConstraintViolation, insert
from deskbell.foundation.ids import new_id
from deskbell.foundation.pagination import Page, given
from deskbell.identity.access import store
from deskbell.identity.access.levels import is_resource
from deskbell.identity.access.membership import drop_grants, get_group
from deskbell.identity.access.model import Grant, GrantFilter, NewGrant
from deskbell.identity.lookups import get_person, lock_team


async def list_grants(ctx: Context, filter: GrantFilter) -> Page[Grant]:
    """List the grants, oldest first, perhaps those of one person, group, agent or knowledge base."""
    statement = store.grant_list(ctx.organization_id, given(filter.subject_id), given(filter.resource_id))
    rows, total = await ctx.db.page(statement, filter.page, filter.limit)
    return Page(rows, total, filter)


async def get_grant(ctx: Context, id: str) -> Grant:
    found = await ctx.db.one(store.grant_row(ctx.organization_id, id))
    if found is None:
        raise Problem("not_found", "No grant of your organization has this id")
    return found


async def create_grant(ctx: Context, new: NewGrant) -> Grant:
    """Give a person or a group more rights on an agent or knowledge base. What somebody may do is the highest of role, own and group grants."""
    await lock_team(ctx)
    await (get_person if new.subject_type == "person" else get_group)(ctx, new.subject_id)
    if not await is_resource(ctx, new.resource_type, new.resource_id):
        name = new.resource_type.replace("_", " ")
        raise Problem("not_found", f"No {name} of your organization has the id in `resource_id`")
    row = {**msgspec.structs.asdict(new), "organization_id": ctx.organization_id, "id": new_id()}
    try:
        await ctx.db.run(insert(store.grants, {**row, "created_at": ctx.now}))
    except ConstraintViolation:
        raise Problem("duplicate", "This grant exists already") from None
    grant = await get_grant(ctx, row["id"])
    await record(ctx, "grant.created", grant.id, after=grant)
    return grant


async def revoke_grant(ctx: Context, id: str) -> Grant:
    """Take a grant back. What the role or another grant gives stays."""
    await lock_team(ctx)
    grant = await get_grant(ctx, id)
    await drop_grants(ctx, [grant])
    return grant
