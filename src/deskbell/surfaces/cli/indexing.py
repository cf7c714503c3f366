"""Waits for documents to be indexed: by the server that runs on the database, otherwise by this process."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from functools import partial

from deskbell import app  # noqa: F401  the slices' tables must be known
from deskbell.core.context import operator_context
from deskbell.core.jobs import worker_handler
from deskbell.core.slice import Setup
from deskbell.core.workers import worker_of
from deskbell.foundation import databases, jobs, sqlite
from deskbell.foundation.command_connection import CommandConnection
from deskbell.foundation.db import Database, Session
from deskbell.knowledge.documents import get_document
from deskbell.knowledge.model import Document
from deskbell.knowledge.slice import INDEXING, indexing_handlers
from deskbell.knowledge.slice import services as knowledge_services
from deskbell.settings import Settings
from deskbell.surfaces.cli.database import file_of

PAUSE = 0.1  # seconds between checks

Watcher = Callable[[Sequence[Document]], None]


def wait(
    settings: Settings, connection: CommandConnection, organization_id: str, ids: Sequence[str], watch: Watcher
) -> list[Document]:
    """The documents, once each is ready or has failed. Calls `watch` with their progress."""

    def look() -> list[Document]:
        return connection.read(partial(states, organization_id=organization_id, ids=ids))

    with working(settings) as alone:
        if alone:
            asyncio.run(index(settings, organization_id, ids, watch))
            return look()
        while not all(map(ended, found := look())):
            watch(found)
            time.sleep(PAUSE)
    watch(found)
    return found


def ended(document: Document) -> bool:
    return document.status in ("ready", "failed")


async def states(session: Session, *, organization_id: str, ids: Sequence[str]) -> list[Document]:
    ctx = await operator_context(session, organization_id)
    return [await get_document(ctx, id) for id in ids]  # type: ignore[arg-type]


@contextlib.contextmanager
def working(settings: Settings) -> Iterator[bool]:
    """Whether this process indexes. On SQLite a running server does it; on PostgreSQL every process may."""
    if databases.is_postgres(settings.database):
        yield True
        return
    try:
        with sqlite.exclusive(file_of(settings.database)):
            yield True
    except sqlite.AlreadyServed:
        yield False


async def index(settings: Settings, organization_id: str, ids: Sequence[str], watch: Watcher) -> None:
    """Works on the queue until these documents are indexed or have failed."""
    async with server_database(settings) as database:
        setup = Setup(settings, database)
        setup.services |= dict(knowledge_services(setup))
        handlers = {kind: worker_handler(handler) for kind, handler in indexing_handlers(setup).items()}
        worker = worker_of(database, INDEXING, handlers)
        if database.single_process:
            await database.write(jobs.release)
        database.on_change("jobs", worker.wake)
        running = asyncio.create_task(worker.run())
        read = partial(states, organization_id=organization_id, ids=ids)
        try:
            while not all(map(ended, found := await database.read(read))):
                watch(found)
                await asyncio.sleep(PAUSE)
            watch(found)
        finally:
            await worker.stop(5)
            await running


@contextlib.asynccontextmanager
async def server_database(settings: Settings) -> AsyncIterator[Database]:
    """The database as a server uses it."""
    database = databases.open_database(settings.database)
    await database.start()
    try:
        yield database
    finally:
        await database.stop()
