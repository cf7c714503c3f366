"""API keys of the CRM API: `brk_` and 48 hex digits, of which only the SHA-256 is stored."""

from __future__ import annotations

import secrets
from hashlib import sha256
from typing import Any
from zlib import crc32

import msgspec
from msgspec import UNSET, UnsetType

from deskbell.core.context import Context
from deskbell.errors import Problem, invalid
from deskbell.foundation.clock import Instant
from deskbell.foundation.db import Session, insert, update
from deskbell.foundation.ids import NO_ID, new_id
from deskbell.identity import store
from deskbell.identity.model import READS_PER_MINUTE, WRITES_PER_MINUTE, ApiKey, KeyRevocation
from deskbell.identity.people import get_person
from deskbell.identity.rules import validate_scopes
from deskbell.organizations import rules


def new_key() -> str:
    """A fresh key: 20 random bytes and their CRC32, so that a scanner can tell a real key from a look-alike."""
    random = secrets.token_bytes(20)
    return f"brk_{random.hex()}{crc32(random):08x}"


def key_hash(key: str) -> str:
    return sha256(key.encode()).hexdigest()


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
        changes["scopes"] = msgspec.json.encode(validate_scopes(scopes)).decode()
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
