"""The one thread that writes, and its group commit."""

from __future__ import annotations

import asyncio
import contextlib
import queue
import threading
from collections.abc import Callable
from typing import Any

import apsw

from deskbell.foundation.db import DatabaseFailure, Session, T, UnitOfWork
from deskbell.foundation.sqlite.files import connect
from deskbell.foundation.sqlite.search import SEARCHED, pending_rows, rebuild, sync_search_index
from deskbell.foundation.sqlite.session import SqliteSession, Totals, drive

BATCH = 256
MAX_PENDING = 256  # rows that a search may have to look at beside the index
IDLE = 0.1  # seconds without a write, after which the search index is synced


class Unit:
    """One write that waits for the writer: the work, its organization, and the caller's future."""

    __slots__ = ("error", "future", "organization_id", "value", "work")

    def __init__(self, work: UnitOfWork[Any], organization_id: str | None, future: asyncio.Future[Any]) -> None:
        self.work = work
        self.organization_id = organization_id
        self.future = future
        self.value: Any = None
        self.error: BaseException | None = None

    def resolve(self) -> None:
        """Gives the waiting caller its value or its error."""
        if self.future.done():
            return
        if self.error is None:
            self.future.set_result(self.value)
        elif isinstance(self.error, Exception):
            self.future.set_exception(self.error)
        else:
            self.future.set_exception(RuntimeError(f"{type(self.error).__name__}: {self.error}"))


async def nothing(session: Session) -> None:
    """A unit for the sake of its commit."""


class PartialWrite(Exception):
    """A unit failed after it had written, and no savepoint can undo it alone."""


class Writer:
    """One thread and one connection: drain the queue, BEGIN IMMEDIATE, every unit, one COMMIT, answer all."""

    def __init__(self, path: str, totals: Totals, batch: int, notify: Callable[[set[str]], None]) -> None:
        self.path = path
        self.committed = threading.Event()  # set at each commit, cleared by the checkpointer
        self.notify = notify
        self.totals = totals
        self.batch = batch
        self.index_is_behind = True  # a process before us may have left rows
        self.index_is_damaged = False
        self.queue: queue.SimpleQueue[Unit | None] = queue.SimpleQueue()
        self.loop = asyncio.get_running_loop()
        self.thread = threading.Thread(target=self.main, name="writer", daemon=True)
        self.thread.start()

    def submit(self, work: UnitOfWork[T], organization_id: str | None) -> asyncio.Future[T]:
        unit = Unit(work, organization_id, self.loop.create_future())
        self.queue.put(unit)
        return unit.future

    async def rebuild_search_index(self) -> None:
        """For one that a search has found damaged."""
        self.index_is_damaged = True
        await self.submit(nothing, None)

    def stop(self) -> None:
        """Finishes what is queued, then ends the thread."""
        self.queue.put(None)
        self.thread.join()

    def main(self) -> None:
        session = SqliteSession(connect(self.path), self.totals)
        session.connection.wal_autocheckpoint(0)
        ended = False
        while not ended and (first := self.next(session)) is not None:
            batch = [first]
            while len(batch) < self.batch and not self.queue.empty():
                unit = self.queue.get_nowait()
                if unit is None:
                    ended = True
                    break
                batch.append(unit)
            self.commit(session, batch)
            with contextlib.suppress(RuntimeError):  # the loop may be gone when the process ends
                self.loop.call_soon_threadsafe(self.answer, batch, session.changed)
        session.connection.close()

    def next(self, session: SqliteSession) -> Unit | None:
        """The next unit, or None at the end. While none comes, the search index is synced."""
        with contextlib.suppress(queue.Empty):
            return self.queue.get(timeout=IDLE if self.index_is_behind else None)
        with contextlib.suppress(apsw.Error), session.connection:
            sync_search_index(session.connection)
        self.index_is_behind = False
        return self.queue.get()

    def answer(self, batch: list[Unit], changed: set[str]) -> None:
        """In the event loop: resolves the futures and notifies the listeners of tables."""
        for unit in batch:
            unit.resolve()
        self.notify(changed)

    def commit(self, session: SqliteSession, batch: list[Unit]) -> None:
        session.touched, session.changed = set(), set()
        try:
            session.connection.execute("BEGIN IMMEDIATE")
            try:
                self.run(session, batch)
            except PartialWrite:
                session.connection.execute("ROLLBACK")
                session.connection.execute("BEGIN IMMEDIATE")
                self.run(session, batch, with_savepoints=True)
            if any(table in SEARCHED for table, _ in session.touched):
                self.index_is_behind = True
                if pending_rows(session.connection) >= MAX_PENDING:
                    sync_search_index(session.connection)
            if self.index_is_damaged:
                self.index_is_damaged = False
                rebuild(session.connection)
            self.totals.in_flight = session.touched
            session.connection.execute("COMMIT")
            self.totals.committed(session.touched)
            self.committed.set()
        except BaseException as error:  # BEGIN or COMMIT failed: no caller is told that it is stored
            with contextlib.suppress(apsw.Error):
                if session.connection.in_transaction:
                    session.connection.execute("ROLLBACK")
            for unit in batch:
                unit.error = unit.error or DatabaseFailure(str(error))
        finally:
            self.totals.in_flight = set()

    def run(self, session: SqliteSession, batch: list[Unit], *, with_savepoints: bool = False) -> None:
        """Runs the units one after the other. `with_savepoints` gives each a savepoint, which can be undone alone.

        A savepoint costs a write some percent, and only a unit that fails after it has written needs one. That is rare: then
        the batch is undone and run again with savepoints.
        """
        connection = session.connection
        for place, unit in enumerate(batch):
            unit.error = None
            if unit.future.cancelled():  # the caller left before we began
                continue
            session.organization_id = unit.organization_id
            written = connection.total_changes()
            if with_savepoints:
                connection.execute("SAVEPOINT unit")
            try:
                unit.value = drive(unit.work(session))
                if not connection.in_transaction:
                    raise DatabaseFailure("SQLite has ended the transaction")
                if with_savepoints:
                    connection.execute("RELEASE unit")
            except BaseException as error:  # a refusal, a bug, an await in a transaction: this unit alone is undone
                unit.error = error
                if not connection.in_transaction:  # disk full, I/O error: SQLite has undone the whole batch
                    for earlier in batch[:place]:
                        earlier.error = earlier.error or DatabaseFailure("undone with its batch")
                    session.touched.clear()
                    connection.execute("BEGIN IMMEDIATE")
                elif with_savepoints:
                    connection.execute("ROLLBACK TO unit")
                    connection.execute("RELEASE unit")
                elif connection.total_changes() != written:
                    raise PartialWrite from error
