"""Wallets, budgets and usage by day, and every query on them."""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    Column,
    Delete,
    ForeignKeyConstraint,
    Integer,
    Select,
    Table,
    Text,
    Update,
    delete,
    func,
    select,
    update,
)

from deskbell.credits.model import Activity, ActivityUsage, Budget, UsageRow
from deskbell.foundation.db import ID, TIMESTAMP, command, query, schema


def _of_organization() -> ForeignKeyConstraint:
    return ForeignKeyConstraint(["organization_id"], ["organizations.id"])


wallets = Table(
    "wallets",
    schema,
    Column("organization_id", ID, primary_key=True),
    Column("balance", Integer, nullable=False),
    Column("updated_at", TIMESTAMP, nullable=False),
    _of_organization(),
)

budgets = Table(
    "budgets",
    schema,
    Column("organization_id", ID, primary_key=True),
    Column("agent_id", ID, primary_key=True),
    Column("amount", Integer, nullable=False),
    _of_organization(),
)

usage_days = Table(
    "usage_days",
    schema,
    Column("organization_id", ID, primary_key=True),
    Column("day", Text, primary_key=True),
    Column("agent_id", ID, primary_key=True),
    Column("activity", Text, primary_key=True),
    Column("requests", Integer, nullable=False),
    Column("input_tokens", Integer, nullable=False),
    Column("output_tokens", Integer, nullable=False),
    Column("cost", Integer, nullable=False),
    Column("charge", Integer, nullable=False),
    _of_organization(),
)

#: The possible costs of model calls that are running.
reservations = Table(
    "reservations",
    schema,
    Column("organization_id", ID, primary_key=True),
    Column("id", ID, primary_key=True),
    Column("agent_id", ID, nullable=False),
    Column("amount", Integer, nullable=False),
    Column("expires_at", TIMESTAMP, nullable=False),
    _of_organization(),
)

#: Settings that all processes of an installation must agree on.
installation = Table(
    "installation", schema, Column("name", Text, primary_key=True), Column("value", Text, nullable=False)
)


@query(int)
def balance(organization_id: str) -> Select[Any]:
    return select(wallets.c.balance).where(wallets.c.organization_id == organization_id)


@command
def add_to_wallet(organization_id: str, amount: int, moment: str) -> Update:
    """Adds an amount, which may be negative, to a wallet."""
    changed = {"balance": wallets.c.balance + amount, "updated_at": moment}
    return update(wallets).where(wallets.c.organization_id == organization_id).values(changed)


@query(Budget)
def budgets_for(organization_id: str, agent_id: str, no_agent: str) -> Select[Any]:
    """The budgets of one agent and of the whole organization, which is stored with the agent id `no_agent`."""
    rows = select(budgets.c.agent_id, budgets.c.amount).where(budgets.c.organization_id == organization_id)
    return rows.where((budgets.c.agent_id == agent_id) | (budgets.c.agent_id == no_agent))


@command
def drop_budget(organization_id: str, agent_id: str) -> Delete:
    return delete(budgets).where(budgets.c.organization_id == organization_id, budgets.c.agent_id == agent_id)


@query(int)
def charged_since(organization_id: str, day: str, agent_id: str | None = None) -> Select[Any]:
    """The charges since a day, of one agent or of all."""
    table = usage_days
    rows = select(func.coalesce(func.sum(table.c.charge), 0)).where(
        table.c.organization_id == organization_id, table.c.day >= day
    )
    return rows if agent_id is None else rows.where(table.c.agent_id == agent_id)


@query(ActivityUsage)
def used_since(organization_id: str, day: str, agent_id: str, activity: Activity) -> Select[Any]:
    """The number of uses and the charges of an agent's activity since a day."""
    table = usage_days
    sums = [func.coalesce(func.sum(column), 0).label(column.name) for column in (table.c.requests, table.c.charge)]
    return select(*sums).where(
        table.c.organization_id == organization_id,
        table.c.day >= day,
        table.c.agent_id == agent_id,
        table.c.activity == activity,
    )


@query(int)
def reserved_amount(organization_id: str, agent_id: str | None = None) -> Select[Any]:
    """The reserved amount of one agent, or of all."""
    table = reservations
    rows = select(func.coalesce(func.sum(table.c.amount), 0)).where(table.c.organization_id == organization_id)
    return rows if agent_id is None else rows.where(table.c.agent_id == agent_id)


@command
def drop_reservation(organization_id: str, id: str) -> Delete:
    table = reservations
    return delete(table).where(table.c.organization_id == organization_id, table.c.id == id)


@command
def drop_expired(organization_id: str, moment: str) -> Delete:
    table = reservations
    return delete(table).where(table.c.organization_id == organization_id, table.c.expires_at <= moment)


@command
def drop_reservations() -> Delete:
    """Deletes the reservations of all organizations."""
    return delete(reservations)


@command
def add_usage(
    organization_id: str,
    day: str,
    agent_id: str,
    activity: Activity,
    requests: int,
    input_tokens: int,
    output_tokens: int,
    cost: int,
    charge: int,
) -> Update:
    table = usage_days
    sums = {
        "requests": table.c.requests + requests,
        "input_tokens": table.c.input_tokens + input_tokens,
        "output_tokens": table.c.output_tokens + output_tokens,
        "cost": table.c.cost + cost,
        "charge": table.c.charge + charge,
    }
    key = (table.c.organization_id == organization_id, table.c.day == day)
    return update(table).where(*key, table.c.agent_id == agent_id, table.c.activity == activity).values(sums)


@query(UsageRow)
def usage_between(organization_id: str, since: str, until: str) -> Select[Any]:
    table = usage_days
    rows = select(*(table.c[name] for name in UsageRow.__struct_fields__)).where(
        table.c.organization_id == organization_id, table.c.day >= since, table.c.day <= until
    )
    return rows.order_by(table.c.day, table.c.agent_id, table.c.activity)


@query(str)
def installation_value(name: str) -> Select[Any]:
    return select(installation.c.value).where(installation.c.name == name)


@command
def drop_installation_value(name: str) -> Delete:
    return delete(installation).where(installation.c.name == name)
