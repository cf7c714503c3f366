"""The server's hold on a PostgreSQL: a pool, one transaction per operation, every wait bounded."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable
from typing import Any
from uuid import UUID

import asyncpg

from deskbell.foundation.db import DatabaseFailure, T, Violation, Work
from deskbell.foundation.limits import Limits
from deskbell.foundation.postgres.limits import SharedLimits
from deskbell.foundation.postgres.session import Conflicted, PostgresSession, reraise, translated

log = logging.getLogger(__name__)

POOL = 16  # connections of one worker
CONNECT = 3.0  # seconds to reach the server, or for a connection to become free
ANSWER = 5.0  # seconds for one statement
IDLE = 15.0  # seconds until the server undoes the transaction of a worker that has fallen silent
ATTEMPTS = 4  # of a transaction that collides with others
CHANNEL = "deskbell"  # its messages are the names of tables that were written
ANNOUNCED = {"jobs", "api_keys", "application_keys", "application_origins"}
NEWS = "deskbell_news"  # whose messages are what `announce` was given
LOST = (OSError, asyncpg.InterfaceError, asyncpg.PostgresConnectionError, asyncpg.AdminShutdownError)
UNKNOWN = (OSError, asyncio.CancelledError, asyncpg.InterfaceError)  # TimeoutError is an OSError


async def no_reset(connection: Any) -> None:
    """Transactions leave nothing behind (SET LOCAL only), so a connection needs no reset, which costs a round trip."""


def canonical(text: str) -> str:
    """PostgreSQL's text of a moment in UTC as ours: `2026-05-10 14:30:00.5+00` becomes `2026-05-10T14:30:00.500000Z`."""
    return f"{text[:10]}T{text[11:-3].ljust(15, '0') if '.' in text else text[11:-3] + '.000000'}Z"


async def set_up(connection: Any) -> None:
    """Values travel in the stored form: ids and moments as text."""
    await connection.set_type_codec("uuid", schema="pg_catalog", encoder=str, decoder=str)
    await connection.set_type_codec("timestamptz", schema="pg_catalog", encoder=str, decoder=canonical)


def opening(organization_id: str | None) -> str:
    """Begins a transaction within one organization's rows, or as the system. Never a session-level SET: it would leak."""
    if organization_id is None:
        return "BEGIN; SET LOCAL ROLE deskbell_system"
    return f"BEGIN; SET LOCAL ROLE deskbell_app; SET LOCAL deskbell.org = '{UUID(organization_id)}'"


