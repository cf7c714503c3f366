"""A command's hold on a PostgreSQL: one connection, used from ordinary code that has no event loop."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Coroutine
from typing import Any

import asyncpg

from deskbell.foundation.db import DatabaseFailure, T, Work
from deskbell.foundation.postgres.connection import CONNECT
from deskbell.foundation.postgres.database import PostgresDatabase

VACUUM = 3600.0  # seconds


class Guest:
    """Transactions of the system, one at a time, as `foundation.sqlite.Guest` has them."""

    def __init__(self, url: str) -> None:
        self.loop = asyncio.new_event_loop()
        self.database = PostgresDatabase(url, pool=1)

    def finished(self, coroutine: Coroutine[Any, Any, T]) -> T:
        return self.loop.run_until_complete(coroutine)

    def read(self, work: Work[T]) -> T:
        return self.finished(self.database.read(work))

    def write(self, work: Work[T]) -> T:
        done = self.finished(self.database.write(work))
        with contextlib.suppress(DatabaseFailure):
            self.finished(self.database.spread_now())
        return done

    def scrub(self, *, whole: bool) -> None:
        self.finished(self.vacuum("VACUUM (FULL)" if whole else "VACUUM"))

    async def vacuum(self, text: str) -> None:
        """On a connection of its own: it may take long, where the pool's may not."""
        connection = await asyncpg.connect(self.database.url, timeout=CONNECT)
        try:
            await connection.execute(text, timeout=VACUUM)
        finally:
            await connection.close(timeout=CONNECT)

    def close(self) -> None:
        self.finished(self.database.stop())
        self.loop.close()
