"""Suppressions of phone numbers: opt-outs and do-not-call entries. No change of a lead lifts them."""

from __future__ import annotations

from typing import Any

import msgspec

from deskbell.compliance import store
from deskbell.compliance.model import Suppression, SuppressionChange, SuppressionKind, SuppressionStatus
from deskbell.core.context import Context, operator_context
from deskbell.core.earlier_versions import entries_about
from deskbell.core.events import empty_events_of_object, record
from deskbell.foundation.contact import number_hash
from deskbell.foundation.db import Session, insert, update
from deskbell.foundation.ids import NO_ID
from deskbell.organizations.operations import exists


async def suppression_status(ctx: Context, phone: str) -> SuppressionStatus:
    """The suppressions of a number (E.164)."""
    status = await ctx.db.one(store.suppression_status(ctx.organization_id, number_hash(ctx.organization_id, phone)))
    return status or SuppressionStatus(None, None)


async def store_status(ctx: Context, phone: str, **changes: Any) -> None:
    key = {"organization_id": ctx.organization_id, "number_hash": number_hash(ctx.organization_id, phone)}
    if await ctx.db.one(store.suppression_status(*key.values())) is None:
        await ctx.db.run(insert(store.suppressions, {**key, "phone": phone, **changes}))
    else:
        await ctx.db.run(update(store.suppressions, key, {"phone": phone, **changes}))


async def opt_out(ctx: Context, phone: str, lead_id: str | None = None) -> bool:
    """Records an opt-out. Returns False if there was one already."""
    return await change(ctx, phone, "opt_out", ctx.now, lead_id)


async def opt_in(ctx: Context, phone: str, lead_id: str | None = None) -> None:
    """Lifts an opt-out, as the person asked. A do-not-call entry stays."""
    await change(ctx, phone, "opt_out", None, lead_id)


async def add_to_dnc_list(ctx: Context, phone: str) -> None:
    """Adds a number to the organization's do-not-call list."""
    await change(ctx, phone, "dnc", ctx.now)


async def remove_from_dnc_list(ctx: Context, phone: str) -> None:
    """Removes a number from the organization's do-not-call list. An opt-out stays."""
    await change(ctx, phone, "dnc", None)


async def change(
    ctx: Context, phone: str, kind: SuppressionKind, moment: str | None, lead_id: str | None = None
) -> bool:
    """Adds one kind of suppression at a time, or lifts it if that is None. Returns whether anything changed."""
    column = {"opt_out": "opted_out_at", "dnc": "on_dnc_at"}[kind]
    current = getattr(await suppression_status(ctx, phone), column)
    if (current is None) == (moment is None):
        return False
    await store_status(ctx, phone, **{column: moment})
    number = number_hash(ctx.organization_id, phone)
    await record_change(ctx, number, SuppressionChange(phone, kind), lead_id, added=moment is not None)
    return True


async def record_change(
    ctx: Context, number: str, change: SuppressionChange, lead_id: str | None = None, *, added: bool
) -> None:
    """Records that a number, given by its hash, got or lost one kind of suppression."""
    await record(ctx, "suppression.added" if added else "suppression.lifted", number, lead_id=lead_id, after=change)


async def suppressions_at(ctx: Context, phone: str, moment: str) -> dict[SuppressionKind, bool]:
    """Which kinds of suppression a number had at a time, by the event log. Kinds that are missing have not changed since the log began."""
    suppressed: dict[SuppressionKind, bool] = {}
    number = number_hash(ctx.organization_id, phone)
    for entry in await ctx.db.all(entries_about(ctx.organization_id, "suppression", number)):
        if entry.data is None:
            continue
        kind = msgspec.json.decode(entry.data, type=SuppressionChange).kind
        added = entry.type == "suppression.added"
        if entry.created_at <= moment:
            suppressed[kind] = added
        else:
            suppressed.setdefault(kind, not added)
    return suppressed


async def suppressions_after(session: Session, last: Suppression | None, limit: int) -> list[Suppression]:
    """The next suppressions after `last`, of all organizations."""
    key = (last.organization_id, last.number_hash) if last else (NO_ID, "")
    return await session.all(store.suppressions_after(*key, limit))


async def carry_over(session: Session, entries: list[Suppression]) -> int:
    """Copies suppressions of a replaced database over those of the restored one. Returns how many; skips organizations that it lacks."""
    carried = 0
    for entry in entries:
        if not await exists(session, entry.organization_id):
            continue
        row = msgspec.structs.asdict(entry)
        key = {name: row.pop(name) for name in ("organization_id", "number_hash")}
        before = await session.one(store.suppression_status(*key.values())) or SuppressionStatus(None, None)
        if not await session.run(update(store.suppressions, key, row)):
            await session.run(insert(store.suppressions, key | row))
        await record_differences(await operator_context(session, entry.organization_id), before, entry)
        carried += 1
    return carried


async def record_differences(ctx: Context, before: SuppressionStatus, after: Suppression) -> None:
    """Records each kind of suppression that a number got or lost by a restore."""
    kinds: dict[SuppressionKind, str] = {"opt_out": "opted_out_at", "dnc": "on_dnc_at"}
    for kind, column in kinds.items():
        added = getattr(after, column) is not None
        if added != (getattr(before, column) is not None):
            await record_change(ctx, after.number_hash, SuppressionChange(after.phone, kind), added=added)


async def erase_number(ctx: Context, phone: str) -> None:
    """Deletes a number from its suppression and events. Keeps its hash, which an opt-out needs."""
    key = {"organization_id": ctx.organization_id, "number_hash": number_hash(ctx.organization_id, phone)}
    await ctx.db.run(update(store.suppressions, key, {"phone": None}))
    await ctx.db.run(empty_events_of_object(ctx.organization_id, "suppression", key["number_hash"]))
