"""An SQLite file for a command, beside a server that may be using it."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable

import apsw

from deskbell.foundation.db import Graphs, T, UnitOfWork
from deskbell.foundation.limits import Limits, MemoryLimits
from deskbell.foundation.sqlite.files import connect
from deskbell.foundation.sqlite.search import sync_search_index
from deskbell.foundation.sqlite.session import SqliteSession, Totals, drive

LET_IN = 0.002  # seconds between two transactions, in which the server's writer gets its turn


class SqliteCommandDatabase:
    """Satisfies `foundation.databases.CommandDatabase`: short transactions, each of which raises the epoch for the server to notice.

    Nothing here suspends, so `drive` runs it too.
    """

    single_process = False
    graphs: Graphs | None = None

    def __init__(self, path: str) -> None:
        self.session = SqliteSession(connect(path), Totals())
        self.limits: Limits = MemoryLimits()

    async def start(self) -> None:
        """There is nothing to start."""

    async def stop(self) -> None:
        self.session.connection.close()

    async def read(self, work: UnitOfWork[T], organization_id: str | None = None) -> T:
        with self.session.snapshot():
            return drive(work(self.session))

    async def write(self, work: UnitOfWork[T], organization_id: str | None = None) -> T:
        connection = self.session.connection
        connection.execute("BEGIN IMMEDIATE")
        try:
            value = drive(work(self.session))
            sync_search_index(connection)
            connection.execute("UPDATE epoch SET value = value + 1")
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise
        time.sleep(LET_IN)  # noqa: ASYNC251  nothing else runs in a command meanwhile, and `drive` can run this
        return value

    async def erase_free_pages(self, *, whole: bool) -> None:
        connection = self.session.connection
        if whole:
            connection.execute("VACUUM")
        # The log still holds the old pages until it is moved into the file and cut.
        with contextlib.suppress(apsw.BusyError):
            connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE)

    def on_change(self, table: str, callback: Callable[[], None]) -> None:
        """A command ends before anything that it has read grows old."""

    async def broadcast(self, news: str) -> None:
        """Nobody listens to a command; the server sees what it has written."""

    def on_broadcast(self, callback: Callable[[str], None]) -> None:
        """Nor does it listen."""
