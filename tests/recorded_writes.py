"""Every write leaves an event: databases of this process note each transaction that changed a business table and recorded none."""

from __future__ import annotations

import inspect
import sys
from collections import Counter
from collections.abc import Callable, Coroutine
from functools import cache, partial, wraps
from pathlib import Path
from types import FrameType
from typing import Any

from sqlalchemy import Insert, Table, bindparam, select

import deskbell
from deskbell.foundation.db import Session, T, UnitOfWork
from deskbell.foundation.postgres.database import PostgresDatabase
from deskbell.foundation.sqlite import SqliteCommandDatabase, SqliteDatabase
from deskbell.foundation.statements import Bound, Prepared

#: "leads is changed by deskbell.leads.operations.update_lead without an event", of the test that runs.
UNRECORDED: list[str] = []

#: Tables whose rows are no business records, and why nobody reads of their changes.
EXEMPT = {
    "answers": "idempotency records",
    "jobs": "what is still to be done",
    "mcp_replies": "sessions",
    "mcp_sessions": "sessions",
    "reservations": "what running calls of models may cost",
    "usage_days": "usage",
    "installation": "settings that belong to no organization",
    "upload_parts": "the bytes of a document, which is recorded once it has all of them",
    "chunks": "index data",
    "chunk_vectors": "index data",
    "knowledge_blocks": "index data",
    "knowledge_graphs": "index data",
    "knowledge_segments": "index data",
    "simulated_texts": "what the simulated carrier remembers, as a real one would outside",
    "agent_messages": "a chat is recorded when it starts and when it is deleted",
}

#: Columns that change between two events, or with every one.
EXEMPT_COLUMNS = {
    "agent_conversations": {"messages", "input_tokens", "output_tokens", "cost_nanos"},
    "agent_versions": {"change_summary"},
    "api_keys": {"last_used_at"},
    "application_keys": {"last_used_at"},
    "documents": {"progress", "error", "digest", "stored_revision"},
    "knowledge_bases": {"version", "embedder", "calibration"},
}
ALWAYS = {"updated_at"}

#: States on the way from one that is recorded to the next.
PASSING = {("documents", "processing"), ("messages", "queued"), ("messages", "sending")}

#: Functions below which a table may change: what they do is part of something that is recorded elsewhere.
EXEMPT_FUNCTIONS = {
    ("wallets", "credits.operations.record"): "debits",
    ("documents", "knowledge.ingestion.clean_up.delete_some_of_base"): "knowledge_base.deleted has hidden them already",
    ("dropped_entries", "knowledge.ingestion.clean_up.delete_some_of_base"): "the same",
    ("appointments", "appointments.slice.merge"): "part of a merge, which is an event of the lead",
    ("tasks", "tasks.slice.merge"): "the same",
    ("messages", "conversations.slice.merge"): "the same",
    ("threads", "conversations.slice.merge"): "the same",
}

PRODUCT = str(Path(deskbell.__file__).parent)
DEMO = str(Path(PRODUCT) / "demo")


