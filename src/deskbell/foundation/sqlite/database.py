"""The two ways to hold a file: as the server that owns it, and as a command that is its guest."""

from __future__ import annotations

import asyncio
import contextlib
import os
import threading
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import apsw

from deskbell.foundation.db import DatabaseFailure, Graphs, NeedsThread, T, Work
from deskbell.foundation.limits import Limits, MemoryLimits
from deskbell.foundation.sqlite.files import connect
from deskbell.foundation.sqlite.search import settle
from deskbell.foundation.sqlite.session import SqliteSession, Totals, drive, translated
from deskbell.foundation.sqlite.writer import BATCH, Writer

MAPPED = 1024 * 1024 * 1024  # bytes of the file
LOOK = 0.5  # seconds between looks whether another process has written
CHECKPOINT_PAUSE = 0.25  # seconds in which commits are gathered for one checkpoint
RESTART_WAL = 64 * 1024 * 1024  # bytes


class SqliteDatabase:
    """The server's hold on one file. Made inside the running event loop; `stop` finishes the queued writes."""

    single_process = True
    graphs: Graphs | None = None

    def __init__(self, path: str, *, batch: int = BATCH) -> None:
        self.path = path
        self.totals = Totals()
        self.reader = SqliteSession(connect(path), self.totals, inline=True)
        self.reader.foreign_writes()
        self.limits: Limits = MemoryLimits()
        self.listeners: dict[str, list[Callable[[], None]]] = {}
        self.broadcast_listeners: list[Callable[[str], None]] = []
        self.writer = Writer(path, self.totals, batch, self.notify)
        self.long = ThreadPoolExecutor(2, "long-read")
        self.own = threading.local()
        self.stopping = threading.Event()
        self.checkpointer = threading.Thread(target=self.checkpoint, name="checkpoint", daemon=True)
        self.checkpointer.start()

    async def read(self, work: Work[T], organization_id: str | None = None) -> T:
        self.reader.organization_id = organization_id
        try:
            return drive(work(self.reader))
        except NeedsThread:
            return await self.read_long(work, organization_id)
        except apsw.Error as error:
            raise translated(error) from error

    async def read_long(self, work: Work[T], organization_id: str | None) -> T:
        """Reads on a thread; again where the search index was damaged."""
        apart = asyncio.get_running_loop().run_in_executor
        try:
            return await apart(self.long, self.read_apart, work, organization_id)
        except DatabaseFailure as failure:
            if not isinstance(failure.__cause__, apsw.CorruptError):
                raise
            await self.writer.mend()
        return await apart(self.long, self.read_apart, work, organization_id)

    def read_apart(self, work: Work[T], organization_id: str | None) -> T:
        session = getattr(self.own, "session", None)
        if session is None:
            connection = connect(self.path)
            # A search touches hundreds of pages here and there: mapped into memory they are neither read nor copied.
            connection.execute(f"PRAGMA mmap_size={MAPPED}")
            session = self.own.session = SqliteSession(connection, self.totals)
        session.organization_id = organization_id
        try:
            return drive(work(session))
        except apsw.Error as error:
            raise translated(error) from error

    async def write(self, work: Work[T], organization_id: str | None = None) -> T:
        return await self.writer.submit(work, organization_id)

    def on_change(self, table: str, told: Callable[[], None]) -> None:
        self.listeners.setdefault(table, []).append(told)

    def notify(self, tables: Iterable[str]) -> None:
        for table in tables:
            for told in self.listeners.get(table, ()):
                told()

    async def broadcast(self, news: str) -> None:
        for told in self.broadcast_listeners:
            told(news)

    def on_broadcast(self, told: Callable[[str], None]) -> None:
        self.broadcast_listeners.append(told)

    async def start(self) -> None:
        self.watching = asyncio.create_task(self.watch())

    async def watch(self) -> None:
        """Notices what other processes write; which tables nobody knows, so all listeners are notified."""
        seen = self.totals.generation
        log = FileWatch(self.path + "-wal")
        while True:
            await asyncio.sleep(LOOK)
            if not log.may_have_changed():
                continue
            with contextlib.suppress(apsw.Error):
                self.reader.connection.execute("SELECT 1 FROM epoch").get  # noqa: B018  data_version() moves with a read
                self.reader.foreign_writes()
            if self.totals.generation != seen:
                seen = self.totals.generation
                self.notify(self.listeners)
                self.writer.committed.set()

    def checkpoint(self) -> None:
        """After commits, moves the write-ahead log into the file beside the writer, so that no commit pays for it."""
        connection = connect(self.path)
        committed = self.writer.committed
        while committed.wait() and not self.stopping.wait(CHECKPOINT_PAUSE):
            committed.clear()
            if not self.move_log(connection):
                committed.set()
        connection.close()

    def move_log(self, connection: apsw.Connection) -> bool:
        """Whether the whole log is in the file now; a reader of an older state can hold the rest back."""
        try:
            large = os.stat(self.path + "-wal").st_size > RESTART_WAL
            mode = apsw.SQLITE_CHECKPOINT_RESTART if large else apsw.SQLITE_CHECKPOINT_PASSIVE
            pages, moved = connection.wal_checkpoint(mode=mode)
        except (apsw.Error, OSError):
            return False
        return pages == moved

    async def stop(self) -> None:
        self.watching.cancel()
        await asyncio.gather(self.watching, return_exceptions=True)
        self.close()

    def close(self) -> None:
        self.writer.stop()
        self.stopping.set()
        self.writer.committed.set()
        self.checkpointer.join()
        self.long.shutdown()
        self.reader.connection.close()


class FileWatch:
    """Whether the write-ahead log may have been written since the last look, without a transaction.

    Every commit writes the log, even where it begins again at its start. A file's time can be coarse: two writes within some
    milliseconds may leave the same. So what was new in one look is looked after in the next one too.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        self.seen: tuple[Any, ...] = ()

    def version(self) -> tuple[int, int, int] | None:
        try:
            found = os.stat(self.path)
        except OSError:
            return None
        return found.st_ino, found.st_size, found.st_mtime_ns

    def may_have_changed(self) -> bool:
        version = self.version()
        changed = self.seen != (version, version)
        self.seen = (*self.seen, version)[-2:]
        return changed


class Guest:
    """A command's hold on a file that a server may be using: short transactions, each announced by the epoch."""

    def __init__(self, path: str) -> None:
        self.session = SqliteSession(connect(path), Totals())

    def read(self, work: Work[T]) -> T:
        with self.session.snapshot():
            return drive(work(self.session))

    def write(self, work: Work[T]) -> T:
        connection = self.session.connection
        connection.execute("BEGIN IMMEDIATE")
        try:
            value = drive(work(self.session))
            settle(connection)
            connection.execute("UPDATE epoch SET value = value + 1")
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise
        time.sleep(0.002)  # lets the server's writer in between two transactions
        return value

    def scrub(self, *, whole: bool) -> None:
        connection = self.session.connection
        if whole:
            connection.execute("VACUUM")
        # The log still holds the old pages until it is moved into the file and cut.
        with contextlib.suppress(apsw.BusyError):
            connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE)

    def close(self) -> None:
        self.session.connection.close()
