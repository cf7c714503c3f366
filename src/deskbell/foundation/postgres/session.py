"""Statements within one PostgreSQL transaction, and its errors as ours."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, NoReturn, TypeVar

import asyncpg

from deskbell.foundation.db import Bound, ConstraintViolation, DatabaseFailure
from deskbell.foundation.postgres.connection import BEGINNING, Connection
from deskbell.foundation.postgres.dialect import DIALECT

T = TypeVar("T")

MAX_OFFSET = 2**62
LOCK = "SELECT pg_advisory_xact_lock(hashtextextended($1, 0))"

#: Errors that are the database's fault and not the statement's.
AWAY = (
    OSError,
    asyncio.TimeoutError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    asyncpg.PostgresConnectionError,
    asyncpg.InvalidAuthorizationSpecificationError,
    asyncpg.InvalidCatalogNameError,
    asyncpg.exceptions.OperatorInterventionError,
    asyncpg.InsufficientResourcesError,
    asyncpg.exceptions.PostgresSystemError,
    asyncpg.exceptions.InternalServerError,
    asyncpg.exceptions.ObjectNotInPrerequisiteStateError,
    asyncpg.exceptions.ReadOnlySQLTransactionError,
    asyncpg.exceptions.TransactionRollbackError,
)


#: Prepared statements fall when another node has migrated the schema.
STALE = (asyncpg.InvalidCachedStatementError, asyncpg.OutdatedSchemaCacheError)
#: Errors that undid a transaction which may be run again.
COLLISIONS = (asyncpg.SerializationError, asyncpg.DeadlockDetectedError, *STALE)


#: Errors of a connection that is gone, where the server may be well. asyncpg raises InternalClientError between a server's last
#: message on an idle connection and its end.
GONE = (
    OSError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    asyncpg.PostgresConnectionError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    asyncpg.exceptions.IdleSessionTimeoutError,
)


class Lost(DatabaseFailure):
    """The connection was dead before the transaction had begun, so nothing is stored of it."""


class Conflicted(DatabaseFailure):
    """Two transactions collided and this one was undone; it may be run again at once."""


def translated(error: Exception) -> Exception:
    """A driver's error as ours: a unique index's refusal, a collision, a failure of the database, or a bug of our own."""
    if isinstance(error, asyncpg.UniqueViolationError):
        return ConstraintViolation(str(error.constraint_name))
    if isinstance(error, COLLISIONS):
        return Conflicted(str(error))
    if isinstance(error, AWAY):
        return DatabaseFailure(f"{type(error).__name__}: {error}")
    return error


def reraise(error: BaseException) -> NoReturn:
    """A driver's error as ours; any other as it is."""
    known = translated(error) if isinstance(error, Exception) else error
    if known is error:
        raise error
    raise known from error


def connection_lost(error: BaseException) -> bool:
    return isinstance(error, GONE) and not isinstance(error, TimeoutError)


def of_server(error: Exception) -> bool:
    """Whether the server has answered with this. asyncpg's own complaint of a value comes behind an opening that is on its way."""
    return isinstance(error, asyncpg.PostgresError) and error.severity is not None


class PostgresSession:
    """Runs statements on one connection. `touched` holds the tables whose listeners it concerns.

    A session that writes is one transaction, begun by its first statement and ended by the caller. One that reads has a
    transaction per statement: at READ COMMITTED each statement sees its own moment anyway, and needs no COMMIT.
    """

    def __init__(self, connection: Connection, opening: bytes, *, writes: bool) -> None:
        self.connection = connection
        self.opening = BEGINNING + opening if writes else opening
        self.writes = writes
        self.begun = False  # a transaction is open, or failed, on the connection
        self.in_doubt = False  # a statement is running, or its outcome is unknown
        self.touched: set[str] = set()

    async def fetch(self, statement: Bound[Any], part: str = "", extra: tuple[Any, ...] = ()) -> list[Any]:
        prepared = statement.prepared
        compiled = prepared.compiled.get("postgresql" + part) or prepared.on(DIALECT, part)
        return await self.send(self.connection.fetch, compiled.sql, compiled.parameters(statement.values + extra))

    async def send(self, run: Callable[..., Awaitable[T]], sql: str, values: tuple[Any, ...]) -> T:
        """Runs a statement, the first of a transaction together with what begins it."""
        self.in_doubt = True
        try:
            done = await run(sql, values, b"" if self.begun else self.opening)
        except Exception as error:
            if isinstance(error, STALE):
                self.connection.statements.clear()
            lost = connection_lost(error)
            if lost and not self.begun:
                raise Lost(f"{type(error).__name__}: {error}") from error
            self.in_doubt = lost or not of_server(error)
            self.begun = self.writes
            raise translated(error) from error
        self.in_doubt = False
        self.begun = self.writes
        return done

    async def one(self, statement: Bound[T]) -> T | None:
        rows = await self.fetch(statement)
        return statement.prepared.make(rows[0]) if rows else None

    async def all(self, statement: Bound[T], *, long: bool = False) -> list[T]:
        make = statement.prepared.make
        return [make(row) for row in await self.fetch(statement)]

    async def page(
        self, statement: Bound[T], page: int, limit: int, *, offset: int = 0, long: bool = False
    ) -> tuple[list[T], int]:
        """The total rides on every row of the page; only a page past the end needs a second statement."""
        window = (limit, min((page - 1) * limit + offset, MAX_OFFSET))
        rows = await self.fetch(statement, "whole", window)
        if rows:
            make = statement.prepared.make
            return [make(row) for row in rows], rows[0][-1]
        if window[1] == 0:
            return [], 0
        return [], (await self.fetch(statement, "count"))[0][0]

    async def lock(self, name: str) -> None:
        await self.send(self.connection.fetch, LOCK, (name,))

    async def run(self, statement: Bound[Any]) -> int:
        prepared = statement.prepared
        compiled = prepared.compiled.get("postgresql") or prepared.on(DIALECT)
        if prepared.notifies:
            self.touched.add(prepared.table)
        return await self.send(self.connection.execute, compiled.sql, compiled.parameters(statement.values))
