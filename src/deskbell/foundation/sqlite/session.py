"""Statements on one connection: rendered for SQLite, run and counted, and its errors translated to ours."""

from __future__ import annotations

import contextlib
from collections.abc import Coroutine, Iterator
from typing import Any

import apsw
from sqlalchemy.dialects import sqlite as dialects
from sqlalchemy.dialects.sqlite.base import SQLiteCompiler
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler

from deskbell.foundation.db import (
    BY_KEY,
    SEARCH_FIRST,
    AwaitInTransaction,
    Bound,
    ConstraintViolation,
    DatabaseFailure,
    DatabaseSize,
    InList,
    Nearest,
    NeedsThread,
    T,
    schema,
)


class Compiler(SQLiteCompiler):
    """SQLite's wording, with our hints: without statistics its planner would rather walk a whole list in order."""

    def get_from_hint_text(self, table: Any, text: str | None) -> str | None:
        known = {SEARCH_FIRST: "NOT INDEXED", BY_KEY: f"INDEXED BY sqlite_autoindex_{table.name}_1"}
        return known.get(text or "", text)


DIALECT = dialects.dialect(paramstyle="qmark")
DIALECT.statement_compiler = Compiler
COUNTED_INLINE = 20_000  # rows: a longer count leaves the event loop
MAX_OFFSET = 2**62


@compiles(InList, "sqlite")
def among(element: InList, compiler: SQLCompiler, **options: Any) -> str:
    column, texts = (compiler.process(part, **options) for part in (element.column, element.texts))
    return f"{column} IN (SELECT value FROM json_each({texts}))"


@compiles(Nearest, "sqlite")
def nearest(element: Nearest, compiler: SQLCompiler, **options: Any) -> str:
    return "(SELECT NULL AS id, NULL AS vector WHERE 0)"


@compiles(DatabaseSize, "sqlite")
def database_size(element: DatabaseSize, compiler: SQLCompiler, **options: Any) -> str:
    return "(SELECT page_count * page_size FROM pragma_page_count, pragma_page_size)"


def drive(coroutine: Coroutine[Any, Any, T]) -> T:
    """Runs a coroutine that never suspends. One that does is stopped at that await with AwaitInTransaction."""
    try:
        coroutine.send(None)
    except StopIteration as done:
        value: T = done.value
        return value
    name = getattr(coroutine, "__qualname__", "a handler")
    try:
        coroutine.throw(AwaitInTransaction(f"{name} awaited something other than ctx.db"))
    except StopIteration:
        raise AwaitInTransaction(f"{name} swallowed AwaitInTransaction") from None
    finally:
        coroutine.close()
    raise AwaitInTransaction(f"{name} continued after AwaitInTransaction")


def translated(error: apsw.Error) -> Exception:
    """A driver's error as ours: a unique index's refusal, a failure of the database, or (SQL errors) a bug of our own."""
    if isinstance(error, apsw.ConstraintError) and "UNIQUE" in str(error):
        columns = [part.strip().split(".") for part in str(error).split(": ", 1)[1].split(",")]
        table, names = columns[0][0], [column[-1] for column in columns]
        for index in schema.tables[table].indexes:
            if index.unique and [column.name for column in index.columns] == names:
                return ConstraintViolation(str(index.name))
        return ConstraintViolation(f"{table}_key")
    if isinstance(error, (apsw.SQLError, apsw.MisuseError, apsw.RangeError, apsw.ConstraintError, apsw.MismatchError)):
        return error
    return DatabaseFailure(str(error))


class Totals:
    """How many rows each list has, cached while its table is unchanged for that organization. Shared by all threads."""

    def __init__(self) -> None:
        self.known: dict[Any, tuple[Any, int]] = {}
        self.versions: dict[tuple[str, str | None], int] = {}
        self.generation = 0
        self.in_flight: set[tuple[str, str | None]] = set()

    def version(self, table: str, organization_id: str | None) -> Any:
        """What an answer is valid for; None during a commit that may change it."""
        place = (table, organization_id)
        if place in self.in_flight or (table, None) in self.in_flight:
            return None
        return (self.generation, self.versions.get(place), self.versions.get((table, None)))

    def committed(self, touched: set[tuple[str, str | None]]) -> None:
        for place in touched:
            self.versions[place] = self.versions.get(place, 0) + 1
        if len(self.versions) > 50_000:
            self.forget()

    def keep(self, key: Any, version: Any, total: int) -> None:
        if len(self.known) > 10_000:
            self.known.clear()
        if sum(len(str(value)) for value in key[1]) > 1000:  # a long search is not worth the memory
            return
        self.known[key] = (version, total)

    def forget(self) -> None:
        """Another process has written."""
        self.generation += 1
        self.known.clear()
        self.versions.clear()


