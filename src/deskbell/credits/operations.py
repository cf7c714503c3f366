"""Operations on credits: check whether work may begin, record its usage, and report it."""

from __future__ import annotations

from datetime import date, timedelta

from msgspec import UNSET

from deskbell.core import events
from deskbell.core.context import Context
from deskbell.core.operation import Operation
from deskbell.core.scopes import MANAGE
from deskbell.credits import rules, store
from deskbell.credits.model import (
    Activity,
    MonthlyBudget,
    UsageDay,
    UsageFilter,
    UsageReport,
    UsageRow,
    UsageTotals,
    WalletChange,
)
from deskbell.errors import Problem, invalid
from deskbell.foundation.db import Session, insert
from deskbell.foundation.ids import NO_ID

METERING = "metering"
DEFAULT_DAYS = 30
MAX_DAYS = 366


async def set_metering(session: Session, on: bool) -> None:
    """Stores the setting in the database, so that every process and command agrees."""
    if await is_metered(session) != on:
        await session.run(store.drop_installation_value(METERING))
        await session.run(insert(store.installation, {"name": METERING, "value": "on" if on else "off"}))


async def is_metered(session: Session) -> bool:
    return await session.one(store.installation_value(METERING)) == "on"


async def require_credit(ctx: Context, agent_id: str | None = None) -> bool:
    """Raises `payment_required` if the wallet of a metered installation is empty, or a budget of this month is used up.

    Returns whether there is a wallet or a budget at all.
    """
    metered = await is_metered(ctx.db)
    if metered and await balance(ctx) <= 0:
        raise Problem("payment_required")
    month = ctx.now[:8] + "01"
    budgets = await ctx.db.all(store.budgets_for(ctx.organization_id, agent_id or NO_ID, NO_ID))
    for budget in budgets:
        budgeted_agent = None if budget.agent_id == NO_ID else budget.agent_id
        used = await ctx.db.one(store.charged_since(ctx.organization_id, month, budgeted_agent)) or 0
        if used >= budget.amount:
            name = "agent" if budgeted_agent else "organization"
            raise Problem("payment_required", f"The monthly budget of this {name} is used up")
    return metered or bool(budgets)


async def record(
    ctx: Context,
    *,
    activity: Activity,
    agent_id: str | None = None,
    input_tokens: int = 0,
    output_tokens: int = 0,
    cost: float = 0.0,
    count: int = 1,
) -> None:
    """Adds work to the day's usage, in the transaction that stores it, and charges the wallet of a metered installation.

    `cost` is what a provider charged, in US dollars.
    """
    provider_cost = round(cost * rules.DOLLAR)
    charge = rules.charge(activity, count, input_tokens + output_tokens, provider_cost)
    key = (ctx.organization_id, ctx.now[:10], agent_id or NO_ID, activity)
    amounts = (count, input_tokens, output_tokens, provider_cost, charge)
    # The day's row almost always exists.
    if not await ctx.db.run(store.add_usage(*key, *amounts)):
        names = [column.name for column in store.usage_days.columns]
        await ctx.db.run(insert(store.usage_days, dict(zip(names, (*key, *amounts), strict=True))))
    if charge and await is_metered(ctx.db):
        await change_balance(ctx, -charge)


async def balance(ctx: Context) -> int:
    """The wallet's balance, in billionths of a US dollar."""
    return await ctx.db.one(store.balance(ctx.organization_id)) or 0


async def add(ctx: Context, amount: int) -> int:
    """Adds credits to the wallet, or removes a negative amount, and records the event. Returns the new balance."""
    if not amount:
        return await balance(ctx)
    new_balance = await change_balance(ctx, amount)
    change = WalletChange(rules.credits_of(amount), rules.credits_of(new_balance))
    await events.record(ctx, "credits.added", ctx.organization_id, after=change)
    return new_balance


async def change_balance(ctx: Context, amount: int) -> int:
    """Adds an amount, which may be negative, to the wallet. Returns the new balance."""
    if not await ctx.db.run(store.add_to_wallet(ctx.organization_id, amount, ctx.now)):
        row = {"organization_id": ctx.organization_id, "balance": amount, "updated_at": ctx.now}
        await ctx.db.run(insert(store.wallets, row))
    return await balance(ctx)


async def set_budget(ctx: Context, agent_id: str | None, amount: int | None) -> None:
    """Limits the usage of an agent, or of the organization if None, in a calendar month (UTC). The amount None removes the limit."""
    budget_id = agent_id or NO_ID
    existing = await ctx.db.all(store.budgets_for(ctx.organization_id, budget_id, budget_id))
    before = MonthlyBudget(agent_id, rules.credits_of(existing[0].amount) if existing else None)
    after = MonthlyBudget(agent_id, None if amount is None else rules.credits_of(amount))
    if before == after:
        return
    await events.record(ctx, "credits.added", ctx.organization_id, before=before, after=after)
    await ctx.db.run(store.drop_budget(ctx.organization_id, budget_id))
    if amount is not None:
        row = {"organization_id": ctx.organization_id, "agent_id": budget_id, "amount": amount}
        await ctx.db.run(insert(store.budgets, row))


async def get_usage(ctx: Context, filter: UsageFilter) -> UsageReport:
    """Tokens, cost and credits by day, agent and activity. Days are in UTC."""
    until = ctx.now[:10] if filter.until is UNSET else filter.until[:10]
    default = (date.fromisoformat(until) - timedelta(days=DEFAULT_DAYS - 1)).isoformat() if until > "0001-02" else until
    since = default if filter.since is UNSET else filter.since[:10]
    if not 0 <= (date.fromisoformat(until) - date.fromisoformat(since)).days < MAX_DAYS:
        raise invalid("to", f"must be a day from `from` on, less than {MAX_DAYS} days after it")
    rows = await ctx.db.all(store.usage_between(ctx.organization_id, since, until))
    totals = [sum(column) for column in zip(*(amounts(row) for row in rows), strict=True)] or [0] * 5
    return UsageReport(
        since,
        until,
        [day_of(row) for row in rows],
        UsageTotals(*in_units(totals)),
        rules.credits_of(await balance(ctx)),
    )


def amounts(row: UsageRow) -> list[int]:
    return [row.requests, row.input_tokens, row.output_tokens, row.cost, row.charge]


def in_units(amounts: list[int]) -> tuple[int, int, int, int, float, float]:
    """Converts sums to requests; input, output and total tokens; US dollars; credits."""
    requests, tokens_in, tokens_out, cost, charge = amounts
    return requests, tokens_in, tokens_out, tokens_in + tokens_out, cost / rules.DOLLAR, rules.credits_of(charge)


def day_of(row: UsageRow) -> UsageDay:
    return UsageDay(row.day, None if row.agent_id == NO_ID else row.agent_id, row.activity, *in_units(amounts(row)))


OPERATIONS = [Operation("usage.get", get_usage, "GET /v1/usage", scope=MANAGE)]
