"""What can be done with organizations, people and keys. The API reads; everything else is the operator's, by the CLI."""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import UNSET, UnsetType

from deskbell.core.operation import Context, Operation, Tool
from deskbell.errors import Problem, invalid
from deskbell.foundation import clock
from deskbell.foundation.clock import Instant
from deskbell.foundation.db import ConstraintViolation, Session, insert, update
from deskbell.foundation.ids import NO_ID, new_id
from deskbell.identity import api_keys
from deskbell.organizations import rules, store
from deskbell.organizations.model import (
    READS_PER_MINUTE,
    WRITES_PER_MINUTE,
    ApiKey,
    KeyRevocation,
    Organization,
    OrganizationChanges,
    Person,
    Role,
)

DEFAULT_HOURS = {
    day: {"start": "08:00", "end": "17:00"} for day in ("monday", "tuesday", "wednesday", "thursday", "friday")
}


async def get_organization(ctx: Context) -> Organization:
    """Your organization: identity, opening hours, plan and AI persona."""
    found = await ctx.db.one(store.organization_row(ctx.organization_id))
    if found is None:
        raise Problem("not_found", "No such organization")
    return found


async def context_of(session: Session, organization_id: str, via: str = "user") -> Context:
    """A context of work that no key asked for: a command, a job, a text that came in."""
    country = await session.one(store.organization_country(organization_id))
    if country is None:
        raise Problem("not_found", f"No organization has the id {organization_id}")
    return Context(session, organization_id, country=country, via=via)


async def exists(session: Session, organization_id: str) -> bool:
    """Whether there is such an organization."""
    return await session.one(store.organization_country(organization_id)) is not None


async def approves_agents(ctx: Context) -> bool:
    """Whether a new model or prompt of an agent waits for an owner or admin."""
    return await ctx.db.one(store.approving_organization(ctx.organization_id)) is not None


async def set_agent_approval(ctx: Context, wanted: bool) -> None:
    await ctx.db.run(update(store.organizations, {"id": ctx.organization_id}, {"agent_approval": wanted}))


async def needs_approval(ctx: Context) -> bool:
    """Whether the caller needs somebody's approval: a member, and an application, for which nobody in person stands.

    A command of the operator does not.
    """
    if ctx.person_id is not None:
        return (await get_person(ctx, ctx.person_id)).role not in ("owner", "admin")
    return ctx.via != "user"


async def create_organization(
    session: Session, name: str, *, timezone: str = "America/Chicago", country: str = "US"
) -> Organization:
    """A new business, open on weekdays from eight to five."""
    moment = clock.now()
    row = {
        "id": new_id(),
        "name": rules.not_blank("name", name),
        "business_hours": rules.validate_hours(DEFAULT_HOURS),
        "payment_status": "active",
        "plan_tier": "starter",
        "ai_name": "Sarah",
        "ai_tone": "friendly_professional",
        "timezone": rules.validate_timezone(timezone),
        "country": rules.validate_country(country),
        "created_at": moment,
        "updated_at": moment,
    }
    await session.run(insert(store.organizations, row))
    return await get_organization(Context(session, str(row["id"])))


async def update_organization(ctx: Context, changes: OrganizationChanges) -> Organization:
    """Changes the organization's contact details, hours, time zone or AI persona; absent fields stay."""
    await get_organization(ctx)
    given = {name: value for name, value in msgspec.structs.asdict(changes).items() if value is not UNSET}
    if given.get("primary_phone"):
        given["primary_phone"] = rules.e164(given["primary_phone"], ctx.country, "primary_phone")
    if given.get("primary_email"):
        given["primary_email"] = parsed("primary_email", rules.Email, given["primary_email"])
    if "business_hours" in given:
        given["business_hours"] = rules.validate_hours(msgspec.json.decode(given["business_hours"]))
    for name in ("ai_name", "ai_tone"):
        if name in given:
            rules.not_blank(name, given[name])
    if given.get("logo_url") is not None:
        given["logo_url"] = rules.validate_logo(given["logo_url"])
    if "timezone" in given:
        given["timezone"] = rules.validate_timezone(given["timezone"])
    await ctx.db.run(update(store.organizations, {"id": ctx.organization_id}, {**given, "updated_at": ctx.now}))
    return await get_organization(ctx)