class SqliteSession:
    """Runs statements on one connection, always from one thread at a time."""

    def __init__(self, connection: apsw.Connection, totals: Totals, *, inline: bool = False) -> None:
        self.connection = connection
        self.totals = totals
        self.inline = inline
        self.organization_id: str | None = None
        self.touched: set[tuple[str, str | None]] = set()  # tables that were written, and for whom
        self.changed: set[str] = set()  # those of them whose listeners it concerns
        self.data_version = -1
        self.epoch = -1

    def fetch(self, statement: Bound[Any], part: str = "", extra: tuple[Any, ...] = ()) -> apsw.Cursor:
        prepared = statement.prepared
        compiled = prepared.compiled.get("sqlite" + part) or prepared.on(DIALECT, part)
        try:
            return self.connection.execute(compiled.sql, compiled.parameters(statement.values + extra))
        except apsw.Error as error:
            raise translated(error) from error

    async def one(self, statement: Bound[T]) -> T | None:
        prepared = (
            statement.prepared
        )  # written out, as this is half of all that is asked: each call would cost a percent
        compiled = prepared.compiled.get("sqlite") or prepared.on(DIALECT)
        try:
            row = self.connection.execute(compiled.sql, compiled.parameters(statement.values)).fetchone()
        except apsw.Error as error:
            raise translated(error) from error
        return None if row is None else prepared.make(row)

    async def all(self, statement: Bound[T], *, long: bool = False) -> list[T]:
        if self.inline and long:
            raise NeedsThread
        make = statement.prepared.make
        return [make(row) for row in self.rows(self.fetch(statement))]

    def rows(self, cursor: apsw.Cursor, first: bool = False) -> Any:
        try:
            return cursor.fetchone() if first else cursor.fetchall()
        except apsw.Error as error:
            raise translated(error) from error

    async def run(self, statement: Bound[Any]) -> int:
        self.touched.add((statement.prepared.table, self.organization_id))
        if statement.prepared.notifies:
            self.changed.add(statement.prepared.table)
        self.fetch(statement)
        return self.connection.changes()

    async def lock(self, name: str) -> None:
        """Nothing to wait for: there is only one writer."""

    async def page(
        self, statement: Bound[T], page: int, limit: int, *, offset: int = 0, long: bool = False
    ) -> tuple[list[T], int]:
        search = statement.prepared.total_of is not None
        if self.inline and (long or search):
            raise NeedsThread
        window = (limit, min((page - 1) * limit + offset, MAX_OFFSET))
        if search:
            return self.counted_page(statement, window)
        key = (statement.prepared, statement.values)
        table = statement.prepared.table
        version = self.totals.version(table, self.organization_id)
        known = self.totals.known.get(key)
        make = statement.prepared.make
        if known is not None and version is not None and known[0] == version:
            rows = self.rows(self.fetch(statement, "page", window))
            if not self.foreign_writes() and self.totals.version(table, self.organization_id) == version:
                return [make(row) for row in rows], known[1]
        if self.inline and (known is None or known[1] > COUNTED_INLINE):
            raise NeedsThread
        with self.snapshot():
            rows = self.rows(self.fetch(statement, "page", window))
            total: int = self.rows(self.fetch(statement, "count"), first=True)[0]
        self.foreign_writes()
        if version is not None and self.totals.version(table, self.organization_id) == version:
            self.totals.keep(key, version, total)
        return [make(row) for row in rows], total

    def counted_page(self, statement: Bound[T], window: tuple[int, int]) -> tuple[list[T], int]:
        """A page whose every row carries the total; only one past the end needs a second statement."""
        with self.snapshot():
            rows = self.rows(self.fetch(statement, "whole", window))
            if rows or not window[1]:
                total = rows[0][-1] if rows else 0
            else:
                total = self.rows(self.fetch(statement, "count"), first=True)[0]
        make = statement.prepared.make
        return [make(row) for row in rows], total

    @contextlib.contextmanager
    def snapshot(self) -> Iterator[None]:
        """One read transaction around several statements."""
        if self.connection.in_transaction:
            yield
            return
        self.connection.execute("BEGIN")
        try:
            yield
        finally:
            self.connection.execute("COMMIT")

    def foreign_writes(self) -> bool:
        """Whether another process has written since this connection last looked; empties the caches if so."""
        version = self.connection.data_version()
        if version == self.data_version:
            return False
        epoch = self.connection.execute("SELECT value FROM epoch").get
        self.data_version, before, self.epoch = version, self.epoch, epoch
        if before == epoch:
            return False
        self.totals.forget()
        return True