class WatchedSession:
    """A session that looks at what its statements change, all in all: a row that is deleted and stored again is no change."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.difference: Counter[tuple[Any, ...]] = Counter()  # of each table's rows, by what must be recorded of them
        self.origins: dict[str, str] = {}
        self.has_event = False

    def __getattr__(self, name: str) -> Any:
        """All but `run` is the session's own; some tests look behind what sessions promise."""
        return getattr(self.session, name)

    async def run(self, statement: Bound[Any]) -> int:
        construct: Any = statement.prepared.construct
        table: Table = construct.table
        if table.name == "events":
            self.has_event |= isinstance(construct, Insert)
        elif not self.has_event and table.name not in EXEMPT:
            functions = callers(sys._getframe(1))
            if functions and not any((table.name, each) in EXEMPT_FUNCTIONS for each in functions):
                self.origins.setdefault(table.name, functions[0])
                return await self.run_watched(statement, construct, table)
        return await self.session.run(statement)

    async def run_watched(self, statement: Bound[Any], construct: Any, table: Table) -> int:
        if isinstance(construct, Insert):
            count = await self.session.run(statement)
            given = dict(zip(statement.prepared.binds, statement.values, strict=True))
            await self.compare(table, None, tuple(given[f"v_{column.name}"] for column in table.primary_key))
            return count
        before = await self.session.all(Bound(rows_of(statement.prepared), statement.values))
        count = await self.session.run(statement)
        for row in before:
            old = dict(zip(table.columns.keys(), row, strict=True))
            await self.compare(table, old, tuple(old[column.key] for column in table.primary_key))
        return count

    async def compare(self, table: Table, old: dict[str, Any] | None, key: tuple[Any, ...]) -> None:
        """Notes what a row was and what it is now."""
        found = await self.session.one(Bound(row_with_key(table), key))
        new = None if found is None else dict(zip(table.columns.keys(), found, strict=True))
        if old is not None and new is not None and (table.name, new.get("status")) in PASSING:
            return
        ignored = ALWAYS | EXEMPT_COLUMNS.get(table.name, set())
        for row, count in ((old, -1), (new, 1)):
            if row is not None:
                self.difference[(table.name, *(row[name] for name in sorted(row.keys() - ignored)))] += count

    def unrecorded(self) -> list[str]:
        if self.has_event:
            return []
        tables = {row[0] for row, count in self.difference.items() if count}
        return [f"{table} is changed by {self.origins[table]} without an event" for table in sorted(tables)]


def callers(frame: FrameType | None) -> list[str]:
    """The product's functions that lead to a statement, the nearest first; none if a test or the demo runs it."""
    if frame is not None and frame.f_code.co_filename == __file__:  # a unit that is itself one statement
        work = frame.f_locals["work"]
        code = inspect.unwrap(work.func if isinstance(work, partial) else work).__code__
        if not product(code.co_filename):
            return []
    elif frame is None or not product(frame.f_code.co_filename):
        return []
    found = []
    while frame is not None:
        if product(frame.f_code.co_filename):
            module = frame.f_globals["__name__"].removeprefix("deskbell.")
            found.append(f"{module}.{frame.f_code.co_name}")
        frame = frame.f_back
    return found


def product(file: str) -> bool:
    return file.startswith(PRODUCT) and not file.startswith(DEMO)


@cache
def rows_of(prepared: Prepared[Any]) -> Prepared[Any]:
    """The rows that an UPDATE or DELETE is about."""
    construct: Any = prepared.construct
    return Prepared(select(*construct.table.columns).where(*construct._where_criteria), prepared.binds, tuple)


@cache
def row_with_key(table: Table) -> Prepared[Any]:
    names = [column.name for column in table.primary_key]
    return Prepared(select(*table.columns).where(*(table.c[name] == bindparam(name) for name in names)), names, tuple)


class WatchedUnit:
    """A unit of work whose last run was committed, if `judge` is called."""

    def __init__(self, work: UnitOfWork[Any]) -> None:
        self.work = work
        self.session: WatchedSession | None = None

    def __call__(self, session: Session) -> Coroutine[Any, Any, Any]:
        self.session = WatchedSession(session)
        inner = self.work(self.session)
        outer = self.run(self.work, inner)
        outer.__qualname__ = inner.__qualname__  # by which the database names a unit that misbehaves
        return outer

    async def run(self, work: UnitOfWork[Any], inner: Coroutine[Any, Any, Any]) -> Any:
        return await inner

    def judge(self) -> None:
        if self.session is not None:
            UNRECORDED.extend(self.session.unrecorded())


def watch() -> None:
    """From now on, every transaction that writes is looked at."""
    for kind in (SqliteDatabase, SqliteCommandDatabase, PostgresDatabase):
        kind.write = watched(kind.write)


def watched(write: Callable[..., Coroutine[Any, Any, T]]) -> Callable[..., Coroutine[Any, Any, T]]:
    @wraps(write)
    async def writing(self: Any, work: UnitOfWork[T], organization_id: str | None = None) -> T:
        unit = WatchedUnit(work)
        value = await write(self, unit, organization_id)
        unit.judge()
        return value

    return writing