def parsed(field: str, kind: Any, text: str) -> str:
    """A value of one of our string types, or a `validation_error` that names the field."""
    try:
        return str(kind.parse(text))
    except ValueError as error:
        raise invalid(field, str(error)) from None


async def add_person(ctx: Context, name: str, email: str, role: Role = "member") -> Person:
    """Adds a member of the team; tasks can be assigned to their id."""
    row = {
        "organization_id": ctx.organization_id,
        "id": new_id(),
        "name": rules.not_blank("name", name),
        "email": parsed("email", rules.Email, email).lower(),
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


async def create_key(
    ctx: Context,
    name: str,
    *,
    scopes: list[str],
    reads: int = READS_PER_MINUTE,
    writes: int = WRITES_PER_MINUTE,
    expires_at: Instant | None = None,
    person_id: str | None = None,
) -> tuple[ApiKey, str]:
    """A new API key and, this once, its plaintext. No scopes means full access."""
    if person_id is not None:
        await get_person(ctx, person_id)
    plaintext = api_keys.new_key()
    row = {
        "organization_id": ctx.organization_id,
        "id": new_id(),
        "name": rules.not_blank("name", name),
        "key_hash": api_keys.key_hash(plaintext),
        "prefix": plaintext[:12],
        "scopes": msgspec.json.encode(rules.validate_scopes(scopes)).decode(),
        "person_id": person_id,
        "active": True,
        "expires_at": expires_at,
        "reads_per_minute": positive("reads", reads),
        "writes_per_minute": positive("writes", writes),
        "created_at": ctx.now,
    }
    await ctx.db.run(insert(store.api_keys, row))
    return await get_key(ctx.db, str(row["id"])), plaintext


def positive(field: str, number: int) -> int:
    if not 0 < number < 2**31:
        raise invalid(field, "must be a positive number of requests per minute")
    return number


async def get_key(session: Session, id: str) -> ApiKey:
    found = await session.one(store.key_row(id))
    if found is None:
        raise Problem("not_found", f"No API key has the id {id}")
    return found


async def update_key(
    session: Session,
    id: str,
    *,
    scopes: list[str] | None = None,
    reads: int | None = None,
    writes: int | None = None,
    expires_at: Instant | UnsetType | None = UNSET,
) -> ApiKey:
    """Changes what a key may do; holds within a second in a running server. None takes its expiry away."""
    await get_key(session, id)
    changes: dict[str, Any] = {}
    if scopes is not None:
        changes["scopes"] = msgspec.json.encode(rules.validate_scopes(scopes)).decode()
    if reads is not None:
        changes["reads_per_minute"] = positive("reads", reads)
    if writes is not None:
        changes["writes_per_minute"] = positive("writes", writes)
    if expires_at is not UNSET:
        changes["expires_at"] = expires_at
    if changes:
        await session.run(update(store.api_keys, {"id": id}, changes))
    return await get_key(session, id)


async def revoke_key(session: Session, id: str) -> ApiKey:
    """Ends a key; holds within a second in a running server."""
    await get_key(session, id)
    await session.run(update(store.api_keys, {"id": id}, {"active": False}))
    return await get_key(session, id)


async def key_ends_after(session: Session, last: KeyRevocation | None, most: int) -> list[KeyRevocation]:
    """Keys of all organizations that are revoked or expire some day, behind `last`."""
    return await session.all(store.key_ends_after(last.id if last else NO_ID, most))


async def carry_over_ends(session: Session, entries: list[KeyRevocation]) -> int:
    """Ends the keys of an earlier state as a later one ended them, never later. How many changed; keys that it lacks are left out."""
    changed = 0
    for end in entries:
        revoked = not end.active and await session.run(store.end_key(end.id))
        shortened = end.expires_at and await session.run(store.shorten_key(end.id, end.expires_at))
        changed += bool(revoked or shortened)
    return changed


GET_ORG = Tool(
    "get_org",
    "Get the organization",
    "The business that you work for: name, contact details, business_hours (local times, null when closed), timezone and the name"
    " and tone of its AI persona. Use it before you propose times or write in its name.",
)

OPERATIONS = [
    Operation("org.get", get_organization, "GET /api/v1/org", scope="org:read", tool=GET_ORG),
]
