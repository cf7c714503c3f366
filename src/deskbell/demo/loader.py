"""Loads the demo organization into a database and deletes it. Only this module writes to the slices' tables from outside."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import partial
from typing import Any

from sqlalchemy import Delete, Table, delete, select

from deskbell.agents.model import NewAgent
from deskbell.agents.models.base import DEFAULT
from deskbell.agents.operations import create_agent, list_agents, publish_agent
from deskbell.appointments.store import appointments
from deskbell.compliance.store import suppressions
from deskbell.conversations.store import messages, threads
from deskbell.core.context import operator_context
from deskbell.demo import library
from deskbell.demo.builder import ORGANIZATION, Row
from deskbell.demo.data import NAME, Demo
from deskbell.demo.library import SampleFile
from deskbell.foundation.command_connection import CommandConnection
from deskbell.foundation.db import Session, command, insert, schema, update
from deskbell.foundation.ids import Id, PublicId, new_id
from deskbell.foundation.pagination import Window
from deskbell.identity.access.grants import create_grant
from deskbell.identity.access.groups import create_group
from deskbell.identity.access.model import NewGrant, NewGroup, ResourceId
from deskbell.identity.api_keys import create_key
from deskbell.identity.applications import create_application, create_application_key
from deskbell.identity.model import ApiKey
from deskbell.identity.store import keys_of, people
from deskbell.knowledge import bases
from deskbell.knowledge.documents import list_documents, put_document
from deskbell.knowledge.model import DocumentDraft, DocumentWindow, NewKnowledgeBase
from deskbell.knowledge.uploads import store_part
from deskbell.leads.operations import derived_columns
from deskbell.leads.store import leads
from deskbell.organizations.store import organization_row, organizations
from deskbell.tasks.store import tasks

CHUNK = 100  # rows per transaction, so that a running server never waits long for the database


@command
def clear_some(*, table: Table, column: str) -> Delete:
    """Deletes up to 100 of the demo organization's rows; never those of another."""
    chosen = select(table.c[column]).where(table.c.organization_id == ORGANIZATION).limit(CHUNK)
    return delete(table).where(table.c.organization_id == ORGANIZATION, table.c[column].in_(chosen))


async def is_complete(session: Session) -> bool:
    """Whether the demo was loaded completely: its API key is created last."""
    return await session.one(keys_of(ORGANIZATION)) is not None


def clear(connection: CommandConnection) -> None:
    """Deletes everything of the demo organization except its own row: of every table, those that point to others first."""
    for table in reversed(schema.sorted_tables):
        if "organization_id" not in table.columns:
            continue
        column = [each.name for each in table.primary_key.columns][-1]
        statement = clear_some(table=table, column=column)
        while connection.write(lambda session: session.run(statement)):  # noqa: B023  used at once
            pass


def load(connection: CommandConnection, demo: Demo) -> tuple[ApiKey, str]:
    """Stores all rows, then creates an API key and returns it with its plaintext."""
    connection.write(lambda session: put_organization(session, demo.organization))
    parts: list[tuple[Table, list[dict[str, Any]]]] = [
        (people, demo.people),
        (suppressions, demo.suppressions),
        (leads, demo.leads),
        (appointments, demo.appointments),
        (tasks, demo.tasks),
        (threads, demo.threads),
        (messages, demo.messages),
    ]
    for chunk in batches((table, row) for table, rows in parts for row in rows):
        connection.write(partial(put_rows, chunk=chunk))
    base = connection.write(make_base)
    for file in library.sample_files():
        connection.write(partial(put_file, base=base, file=file))
    connection.write(partial(make_agent, base=base))
    connection.write(partial(make_group, people=demo.people))
    return connection.write(make_key)


def batches(rows: Iterable[tuple[Table, dict[str, Any]]]) -> Iterator[list[tuple[Table, dict[str, Any]]]]:
    all_rows = list(rows)
    for start in range(0, len(all_rows), CHUNK):
        yield all_rows[start : start + CHUNK]


async def put_organization(session: Session, row: dict[str, Any]) -> None:
    if await session.one(organization_row(ORGANIZATION)) is None:
        await session.run(insert(organizations, row))
    else:
        await session.run(update(organizations, {"id": ORGANIZATION}, row))


async def put_rows(session: Session, chunk: list[tuple[Table, dict[str, Any]]]) -> None:
    ctx = await operator_context(session, ORGANIZATION)
    for table, row in chunk:
        await session.run(insert(table, row | derived_columns(ctx, row) if table is leads else row))


async def make_base(session: Session) -> str:
    new = NewKnowledgeBase(name=library.NAME, description=library.DESCRIPTION)
    return (await bases.create_base(await operator_context(session, ORGANIZATION), new)).id


async def put_file(session: Session, *, base: str, file: SampleFile) -> None:
    ctx, upload = await operator_context(session, ORGANIZATION), new_id()
    await store_part(ctx, upload, 0, file.data)
    draft = DocumentDraft("file", file.name, media_type=file.media_type, upload_id=upload, bytes=len(file.data))
    await put_document(ctx, base, draft)


async def make_agent(session: Session, *, base: str) -> None:
    """An agent that answers from the documents: with the operator's model if there is one, else with sentences from them."""
    ctx = await operator_context(session, ORGANIZATION)
    new = NewAgent(
        name="Front desk",
        description="Answers questions about prices, warranty and how we work",
        model=DEFAULT,
        system_prompt="You answer for {{business}}, a roofing company. Be friendly and brief.",
        variables={"business": NAME},
        welcome_message=f"Welcome to {NAME}! What would you like to know about your roof?",
        kb_ids=[base],
    )
    agent = await create_agent(ctx, new)
    await publish_agent(ctx, agent.id)


async def make_group(session: Session, *, people: list[Row]) -> None:
    """A group of salespeople with a grant to edit the agent."""
    ctx = await operator_context(session, ORGANIZATION)
    members = [Id(person["id"]) for person in people if person["role"] == "member"]
    group = await create_group(ctx, NewGroup(name="Sales", person_ids=members))
    agent = ResourceId(await agent_id(session) or "")
    new = NewGrant(
        subject_type="group", subject_id=Id(group.id), resource_type="agent", resource_id=agent, level="edit"
    )
    await create_grant(ctx, new)


async def agent_id(session: Session) -> str | None:
    """The id of the newest agent, if there is one."""
    page = await list_agents(await operator_context(session, ORGANIZATION), Window(limit=1))
    return page.bots[0].id if page.bots else None


async def make_application(session: Session) -> str:
    """An application that may use the agent API. Returns its key."""
    ctx = await operator_context(session, ORGANIZATION)
    application = await create_application(ctx, "Demo", "backend-service")
    return (await create_application_key(ctx, application.id, "demo"))[1]


async def document_ids(session: Session) -> list[str]:
    """The ids of the demo organization's documents, which `load` has queued for indexing."""
    ctx = await operator_context(session, ORGANIZATION)
    all_bases = (await bases.list_bases(ctx, Window(limit=100))).knowledge_bases
    pages = [await list_documents(ctx, PublicId(base.id), DocumentWindow(limit=100)) for base in all_bases]
    return [document.id for page in pages for document in page.documents]


async def make_key(session: Session) -> tuple[ApiKey, str]:
    return await create_key(await operator_context(session, ORGANIZATION), "demo", scopes=[])
