"""Reserves the possible cost of a model call while it runs, so that concurrent calls cannot exceed a budget together.

A reservation ends when the call is recorded or fails. Those of a process that died expire.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any

from deskbell.core.context import Context
from deskbell.credits import operations, store
from deskbell.credits.model import Activity
from deskbell.credits.rules import CREDIT, DOLLAR
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
    """Reserves the possible cost of a call in US dollars, None if it is not known. The transaction that records the call must `end` it.

    Raises `payment_required` if the wallet or a budget might not cover it together with all running calls.
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
    amount = await estimate_cost(ctx, activity, agent_id) if cost is None else round(cost * DOLLAR)
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
    """Raises `payment_required` if an amount is more than `left`, or than `left` without the reserved amounts."""
    if amount > left:
        raise Problem("payment_required", f"This reply may cost more than {what}")
    reserved = await ctx.db.one(store.reserved_amount(ctx.organization_id, agent_id)) or 0
    if amount > left - reserved:
        others = "Other replies are being written, and this one may cost more than they leave of"
        raise Problem("payment_required", f"{others} {what}; ask again when they have ended")


async def estimate_cost(ctx: Context, activity: Activity, agent_id: str) -> int:
    """The estimated cost of a call without a known price: from this month's average, or one credit before the first call."""
    used = await ctx.db.one(store.used_since(ctx.organization_id, month(ctx), agent_id, activity))
    return MARGIN * int(used.charge) // int(used.requests) if used and used.requests else CREDIT


async def end(ctx: Context, id: str) -> None:
    """Ends a reservation: in the transaction that records the call's cost, or because the call failed."""
    await ctx.db.lock(lock_name(ctx))
    await ctx.db.run(store.drop_reservation(ctx.organization_id, id))


async def release(session: Session) -> None:
    """Ends all reservations. Call it at startup, if no other process can be running."""
    await session.run(store.drop_reservations())


def lock_name(ctx: Context) -> str:
    """The lock that serializes changes of an organization's reservations."""
    return f"reservations:{ctx.organization_id}"


def month(ctx: Context) -> str:
    return ctx.now[:8] + "01"
