"""What every change of a team asks first: who somebody is, and whether the one who acts may decide about roles."""

from __future__ import annotations

from deskbell.core.context import Context
from deskbell.errors import Problem
from deskbell.identity import store
from deskbell.identity.model import Person


async def lock_team(ctx: Context) -> None:
    """Changes of people, groups, grants and keys of one organization come one after another: each sees what the other has left."""
    await ctx.db.lock(f"team {ctx.organization_id}")


async def find_person(ctx: Context, id: str) -> Person | None:
    return await ctx.db.one(store.person_row(ctx.organization_id, id))


async def get_person(ctx: Context, id: str) -> Person:
    found = await find_person(ctx, id)
    if found is None:
        raise Problem("not_found", "No member of your organization has this id")
    return found


async def require_owner(ctx: Context) -> None:
    """Refuses everybody but the owner and an operator with full access. Looks the role up: ownership may just have changed hands."""
    principal = ctx.principal
    if principal.person_id is None:
        allowed = principal.scopes.everything
    else:
        acting = await find_person(ctx, principal.person_id)
        allowed = acting is not None and acting.role == "owner"
    if not allowed:
        raise Problem("insufficient_scope", "Only the owner changes roles or hands ownership over")
