"""Reserves what a call of a model may cost while it runs, so that concurrent calls cannot exceed a budget together.

A reservation ends when the call is recorded or fails. That of a process that died expires.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any

from deskbell.core.context import Context
from deskbell.credits import operations, store
from deskbell.credits.model import Activity
from deskbell.credits.rules import CREDIT, NANO
from deskbell.errors import Problem
from deskbell.foundation.db import DatabaseFailure, Session, insert
from deskbell.foundation.ids import NO_ID, new_id

log = logging.getLogger(__name__)

LEASE = 900.0  # seconds: longer than any reply
MARGIN = 2  # times the average cost of such calls, where no price is known

#: Runs one transaction of the organization.
Write = Callable[[Callable[[Context], Coroutine[Any, Any, Any]]], Awaitable[Any]]


@asynccontextmanager
async def reservation(write: Write, activity: Activity, agent_id: str, cost: float | None) -> AsyncIterator[str]:
    """Reserves what a call may cost, in US dollars; None if its price is not known. The transaction that records the call must `end` it.

    Raises `payment_required` if wallet or budget may not cover it in addition to all others that run.
    """
    id = new_id()
    try:
        await write(lambda ctx: reserve(ctx, id, activity, agent_id, cost))
        yield id
    except BaseException:
        try:
            await write(lambda ctx: end(ctx, id))
        except DatabaseFailure as failure:
            log.warning("a reservation stays for %d s: %s", LEASE, failure)
        raise


async def reserve(ctx: Context, id: str, activity: Activity, agent_id: str, cost: float | None) -> None:
    await ctx.db.lock(lock_name(ctx))
    await ctx.db.run(store.drop_expired(ctx.organization_id, ctx.now))
    amount = await estimate_cost(ctx, activity, agent_id) if cost is None else round(cost * NANO)
    if await operations.is_metered(ctx.db):
        await require_funds(ctx, None, await operations.balance(ctx), amount, "what is left in the wallet")
    for budget in await ctx.db.all(store.budgets_for(ctx.organization_id, agent_id, NO_ID)):
        budgeted_agent = None if budget.agent_id == NO_ID else budget.agent_id
        used = await ctx.db.one(store.charged_since(ctx.organization_id, month(ctx), budgeted_agent)) or 0
        name = "agent" if budgeted_agent else "organization"
        await require_funds(
            ctx, budgeted_agent, budget.amount - used, amount, f"what is left of the monthly budget of this {name}"
        )
    row = {"organization_id": ctx.organization_id, "id": id, "agent_id": agent_id, "amount": amount}
    await ctx.db.run(insert(store.reservations, row | {"expires_at": ctx.seconds_from_now(LEASE)}))


async def require_funds(ctx: Context, agent_id: str | None, left: int, amount: int, what: str) -> None:
    """Raises `payment_required` if an amount is more than what is left, or more than what reservations leave of that."""
    if amount > left:
        raise Problem("payment_required", f"This reply may cost more than {what}")
    reserved = await ctx.db.one(store.reserved_amount(ctx.organization_id, agent_id)) or 0
    if amount > left - reserved:
        others = "Other replies are being written, and this one may cost more than they leave of"
        raise Problem("payment_required", f"{others} {what}; ask again when they have ended")


async def estimate_cost(ctx: Context, activity: Activity, agent_id: str) -> int:
    """An estimate for a call without a known price: by this month's average, or a credit before the first."""
    used = await ctx.db.one(store.used_since(ctx.organization_id, month(ctx), agent_id, activity))
    return MARGIN * int(used.charge) // int(used.requests) if used and used.requests else CREDIT


async def end(ctx: Context, id: str) -> None:
    """Ends a reservation: in the transaction that records the call's cost, or because the call failed."""
    await ctx.db.lock(lock_name(ctx))
    await ctx.db.run(store.drop_reservation(ctx.organization_id, id))


async def release(session: Session) -> None:
    """Ends all reservations. For a start after which no earlier process can still be at work."""
    await session.run(store.drop_reservations())


def lock_name(ctx: Context) -> str:
    """The lock under which an organization's reservations are made and ended one at a time."""
    return f"reservations:{ctx.organization_id}"


def month(ctx: Context) -> str:
    return ctx.now[:8] + "01"
