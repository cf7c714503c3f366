"""A server's use of PostgreSQL: a pool, one transaction per operation, every wait bounded."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import Any
from uuid import uuid4

import asyncpg

from deskbell.foundation.db import ConstraintViolation, DatabaseFailure, Graphs, T, UnitOfWork
from deskbell.foundation.limits import Limits
from deskbell.foundation.postgres.connection import Connection, becoming, identity
from deskbell.foundation.postgres.graphs import PostgresGraphs
from deskbell.foundation.postgres.limits import SharedLimits
from deskbell.foundation.postgres.listener import listen
from deskbell.foundation.postgres.pool import Pool
from deskbell.foundation.postgres.session import Conflicted, Lost, PostgresSession, reraise, translated

POOL = 16  # connections of one worker
ATTEMPTS = 4  # of a transaction that collides with others
CHANNEL = "deskbell"  # its messages name a table that was written, and the worker that has written it
ANNOUNCED = {
    "jobs",
    "knowledge_bases",
    "api_keys",
    "people",
    "organizations",
    "application_keys",
    "application_origins",
    "events",
}
UNHURRIED = {"events"}  # nearly every write writes these: they are announced less often
NEWS = "deskbell_news"  # whose messages are what `broadcast` was given
UNKNOWN = (OSError, asyncio.CancelledError, asyncpg.InterfaceError)  # TimeoutError is an OSError
TOGETHER = 0.01  # seconds in which what was written is gathered
UNHURRIED_TOGETHER = 0.2  # the same for what nobody hurries to see
NOTIFY = "SELECT pg_notify($1, name) FROM unnest($2::text[]) AS name"


class PostgresDatabase:
    """One worker's pool. `on_change` is for tables that any worker writes."""

    single_process = False

    def __init__(self, url: str, *, pool: int = POOL) -> None:
        self.url = url
        self.pool = Pool(url, pool)
        shared = SharedLimits(self)
        self.limits: Limits = shared
        self.graphs: Graphs | None = PostgresGraphs(url)
        self.background_work = (self.listen, self.spread, self.pool.close_unused, shared.delete_old_windows)
        self.name = uuid4().hex  # among the workers
        self.unsent: set[str] = set()
        self.has_unsent = asyncio.Event()
        self.notify_timer: asyncio.TimerHandle | None = None
        self.listeners: dict[str, list[Callable[[], None]]] = {}
        self.broadcast_listeners: list[Callable[[str], None]] = []
        self.background: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Begins to listen. Connections are made at first use: a worker may start while the database is away."""
        self.background = [asyncio.create_task(task()) for task in self.background_work]

    async def stop(self) -> None:
        if self.notify_timer is not None:
            self.notify_timer.cancel()
        for task in self.background:
            task.cancel()
        await asyncio.gather(*self.background, return_exceptions=True)
        await self.pool.close()

    def on_change(self, table: str, callback: Callable[[], None]) -> None:
        self.listeners.setdefault(table, []).append(callback)

    async def broadcast(self, news: str) -> None:
        await self.system_fetch("SELECT pg_notify($1, $2)", NEWS, news)

    def on_broadcast(self, callback: Callable[[str], None]) -> None:
        self.broadcast_listeners.append(callback)

    async def read(self, work: UnitOfWork[T], organization_id: str | None = None) -> T:
        return await self.transact(work, becoming(identity(organization_id)), writes=False)

    async def write(self, work: UnitOfWork[T], organization_id: str | None = None) -> T:
        return await self.transact(work, becoming(identity(organization_id)), writes=True)

    async def transact(self, work: Callable[[PostgresSession], Awaitable[T]], opening: bytes, *, writes: bool) -> T:
        """Runs one unit of work in its transaction; again when it collided with another, or when its connection was dead."""
        collisions = lost = 0
        while True:
            try:
                return await self.attempt(work, opening, writes=writes)
            except Conflicted:
                collisions += 1
                if collisions == ATTEMPTS:
                    raise
            except Lost:
                lost += 1
                if lost > self.pool.size:
                    raise

    async def attempt(self, work: Callable[[PostgresSession], Awaitable[T]], opening: bytes, *, writes: bool) -> T:
        session = PostgresSession(await self.take(), opening, writes=writes)
        try:
            value = await work(session)
            if session.begun:
                await self.commit(session.connection)
        except BaseException as error:
            await self.abandon(session, error)
            if isinstance(
                error, ConstraintViolation
            ):  # one that no handler explains: another transaction was faster with the same row
                raise Conflicted(error.index) from error
            reraise(error)
        self.pool.give(session.connection)
        if session.touched & ANNOUNCED:
            self.written(session.touched & ANNOUNCED)
        return value

    async def commit(self, connection: Connection) -> None:
        """Ends a transaction. PostgreSQL answers the COMMIT of one that has failed with a silent ROLLBACK."""
        if (done := await connection.raw.execute("COMMIT")) != "COMMIT":
            raise DatabaseFailure(f"COMMIT was answered by {done}: a failed statement was overlooked")

    async def take(self) -> Connection:
        try:
            return await self.pool.take()
        except Exception as error:
            raise translated(error) from error

    async def abandon(self, session: PostgresSession, error: BaseException) -> None:
        """Undoes a transaction. A connection in an unknown state is closed."""
        connection = session.connection
        if session.in_doubt or isinstance(error, UNKNOWN):
            self.pool.drop(connection)
            return
        try:
            if session.begun:
                await connection.raw.execute("ROLLBACK")
        except BaseException as failed:
            self.pool.drop(connection)
            if not isinstance(failed, Exception):
                raise
        else:
            self.pool.give(connection)

    async def system_fetch(self, sql: str, *arguments: Any) -> list[Any]:
        """One statement of the foundation itself, outside of any organization, in a transaction of its own."""
        return await self.transact(
            lambda session: session.send(session.connection.fetch, sql, arguments), b"", writes=False
        )

    def written(self, tables: set[str]) -> None:
        """Notifies this worker at once and the others soon; a worker that misses it looks by itself a minute later.

        Not in the writer's transaction: a NOTIFY there makes all that notify commit one after another.
        """
        self.unsent |= tables
        if tables <= UNHURRIED:
            self.notify_later()
        else:
            self.has_unsent.set()
        for table in tables:
            self.notify(table)

    def notify_later(self) -> None:
        if self.notify_timer is None:
            self.notify_timer = asyncio.get_running_loop().call_later(UNHURRIED_TOGETHER, self.send_soon)

    def send_soon(self) -> None:
        self.notify_timer = None
        if self.unsent:
            self.has_unsent.set()

    async def spread(self) -> None:
        """Notifies the other workers, once for all that was written within `TOGETHER`."""
        while True:
            await self.has_unsent.wait()
            await asyncio.sleep(TOGETHER)
            with contextlib.suppress(DatabaseFailure):
                await self.spread_now()

    async def spread_now(self) -> None:
        tables, self.unsent = self.unsent, set()
        self.has_unsent.clear()
        if tables:
            await self.system_fetch(NOTIFY, CHANNEL, [f"{table} {self.name}" for table in sorted(tables)])

    async def listen(self) -> None:
        """Hears what the other workers write, and what all of them broadcast."""
        await listen(self.url, {CHANNEL: self.heard, NEWS: self.pass_on}, self.notify_all)

    def heard(self, message: str) -> None:
        table, _, name = message.partition(" ")
        if name != self.name:
            self.notify(table)

    def pass_on(self, news: str) -> None:
        for callback in self.broadcast_listeners:
            callback(news)

    def notify_all(self) -> None:
        for table in self.listeners:
            self.notify(table)

    def notify(self, table: str) -> None:
        for callback in self.listeners.get(table, []):
            callback()
