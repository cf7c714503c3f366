"""What is known of a phone number itself: opt-outs and do-not-call. They outlive leads, and no change of a lead frees a number."""

from __future__ import annotations

from typing import Any

import msgspec

from deskbell.compliance import store as compliance_store
from deskbell.compliance.model import Standing, Suppression
from deskbell.core.context import Context
from deskbell.foundation.contact import number_hash
from deskbell.foundation.db import Session, insert, update
from deskbell.foundation.ids import NO_ID
from deskbell.organizations.operations import exists


async def standing(ctx: Context, phone: str) -> Standing:
    """What stands against texting a number (E.164); both fields null when nothing does."""
    found = await ctx.db.one(compliance_store.standing_of(ctx.organization_id, number_hash(ctx.organization_id, phone)))
    return found or Standing(None, None)


async def note(ctx: Context, phone: str, **changes: Any) -> None:
    key = {"organization_id": ctx.organization_id, "number_hash": number_hash(ctx.organization_id, phone)}
    if await ctx.db.one(compliance_store.standing_of(*key.values())) is None:
        await ctx.db.run(insert(compliance_store.suppressions, {**key, "phone": phone, **changes}))
    else:
        await ctx.db.run(update(compliance_store.suppressions, key, {"phone": phone, **changes}))


async def opt_out(ctx: Context, phone: str) -> bool:
    """Records that the person wants no more texts; answers whether that is news."""
    if (await standing(ctx, phone)).opted_out_at is not None:
        return False
    await note(ctx, phone, opted_out_at=ctx.now)
    return True


async def opt_in(ctx: Context, phone: str) -> None:
    """Undoes an opt-out, at the person's own word. A do-not-call entry stays."""
    if (await standing(ctx, phone)).opted_out_at is not None:
        await note(ctx, phone, opted_out_at=None)


async def put_on_dnc(ctx: Context, phone: str) -> None:
    """Puts a number on the organization's do-not-call list."""
    if (await standing(ctx, phone)).on_dnc_at is None:
        await note(ctx, phone, on_dnc_at=ctx.now)


async def take_off_dnc(ctx: Context, phone: str) -> None:
    """Takes a number off the organization's do-not-call list. An opt-out stays."""
    if (await standing(ctx, phone)).on_dnc_at is not None:
        await note(ctx, phone, on_dnc_at=None)


async def noted_after(session: Session, last: Suppression | None, most: int) -> list[Suppression]:
    """The entries of all organizations behind `last`, for the operator who moves them."""
    place = (last.organization_id, last.number_hash) if last else (NO_ID, "")
    return await session.all(compliance_store.suppressions_after(*place, most))


async def carry_over(session: Session, entries: list[Suppression]) -> int:
    """Puts entries of a later state into an earlier one, whose own they replace. How many; organizations that it lacks are left out."""
    carried = 0
    for entry in entries:
        if not await exists(session, entry.organization_id):
            continue
        row = msgspec.structs.asdict(entry)
        key = {name: row.pop(name) for name in ("organization_id", "number_hash")}
        if not await session.run(update(compliance_store.suppressions, key, row)):
            await session.run(insert(compliance_store.suppressions, key | row))
        carried += 1
    return carried


async def erase_number(ctx: Context, phone: str) -> None:
    """Leaves of a number only the hash that an opt-out needs."""
    key = {"organization_id": ctx.organization_id, "number_hash": number_hash(ctx.organization_id, phone)}
    await ctx.db.run(update(compliance_store.suppressions, key, {"phone": None}))
