"""deskbell credits: the wallets, budgets and usage of organizations."""

from __future__ import annotations

import click
import msgspec

from deskbell.agents.records import agent_row
from deskbell.credits import operations, rules
from deskbell.credits.model import UsageFilter, UsageTotals
from deskbell.foundation.clock import Instant
from deskbell.foundation.db import Session
from deskbell.settings import Settings
from deskbell.surfaces.cli import lookups
from deskbell.surfaces.cli.database import read, write
from deskbell.surfaces.cli.output import as_json, show_json, show_record

MOST = 10**9
organization_option = click.option("--org", "organization", metavar="ORG", required=True)


class Wallet(msgspec.Struct):
    """The balance in credits, and the usage of this month so far."""

    organization_id: str
    metered: bool
    balance: float
    this_month: UsageTotals


@click.group()
def credits() -> None:
    """Add credits, set budgets and show usage. A credit is one US cent."""


@credits.command()
@organization_option
@click.argument("amount", type=click.FloatRange(-MOST, MOST))
@as_json
@click.pass_obj
def add(settings: Settings, organization: str, amount: float, as_json: bool) -> None:
    """Add AMOUNT credits to an organization's wallet. Write `-- -5` to remove five."""

    async def unit(session: Session) -> Wallet:
        ctx = await lookups.context(session, organization)
        await operations.add(ctx, round(amount * rules.CREDIT))
        return await wallet(session, organization)

    show_wallet(write(settings, unit), as_json)


@credits.command()
@organization_option
@as_json
@click.pass_obj
def show(settings: Settings, organization: str, as_json: bool) -> None:
    """Show the balance and the usage of this month."""
    show_wallet(read(settings, lambda session: wallet(session, organization)), as_json)


@credits.command()
@organization_option
@click.option("--agent", metavar="AGENT", help="Set the budget of this agent only.")
@click.argument("amount", type=click.FloatRange(0, MOST), required=False)
@click.option("--none", "unlimited", is_flag=True, help="Remove the limit.")
@click.pass_obj
def budget(settings: Settings, organization: str, agent: str | None, amount: float | None, unlimited: bool) -> None:
    """Limit usage to AMOUNT credits in a calendar month. Requests that could exceed it are refused with 402."""
    if (amount is None) != unlimited:
        raise click.UsageError("Give either AMOUNT or --none.")
    id = lookups.id_of("agent", agent) if agent else None

    async def unit(session: Session) -> None:
        ctx = await lookups.context(session, organization)
        if id:
            await agent_row(ctx, id)
        await operations.set_budget(ctx, id, None if amount is None else round(amount * rules.CREDIT))

    write(settings, unit)
    click.echo("There is no limit now." if amount is None else f"At most {amount:g} credits a month.")


async def wallet(session: Session, organization: str) -> Wallet:
    ctx = await lookups.context(session, organization)
    usage = await operations.get_usage(ctx, UsageFilter(since=Instant(ctx.now[:8] + "01"), until=ctx.now))
    return Wallet(ctx.organization_id, await operations.is_metered(session), usage.balance, usage.totals)


def show_wallet(wallet: Wallet, as_json: bool) -> None:
    if as_json:
        show_json(wallet)
    else:
        used = wallet.this_month
        show_record(
            wallet,
            this_month=f"{used.credits:g} credits, {used.total_tokens} tokens, {used.requests} requests, {used.cost:g} USD",
        )
