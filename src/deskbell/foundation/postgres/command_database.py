"""A PostgreSQL for a command: few connections, no listening, and servers notified before the command ends."""

from __future__ import annotations

import contextlib

import asyncpg

from deskbell.foundation.db import DatabaseFailure, T, UnitOfWork
from deskbell.foundation.postgres.connection import CONNECT
from deskbell.foundation.postgres.database import PostgresDatabase

POOL = 4  # connections, made when they are needed
VACUUM = 3600.0  # seconds


class PostgresCommandDatabase(PostgresDatabase):
    """Satisfies `foundation.databases.CommandDatabase`. It is not started."""

    def __init__(self, url: str) -> None:
        super().__init__(url, pool=POOL)

    async def write(self, work: UnitOfWork[T], organization_id: str | None = None) -> T:
        done = await super().write(work, organization_id)
        with contextlib.suppress(DatabaseFailure):
            await self.spread_now()
        return done

    async def erase_free_pages(self, *, whole: bool) -> None:
        """On a connection of its own: it may take long, where the pool's may not."""
        connection = await asyncpg.connect(self.url, timeout=CONNECT)
        try:
            await connection.execute("VACUUM (FULL)" if whole else "VACUUM", timeout=VACUUM)
        finally:
            await connection.close(timeout=CONNECT)
