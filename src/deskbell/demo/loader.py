"""Puts the demo organization into a database, and takes it out again. The one place outside the slices that fills their tables."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import partial
from typing import Any

from sqlalchemy import Delete, Table, delete, select

from deskbell.agents.conversations.store import agent_conversations, agent_messages
from deskbell.agents.store import agent_knowledge_bases, agent_versions, agents
from deskbell.appointments.store import appointments
from deskbell.conversations.carriers.simulator import ledger
from deskbell.conversations.store import messages, threads
from deskbell.credits.store import budgets, usage_days, wallets
from deskbell.demo.data import Demo
from deskbell.demo.making import ORGANIZATION
from deskbell.foundation.databases import Guest
from deskbell.foundation.db import Session, command, insert, update
from deskbell.foundation.idempotency import answers
from deskbell.foundation.jobs import jobs
from deskbell.leads.operations import stored
from deskbell.leads.store import leads, suppressions
from deskbell.operation import Context
from deskbell.organizations import operations
from deskbell.organizations.model import ApiKey
from deskbell.organizations.store import (
    api_keys,
    application_keys,
    application_origins,
    applications,
    keys_of,
    organization_row,
    organizations,
    people,
)
from deskbell.tasks.store import tasks

CHUNK = 100  # rows per transaction, so that a running server never waits long

#: Every table that holds something of an organization, children first, with the column that tells its rows apart.
CLEARED = [
    (jobs, "id"),
    (agent_messages, "id"),
    (agent_conversations, "id"),
    (ledger, "id"),
    (answers, "key"),
    (messages, "id"),
    (threads, "id"),
    (tasks, "id"),
    (appointments, "id"),
    (leads, "id"),
    (suppressions, "number_hash"),
    (api_keys, "id"),
    (agent_knowledge_bases, "agent_id"),
    (agent_versions, "agent_id"),
    (agents, "id"),
    (budgets, "agent_id"),
    (usage_days, "day"),
    (wallets, "organization_id"),
    (application_keys, "id"),
    (application_origins, "application_id"),
    (applications, "id"),
    (people, "id"),
]


@command
def clear_some(*, table: Table, column: str) -> Delete:
    """Deletes up to 100 of the demo organization's rows; those of any other are out of reach."""
    chosen = select(table.c[column]).where(table.c.organization_id == ORGANIZATION).limit(CHUNK)
    return delete(table).where(table.c.organization_id == ORGANIZATION, table.c[column].in_(chosen))


async def is_whole(session: Session) -> bool:
    """Whether the demo is there and was loaded to its end: its first key comes last."""
    return await session.one(keys_of(ORGANIZATION)) is not None


def clear(guest: Guest) -> None:
    """Takes everything of the demo organization away but its own row."""
    for table, column in CLEARED:
        statement = clear_some(table=table, column=column)
        while guest.write(lambda session: session.run(statement)):  # noqa: B023  used at once
            pass


def load(guest: Guest, demo: Demo) -> tuple[ApiKey, str]:
    """Stores all rows and then makes a key, whose plaintext is known this once."""
    guest.write(lambda session: put_organization(session, demo.organization))
    parts: list[tuple[Table, list[dict[str, Any]]]] = [
        (people, demo.people),
        (suppressions, demo.suppressions),
        (leads, demo.leads),
        (appointments, demo.appointments),
        (tasks, demo.tasks),
        (threads, demo.threads),
        (messages, demo.messages),
    ]
    for chunk in chunks((table, row) for table, rows in parts for row in rows):
        guest.write(partial(put_rows, chunk=chunk))
    return guest.write(make_key)


def chunks(rows: Iterable[tuple[Table, dict[str, Any]]]) -> Iterator[list[tuple[Table, dict[str, Any]]]]:
    waiting = list(rows)
    for start in range(0, len(waiting), CHUNK):
        yield waiting[start : start + CHUNK]


async def put_organization(session: Session, row: dict[str, Any]) -> None:
    if await session.one(organization_row(ORGANIZATION)) is None:
        await session.run(insert(organizations, row))
    else:
        await session.run(update(organizations, {"id": ORGANIZATION}, row))


async def put_rows(session: Session, chunk: list[tuple[Table, dict[str, Any]]]) -> None:
    ctx = Context(session, ORGANIZATION)
    for table, row in chunk:
        await session.run(insert(table, row | stored(ctx, row) if table is leads else row))


async def make_key(session: Session) -> tuple[ApiKey, str]:
    return await operations.create_key(await operations.context_of(session, ORGANIZATION), "demo", scopes=[])
