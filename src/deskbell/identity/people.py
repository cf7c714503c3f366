"""The members of an organization's team, their roles, and the one owner."""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import UNSET

from deskbell.core.context import Context
from deskbell.core.events import record
from deskbell.core.scopes import Role
from deskbell.errors import Problem, invalid
from deskbell.foundation.contact import Email, e164, parsed
from deskbell.foundation.db import ConstraintViolation, insert, update
from deskbell.foundation.ids import new_id
from deskbell.foundation.pagination import Page
from deskbell.identity import store
from deskbell.identity.access.membership import leave_groups_and_grants
from deskbell.identity.api_keys import revoke_keys_of
from deskbell.identity.lookups import get_person, lock_team, require_owner
from deskbell.identity.model import Person, PersonChanges, PersonFilter
from deskbell.organizations import rules


def needs_approval(ctx: Context) -> bool:
    """Whether what somebody changes must be approved by an owner or admin: a member's, and an application's, for which nobody answers in person."""
    if ctx.principal.role is not None:
        return ctx.principal.role not in ("owner", "admin")
    return ctx.principal.type != "operator"


async def list_people(ctx: Context, filter: PersonFilter) -> Page[Person]:
    """List the team, those who joined first at the top. People who were removed are left out."""
    rows, total = await ctx.db.page(store.person_list(ctx.organization_id), filter.page, filter.limit)
    return Page(rows, total, filter)


async def add_person(ctx: Context, name: str, email: str, role: Role = "member") -> Person:
    """Adds a member of the team; tasks can be assigned to their id. A new owner makes the former one an admin."""
    await lock_team(ctx)
    row = {
        "organization_id": ctx.organization_id,
        "id": new_id(),
        "name": rules.not_blank("name", name),
        "email": parsed("email", Email, email).lower(),
    }
    if role == "owner":
        await require_owner(ctx)
        await demote_owners(ctx)
    try:
        await ctx.db.run(insert(store.people, {**row, "role": role, "notify": "{}", "created_at": ctx.now}))
    except ConstraintViolation:
        raise Problem("duplicate", f"{email} is already a member of this organization") from None
    person = await get_person(ctx, str(row["id"]))
    await record(ctx, "person.added", person.id, after=person)
    return person


async def update_person(ctx: Context, id: str, changes: PersonChanges) -> Person:
    """Change a member of the team: absent fields stay, null clears the phone.

    Only the owner changes roles, and an operator's key with full access. Making somebody the owner makes the former one an admin.
    """
    await lock_team(ctx)
    person = await get_person(ctx, id)
    given = {name: value for name, value in msgspec.structs.asdict(changes).items() if value is not UNSET}
    if "name" in given:
        rules.not_blank("name", given["name"])
    if given.get("phone") is not None:
        given["phone"] = e164(given["phone"], ctx.country)
    if "notify" in given:
        given["notify"] = encoded(given["notify"])
    if given.get("role", person.role) != person.role:
        await change_role(ctx, person, given["role"])
    return await write_person(ctx, person, given)


async def write_person(ctx: Context, before: Person, columns: dict[str, Any]) -> Person:
    await ctx.db.run(update(store.people, {"organization_id": ctx.organization_id, "id": before.id}, columns))
    after = await get_person(ctx, before.id)
    await record(ctx, "person.updated", after.id, before=before, after=after)
    return after


async def change_role(ctx: Context, person: Person, role: Role) -> None:
    """Checks that somebody may be given this role, and makes room for a new owner. The caller holds the team's lock."""
    await require_owner(ctx)
    if role == "owner":
        await demote_owners(ctx)
    elif person.role == "owner" and len(await ctx.db.all(store.owners_of(ctx.organization_id))) == 1:
        raise Problem("owner_required", "This is the only owner; make somebody else the owner instead")


async def demote_owners(ctx: Context) -> None:
    """Makes who owns the organization an admin: several people, where they became owners before there was one for each organization."""
    for id in await ctx.db.all(store.owners_of(ctx.organization_id)):
        await write_person(ctx, await get_person(ctx, id), {"role": "admin"})


async def remove_person(ctx: Context, id: str) -> Person:
    """Take somebody off the team. Their API keys end with it, and their groups and grants lose them; tasks keep their id."""
    await lock_team(ctx)
    person = await get_person(ctx, id)
    if person.role == "owner":
        raise Problem("owner_required", "The owner cannot be removed; make somebody else the owner first")
    await revoke_keys_of(ctx, id)
    await leave_groups_and_grants(ctx, id)
    await ctx.db.run(update(store.people, {"organization_id": ctx.organization_id, "id": id}, {"removed_at": ctx.now}))
    await record(ctx, "person.removed", id, after=person)
    return person


def encoded(notify: dict[str, bool]) -> str:
    """The names of notifications and whether each is on, as stored."""
    for name in notify:
        if not 0 < len(name) <= 100:
            raise invalid("notify", "must have names of 1 to 100 characters")
    return msgspec.json.encode(notify).decode()
