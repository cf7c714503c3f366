"""The members of an organization's team."""

from __future__ import annotations

from deskbell.core.context import Context
from deskbell.core.scopes import Role
from deskbell.errors import Problem
from deskbell.foundation.contact import Email, parsed
from deskbell.foundation.db import ConstraintViolation, insert, update
from deskbell.foundation.ids import new_id
from deskbell.identity import store
from deskbell.identity.model import Person
from deskbell.organizations import rules


def needs_approval(ctx: Context) -> bool:
    """Whether what somebody changes must be approved by an owner or admin: a member's, and an application's, for which nobody answers in person."""
    if ctx.principal.role is not None:
        return ctx.principal.role not in ("owner", "admin")
    return ctx.principal.type != "operator"


async def add_person(ctx: Context, name: str, email: str, role: Role = "member") -> Person:
    """Adds a member of the team; tasks can be assigned to their id."""
    row = {
        "organization_id": ctx.organization_id,
        "id": new_id(),
        "name": rules.not_blank("name", name),
        "email": parsed("email", Email, email).lower(),
    }
    try:
        await ctx.db.run(insert(store.people, {**row, "role": role, "created_at": ctx.now}))
    except ConstraintViolation:
        raise Problem("duplicate", f"{email} is already a member of this organization") from None
    return await get_person(ctx, str(row["id"]))


async def get_person(ctx: Context, id: str) -> Person:
    found = await ctx.db.one(store.person_row(ctx.organization_id, id))
    if found is None:
        raise Problem("not_found", "No member of your organization has this id")
    return found


async def remove_person(ctx: Context, id: str) -> Person:
    """Takes a member off the team. Their tasks keep their id."""
    person = await get_person(ctx, id)
    await ctx.db.run(update(store.people, {"organization_id": ctx.organization_id, "id": id}, {"removed_at": ctx.now}))
    return person