class PostgresDatabase:
    """One worker's pool. `follow` tells of tables that any worker has written."""

    alone = False

    def __init__(self, url: str, *, pool: int = POOL) -> None:
        self.url = url
        self.size = pool
        shared = SharedLimits(self)
        self.limits: Limits = shared
        self.chores = (self.listen, shared.purge)
        self.followers: dict[str, list[Callable[[], None]]] = {}
        self.hearers: list[Callable[[str], None]] = []
        self.background: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        await self.open()
        self.background = [asyncio.create_task(task()) for task in self.chores]

    async def open(self) -> None:
        """Makes the pool; `start` also listens. It connects at first use: a worker may start while the database is away."""
        try:
            await self.fill()
        except Exception as error:
            raise translated(error) from error

    async def fill(self) -> None:
        self.pool = await asyncpg.create_pool(
            self.url,
            min_size=0,
            max_size=self.size,
            init=set_up,
            reset=no_reset,
            statement_cache_size=1000,
            command_timeout=ANSWER,
            timeout=CONNECT,
            server_settings={
                "timezone": "UTC",
                "statement_timeout": f"{ANSWER * 1000:.0f}",
                "idle_in_transaction_session_timeout": f"{IDLE * 1000:.0f}",
            },
        )

    async def stop(self) -> None:
        for task in self.background:
            task.cancel()
        await asyncio.gather(*self.background, return_exceptions=True)
        with contextlib.suppress(TimeoutError, asyncio.TimeoutError):
            async with asyncio.timeout(CONNECT):
                await self.pool.close()

    def follow(self, table: str, told: Callable[[], None]) -> None:
        """Calls back, in the event loop, when some worker has written a table of `ANNOUNCED`."""
        self.followers.setdefault(table, []).append(told)

    async def announce(self, news: str) -> None:
        await self.system_fetch("SELECT pg_notify($1, $2)", NEWS, news)

    def hear(self, told: Callable[[str], None]) -> None:
        self.hearers.append(told)

    async def read(self, work: Work[T], organization_id: str | None = None) -> T:
        return await self.transact(work, organization_id)

    async def write(self, work: Work[T], organization_id: str | None = None) -> T:
        return await self.transact(work, organization_id)

    async def transact(self, work: Work[T], organization_id: str | None) -> T:
        """Runs one unit of work in its transaction, again when it collided with another."""
        for attempt in range(ATTEMPTS):
            try:
                return await self.attempt(work, organization_id)
            except Conflicted:
                if attempt == ATTEMPTS - 1:
                    raise
        raise AssertionError("unreachable")

    async def attempt(self, work: Work[T], organization_id: str | None) -> T:
        connection = await self.acquire(opening(organization_id))
        try:
            session = PostgresSession(connection)
            value = await work(session)
            await self.commit(connection, session.touched & ANNOUNCED)
        except BaseException as error:
            await self.abandon(connection, error)
            if isinstance(error, Violation):  # one that no handler explains: somebody else was faster with the same row
                raise Conflicted(error.index) from error
            reraise(error)
        await self.pool.release(connection)
        return value

    async def commit(self, connection: Any, announced: set[str]) -> None:
        """Ends a transaction. PostgreSQL answers the COMMIT of one that has failed with a silent ROLLBACK."""
        notes = "".join(f"NOTIFY {CHANNEL}, '{table}'; " for table in sorted(announced))
        if (done := await connection.execute(f"{notes}COMMIT")) != "COMMIT":
            raise DatabaseFailure(f"COMMIT was answered by {done}: a failed statement was overlooked")

    async def acquire(self, begin: str = "") -> Any:
        """A connection, with its transaction begun. One that turns out to be dead is replaced; nothing was done on it."""
        for last in (*[False] * self.size, True):
            try:
                connection = await self.pool.acquire(timeout=CONNECT)
            except Exception as error:
                raise translated(error) from error
            try:
                if begin:
                    await connection.execute(begin)
            except BaseException as error:
                await self.abandon(connection, error)
                if last or not connection_lost(error):
                    reraise(error)
            else:
                return connection
        raise AssertionError("unreachable")

    async def abandon(self, connection: Any, error: BaseException) -> None:
        """Undoes a transaction. A connection whose state nobody knows is thrown away, and so leaves the pool."""
        if isinstance(error, UNKNOWN) or isinstance(error.__cause__, UNKNOWN):
            drop(connection)
            return
        try:
            await connection.execute("ROLLBACK")
            await self.pool.release(connection, timeout=1)
        except Exception:
            drop(connection)
        except BaseException:
            drop(connection)
            raise

    async def system_fetch(self, sql: str, *arguments: Any) -> list[Any]:
        """One statement of the foundation itself, outside of any organization, in a transaction of its own."""
        connection = await self.acquire()
        try:
            rows: list[Any] = await connection.fetch(sql, *arguments)
        except BaseException as error:
            await self.abandon(connection, error)
            reraise(error)
        await self.pool.release(connection)
        return rows

    async def listen(self) -> None:
        """Keeps one connection that hears what all workers write, and finds a new one when it is lost."""
        while True:
            try:
                connection = await asyncpg.connect(self.url, timeout=CONNECT, command_timeout=ANSWER)
                try:
                    await connection.add_listener(CHANNEL, self.heard)
                    await connection.add_listener(NEWS, self.pass_on)
                    for table in self.followers:
                        self.tell(table)  # what was written while nobody listened
                    while not connection.is_closed():
                        await asyncio.sleep(1)
                        await connection.execute("SELECT 1")
                finally:
                    connection.terminate()
            except asyncio.CancelledError:
                raise
            except Exception as error:
                log.warning("listening for writes: %s", error)
                await asyncio.sleep(0.5)

    def heard(self, connection: Any, pid: int, channel: str, table: object) -> None:
        self.tell(str(table))

    def pass_on(self, connection: Any, pid: int, channel: str, news: object) -> None:
        for told in self.hearers:
            told(str(news))

    def tell(self, table: str) -> None:
        for told in self.followers.get(table, []):
            told()


def drop(connection: Any) -> None:
    with contextlib.suppress(asyncpg.InterfaceError):  # the pool has it already: the server closed it
        connection.terminate()


def connection_lost(error: BaseException) -> bool:
    """Whether this connection is gone, and not the whole server silent."""
    return isinstance(error, LOST) and not isinstance(error, TimeoutError)
