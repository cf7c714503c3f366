"""The server's hold on a file."""

from __future__ import annotations

import asyncio
import contextlib
import os
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import apsw

from deskbell.foundation.db import DatabaseFailure, Graphs, NeedsThread, T, UnitOfWork
from deskbell.foundation.limits import Limits, MemoryLimits
from deskbell.foundation.sqlite.files import connect
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
        self.readers = ThreadPoolExecutor(2, "long-read")
        self.thread_sessions = threading.local()
        self.stopping = threading.Event()
        self.checkpointer = threading.Thread(target=self.checkpoint, name="checkpoint", daemon=True)
        self.checkpointer.start()

    async def read(self, work: UnitOfWork[T], organization_id: str | None = None) -> T:
        self.reader.organization_id = organization_id
        try:
            return drive(work(self.reader))
        except NeedsThread:
            return await self.read_long(work, organization_id)
        except apsw.Error as error:
            raise translated(error) from error

    async def read_long(self, work: UnitOfWork[T], organization_id: str | None) -> T:
        """Reads on a thread; again if the search index had to be rebuilt."""
        loop = asyncio.get_running_loop()
        try:
            return await loop.run_in_executor(self.readers, self.read_on_thread, work, organization_id)
        except DatabaseFailure as failure:
            if not isinstance(failure.__cause__, apsw.CorruptError):
                raise
            await self.writer.rebuild_search_index()
        return await loop.run_in_executor(self.readers, self.read_on_thread, work, organization_id)

    def read_on_thread(self, work: UnitOfWork[T], organization_id: str | None) -> T:
        session = getattr(self.thread_sessions, "session", None)
        if session is None:
            connection = connect(self.path)
            # A search touches hundreds of pages here and there: mapped into memory they are neither read nor copied.
            connection.execute(f"PRAGMA mmap_size={MAPPED}")
            session = self.thread_sessions.session = SqliteSession(connection, self.totals)
        session.organization_id = organization_id
        try:
            return drive(work(session))
        except apsw.Error as error:
            raise translated(error) from error

    async def write(self, work: UnitOfWork[T], organization_id: str | None = None) -> T:
        return await self.writer.submit(work, organization_id)

    def on_change(self, table: str, callback: Callable[[], None]) -> None:
        self.listeners.setdefault(table, []).append(callback)

    def notify(self, tables: Iterable[str]) -> None:
        for table in tables:
            for callback in self.listeners.get(table, ()):
                callback()

    async def broadcast(self, news: str) -> None:
        for callback in self.broadcast_listeners:
            callback(news)

    def on_broadcast(self, callback: Callable[[str], None]) -> None:
        self.broadcast_listeners.append(callback)

    async def start(self) -> None:
        self.watching = asyncio.create_task(self.watch())

    async def watch(self) -> None:
        """Notices that another process has written. In which tables is unknown, so all listeners are notified."""
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
        self.readers.shutdown()
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
