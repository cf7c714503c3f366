"""Statements within one PostgreSQL transaction, and its errors as ours."""

from __future__ import annotations

import asyncio
from typing import Any, NoReturn, TypeVar

import asyncpg

from deskbell.foundation.db import Bound, DatabaseFailure, Violation
from deskbell.foundation.postgres.dialect import DIALECT

T = TypeVar("T")

MAX_OFFSET = 2**62
HOLD = "SELECT pg_advisory_xact_lock(hashtextextended($1, 0))"

#: What says that the database, not the statement, is at fault.
AWAY = (
    OSError,
    asyncio.TimeoutError,
    asyncpg.InterfaceError,
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


#: What undid a transaction that may be run again. A cached statement falls when another node has migrated the schema.
COLLISIONS = (asyncpg.SerializationError, asyncpg.DeadlockDetectedError, asyncpg.InvalidCachedStatementError)


class Conflicted(DatabaseFailure):
    """Two transactions collided and this one was undone; it may be run again at once."""


def translated(error: Exception) -> Exception:
    """A driver's error as ours: a unique index's refusal, a collision, a failure of the database, or a bug of our own."""
    if isinstance(error, asyncpg.UniqueViolationError):
        return Violation(str(error.constraint_name))
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


class PostgresSession:
    """Runs statements on one connection inside its transaction. `touched` holds the tables that it has written."""

    def __init__(self, connection: Any) -> None:
        self.connection = connection
        self.touched: set[str] = set()

    async def fetch(self, statement: Bound[Any], part: str = "", extra: tuple[Any, ...] = ()) -> list[Any]:
        prepared = statement.prepared
        compiled = prepared.compiled.get("postgresql" + part) or prepared.on(DIALECT, part)
        try:
            rows: list[Any] = await self.connection.fetch(compiled.sql, *compiled.parameters(statement.values + extra))
        except Exception as error:
            raise translated(error) from error
        return rows

    async def one(self, statement: Bound[T]) -> T | None:
        rows = await self.fetch(statement)
        return statement.prepared.make(rows[0]) if rows else None

    async def all(self, statement: Bound[T]) -> list[T]:
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

    async def hold(self, name: str) -> None:
        try:
            await self.connection.fetch(HOLD, name)
        except Exception as error:
            raise translated(error) from error

    async def run(self, statement: Bound[Any]) -> int:
        prepared = statement.prepared
        compiled = prepared.compiled.get("postgresql") or prepared.on(DIALECT)
        self.touched.add(prepared.table)
        try:
            done: str = await self.connection.execute(compiled.sql, *compiled.parameters(statement.values))
        except Exception as error:
            raise translated(error) from error
        return int(done.rsplit(" ", 1)[-1])
