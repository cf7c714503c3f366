"""API keys of the CRM API: `brk_` and 48 hex digits, of which only the SHA-256 is stored."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from hashlib import sha256
from typing import Any
from zlib import crc32

import msgspec
from msgspec import UNSET, UnsetType

from deskbell.core.context import Context, operator_context
from deskbell.core.events import record
from deskbell.errors import Problem, invalid
from deskbell.foundation.clock import Instant
from deskbell.foundation.db import Session, insert, update
from deskbell.foundation.ids import NO_ID, new_id
from deskbell.foundation.pagination import Page, given
from deskbell.identity import store
from deskbell.identity.key_rights import bounded_expiry, check_person, check_scopes, reaches_all
from deskbell.identity.lookups import get_person, lock_team
from deskbell.identity.model import (
    READS_PER_MINUTE,
    WRITES_PER_MINUTE,
    ApiKey,
    ApiKeyFilter,
    CreatedApiKey,
    KeyRevocation,
    NewApiKey,
)
from deskbell.identity.rules import validate_scopes
from deskbell.organizations import rules


def new_key() -> str:
    """A fresh key: 20 random bytes and their CRC32, so that a scanner can tell a real key from a look-alike."""
    random = secrets.token_bytes(20)
    return f"brk_{random.hex()}{crc32(random):08x}"


def key_hash(key: str) -> str:
    return sha256(key.encode()).hexdigest()


async def list_api_keys(ctx: Context, filter: ApiKeyFilter) -> Page[ApiKey]:
    """List API keys, newest first, revoked ones too. An owner or admin sees all, a member or viewer their own."""
    person_id: str | None = given(filter.person_id)
    if not reaches_all(ctx):
        if person_id not in (None, ctx.principal.person_id):
            return Page([], 0, filter)
        person_id = ctx.principal.person_id
    statement = store.key_list(ctx.organization_id, person_id)
    rows, total = await ctx.db.page(statement, filter.page, filter.limit)
    return Page(rows, total, filter)


async def create_api_key(ctx: Context, new: NewApiKey) -> CreatedApiKey:
    """Make an API key. It is shown this once, and can never do more than yours: what it may do, until when, and how often.

    A key made by a person's key belongs to that person, unless `person_id` names another one, which takes an owner or admin.
    For the owner only somebody who may change roles makes a key. A member needs no `people:write` for keys of their own.
    """
    await lock_team(ctx)
    person_id = new.person_id or ctx.principal.person_id
    await check_person(ctx, person_id)
    check_scopes(ctx, new.scopes, own=person_id == ctx.principal.person_id)
    limits = ctx.principal.credential
    made, plaintext = await create_key(
        ctx,
        new.name,
        scopes=new.scopes,
        reads=min(READS_PER_MINUTE, limits.reads_per_minute if limits else READS_PER_MINUTE),
        writes=min(WRITES_PER_MINUTE, limits.writes_per_minute if limits else WRITES_PER_MINUTE),
        expires_at=bounded_expiry(ctx, new.expires_at),
        person_id=person_id,
    )
    return CreatedApiKey(**msgspec.structs.asdict(made), key=plaintext)


async def revoke_api_key(ctx: Context, id: str) -> ApiKey:
    """Revoke an API key, for good. It is refused within a second; revoking it again changes nothing. A member revokes keys of their own."""
    key = await get_key(ctx, id)
    if key.person_id != ctx.principal.person_id and not reaches_all(ctx):
        raise Problem("insufficient_scope", "A member reaches only API keys of their own")
    return await revoke_key(ctx, id)


async def create_key(
    ctx: Context,
    name: str,
    *,
    scopes: Sequence[str],
    reads: int = READS_PER_MINUTE,
    writes: int = WRITES_PER_MINUTE,
    expires_at: Instant | None = None,
    person_id: str | None = None,
) -> tuple[ApiKey, str]:
    """A new API key and, this once, its plaintext. No scopes means full access."""
    await lock_team(ctx)
    if person_id is not None:
        await get_person(ctx, person_id)
    plaintext = new_key()
    row = {
        "organization_id": ctx.organization_id,
        "id": new_id(),
        "name": rules.not_blank("name", name),
        "key_hash": key_hash(plaintext),
        "prefix": plaintext[:12],
        "scopes": msgspec.json.encode(validate_scopes(scopes)).decode(),
        "person_id": person_id,
        "active": True,
        "expires_at": expires_at,
        "reads_per_minute": positive("reads", reads),
        "writes_per_minute": positive("writes", writes),
        "created_at": ctx.now,
    }
    await ctx.db.run(insert(store.api_keys, row))
    made = await get_key(ctx, str(row["id"]))
    await record(ctx, "api_key.created", made.id, after=made)
    return made, plaintext


def positive(field: str, number: int) -> int:
    if not 0 < number < 2**31:
        raise invalid(field, "must be a positive number of requests per minute")
    return number


async def get_key(ctx: Context, id: str) -> ApiKey:
    found = await ctx.db.one(store.key_row(ctx.organization_id, id))
    if found is None:
        raise Problem("not_found", "No API key of your organization has this id")
    return found


async def update_key(
    ctx: Context,
    id: str,
    *,
    scopes: list[str] | None = None,
    reads: int | None = None,
    writes: int | None = None,
    expires_at: Instant | UnsetType | None = UNSET,
) -> ApiKey:
    """Changes what a key may do; holds within a second in a running server. None takes its expiry away."""
    await lock_team(ctx)
    before = await get_key(ctx, id)
    changes: dict[str, Any] = {}
    if scopes is not None:
        changes["scopes"] = msgspec.json.encode(validate_scopes(scopes)).decode()
    if reads is not None:
        changes["reads_per_minute"] = positive("reads", reads)
    if writes is not None:
        changes["writes_per_minute"] = positive("writes", writes)
    if expires_at is not UNSET:
        changes["expires_at"] = expires_at
    return await write_key(ctx, "api_key.updated", before, changes) if changes else before


async def write_key(ctx: Context, event: str, before: ApiKey, columns: dict[str, Any]) -> ApiKey:
    await ctx.db.run(update(store.api_keys, {"organization_id": ctx.organization_id, "id": before.id}, columns))
    after = await get_key(ctx, before.id)
    await record(ctx, event, after.id, before=before, after=after)
    return after


async def revoke_key(ctx: Context, id: str) -> ApiKey:
    """Ends a key; holds within a second in a running server."""
    await lock_team(ctx)
    key = await get_key(ctx, id)
    if not key.active:
        return key
    return await write_key(ctx, "api_key.revoked", key, {"active": False})


async def revoke_keys_of(ctx: Context, person_id: str) -> None:
    """Ends every key of somebody who leaves."""
    for key in await ctx.db.all(store.live_keys_of_person(ctx.organization_id, person_id)):
        await revoke_key(ctx, key.id)


async def key_ends_after(session: Session, last: KeyRevocation | None, most: int) -> list[KeyRevocation]:
    """Keys of all organizations that are revoked or expire some day, behind `last`."""
    return await session.all(store.key_ends_after(last.id if last else NO_ID, most))


async def carry_over_ends(session: Session, entries: list[KeyRevocation]) -> int:
    """Ends the keys of an earlier state as a later one ended them, never later. How many changed; keys that it lacks are left out."""
    return sum([await carry_over_end(session, end) for end in entries])


async def carry_over_end(session: Session, end: KeyRevocation) -> bool:
    """Whether the key is there and ended later than that."""
    organization_id = await session.one(store.organization_of_key(end.id))
    if organization_id is None:
        return False
    ctx = await operator_context(session, organization_id)
    key = await get_key(ctx, end.id)
    revoked = key.active and not end.active
    if revoked:
        await revoke_key(ctx, end.id)
    if end.expires_at is None or await session.one(store.later_expiry(organization_id, end.id, end.expires_at)) is None:
        return revoked
    await update_key(ctx, end.id, expires_at=Instant(end.expires_at))
    return True
