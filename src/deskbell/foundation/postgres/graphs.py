"""Vectors in tables of their own, one for each knowledge base and embedder, with an HNSW graph by pgvector.

A graph over all knowledge bases would lose most of what a filter for one of them asks for. The login role makes the tables, as it
owns all others; requests read them through `knowledge_nearest`, as the role and behind the policies that hold everywhere.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import AsyncIterator, Iterable, Sequence
from typing import Any

import asyncpg

from deskbell.foundation.postgres.connection import CONNECT
from deskbell.foundation.postgres.session import reraise

OLDEST = (0, 8)  # of pgvector: earlier ones stop a search before enough rows of living documents are found
MOST_DIMENSIONS = 4000  # of a halfvec in an HNSW graph
STATEMENT_TIME = 6 * 3600.0  # seconds for a statement; a graph of millions of vectors takes long
MEMORY = "1GB"  # for making a graph; one that outgrows it is made slowly

MAKE = """
CREATE TABLE {name} (organization_id uuid NOT NULL, id text PRIMARY KEY, document_id text NOT NULL, revision bigint NOT NULL,
    embedding halfvec({dimensions}) NOT NULL);
CREATE INDEX ON {name} (document_id, revision);
ALTER TABLE {name} ENABLE ROW LEVEL SECURITY;
CREATE POLICY own_rows ON {name} TO deskbell_app USING (organization_id = (SELECT current_setting('deskbell.org'))::uuid);
CREATE POLICY every_row ON {name} TO deskbell_system USING (true);
REVOKE ALL ON {name} FROM deskbell_app, deskbell_system;
GRANT SELECT ON {name} TO deskbell_app, deskbell_system;
"""
FINISH = "CREATE INDEX IF NOT EXISTS {name}_near ON {name} USING hnsw (embedding halfvec_ip_ops)"
REMOVE = "DELETE FROM {name} WHERE (document_id, revision) IN (SELECT * FROM unnest($1::text[], $2::bigint[]))"


class PostgresGraphs:
    """Satisfies `foundation.db.Graphs`. Each call has a connection of its own: these are jobs, and the pool's time-outs are for requests."""

    def __init__(self, url: str) -> None:
        self.url = url

    async def refusal(self, dimensions: int = 0, *, install: bool = False) -> str | None:
        if dimensions > MOST_DIMENSIONS:
            return f"pgvector's graphs hold vectors of at most {MOST_DIMENSIONS} numbers, and these have {dimensions}"
        async with self.connected() as connection:
            found = await connection.fetchrow(
                "SELECT extversion, nspname FROM pg_extension JOIN pg_namespace ON pg_namespace.oid = extnamespace WHERE extname = 'vector'"
            )
            if found is None:
                return await missing(connection, install=install)
        version, place = found
        if tuple(map(int, re.findall(r"\d+", version)[:2])) < OLDEST:
            return f"pgvector {version} is too old: install 0.8 or newer and run `ALTER EXTENSION vector UPDATE` in the database"
        if place != "public":
            return f"pgvector is in the schema {place}: run `ALTER EXTENSION vector SET SCHEMA public` in the database"
        return None

    async def make(self, name: str, dimensions: int) -> None:
        async with self.connected() as connection, connection.transaction():
            if await connection.fetchval("SELECT to_regclass($1)", validate_name(name)) is None:
                await connection.execute(MAKE.format(name=name, dimensions=int(dimensions)))

    async def counts(self, name: str) -> dict[tuple[str, int], int]:
        async with self.connected() as connection:
            rows = await connection.fetch(
                f"SELECT document_id, revision, count(*) FROM {validate_name(name)} GROUP BY document_id, revision"
            )
        return {(row[0], row[1]): row[2] for row in rows}

    async def fill(self, name: str, organization_id: str, rows: Sequence[tuple[str, str, int, bytes]]) -> None:
        revisions = {(document_id, revision) for _, document_id, revision, _ in rows}
        records = [(organization_id, *place, vector) for *place, vector in rows]
        async with self.connected() as connection, connection.transaction():
            await connection.set_type_codec(
                "halfvec", schema="public", encoder=binary_halfvec, decoder=bytes, format="binary"
            )
            await connection.execute(REMOVE.format(name=validate_name(name)), *columns(revisions))
            await connection.copy_records_to_table(name, records=records)

    async def remove(self, name: str, revisions: Sequence[tuple[str, int]]) -> None:
        async with self.connected() as connection:
            await connection.execute(REMOVE.format(name=validate_name(name)), *columns(revisions))

    async def finish(self, name: str) -> None:
        async with self.connected() as connection:
            await connection.execute(f"SET maintenance_work_mem = '{MEMORY}'")
            await connection.execute(FINISH.format(name=validate_name(name)))
            await connection.execute(f"ANALYZE {name}")

    async def drop(self, name: str) -> None:
        async with self.connected() as connection:
            await connection.execute(f"DROP TABLE IF EXISTS {validate_name(name)}")

    @contextlib.asynccontextmanager
    async def connected(self) -> AsyncIterator[Any]:
        try:
            connection = await asyncpg.connect(self.url, timeout=CONNECT, command_timeout=STATEMENT_TIME)
            try:
                yield connection
            finally:
                await connection.close(timeout=CONNECT)
        except Exception as error:
            reraise(error)


async def missing(connection: Any, *, install: bool) -> str | None:
    """What to do where a database has no pgvector."""
    if await connection.fetchval("SELECT 1 FROM pg_available_extensions WHERE name = 'vector'") is None:
        return "pgvector is not installed on the PostgreSQL server: install its package there, 0.8 or newer"
    if install:
        with contextlib.suppress(asyncpg.InsufficientPrivilegeError, asyncpg.UniqueViolationError):
            await connection.execute("CREATE EXTENSION IF NOT EXISTS vector SCHEMA public")
            return None
    return "pgvector is not in the database: run `CREATE EXTENSION vector` there as an administrator"


def columns(revisions: Iterable[tuple[str, int]]) -> tuple[list[str], list[int]]:
    pairs = list(revisions)
    return [document_id for document_id, _ in pairs], [revision for _, revision in pairs]


def validate_name(name: str) -> str:
    """A table's name, which stands in SQL as it is."""
    if not re.fullmatch(r"knowledge_graph_[0-9a-f]{16}", name):
        raise ValueError(name)
    return name


def binary_halfvec(vector: bytes) -> bytes:
    """A halfvec in PostgreSQL's binary form, from float16, little-endian."""
    swapped = bytearray(len(vector))
    swapped[0::2], swapped[1::2] = vector[1::2], vector[0::2]
    return (len(vector) // 2).to_bytes(2) + b"\0\0" + bytes(swapped)
