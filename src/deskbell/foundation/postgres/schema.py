"""The schema of a PostgreSQL database: made when empty, brought up to date under an advisory lock, so that many nodes may try at once."""

from __future__ import annotations

from typing import Any

import asyncpg

from deskbell.foundation.db import DatabaseFailure
from deskbell.foundation.migrations import MigrationNeeded, SchemaTooNew, latest, steps
from deskbell.foundation.postgres.session import reraise

LOCK = 0x6465736B  # "desk", in the space of pg_advisory_lock
RECORD = "CREATE TABLE migrations (number int PRIMARY KEY, name text NOT NULL, applied_at timestamptz NOT NULL DEFAULT now())"
CONNECT = 10.0  # seconds
GRACE = 60.0  # seconds to wait for another node's migration


async def version(connection: Any) -> int:
    """The number of the newest migration; 0 for an empty database."""
    if await connection.fetchval("SELECT to_regclass('migrations')") is None:
        return 0
    return int(await connection.fetchval("SELECT coalesce(max(number), 0) FROM migrations"))


async def prepare(url: str, *, migrate: bool) -> list[str]:
    """Makes the database ready for this program, and answers the names of the steps that were run.

    Each step is one transaction that also records it; a step that fails leaves everything as it was before that step.
    """
    try:
        connection = await asyncpg.connect(url, timeout=CONNECT)
        try:
            return await bring_up_to_date(connection, migrate=migrate)
        finally:
            await connection.close(timeout=CONNECT)
    except asyncpg.InsufficientPrivilegeError as error:
        raise DatabaseFailure(
            f"{error}. docs/guides/postgresql.md says which rights the database user needs"
        ) from error
    except Exception as error:
        reraise(error)


async def bring_up_to_date(connection: Any, *, migrate: bool) -> list[str]:
    await connection.execute(f"SET lock_timeout = '{GRACE:.0f}s'")
    await connection.execute("SELECT pg_advisory_lock($1)", LOCK, timeout=GRACE + CONNECT)
    found = await version(connection)
    if found > latest():
        raise SchemaTooNew(found)
    if found and found < latest() and not migrate:
        raise MigrationNeeded(found)
    done: list[str] = []
    for step in steps()[found:]:
        async with connection.transaction():
            if not found and not done:
                await connection.execute(RECORD)
            for text in step.statements("postgres"):
                await connection.execute(text)
            await connection.execute("INSERT INTO migrations (number, name) VALUES ($1, $2)", step.number, step.name)
        done.append(step.name)
    return done
