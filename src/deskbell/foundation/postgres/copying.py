"""Moving a whole installation from an SQLite file to an empty PostgreSQL: resumable, and verified by counts and digests."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from hashlib import sha256
from typing import Any

import asyncpg
import msgspec
from sqlalchemy import Table, Text

from deskbell.foundation.db import BOOLEAN, ID, DatabaseFailure, schema
from deskbell.foundation.migrations import latest
from deskbell.foundation.postgres.connection import set_up
from deskbell.foundation.postgres.schema import prepare
from deskbell.foundation.postgres.session import reraise
from deskbell.foundation.sqlite import connect, schema_version

CHUNK = 2000  # rows per transaction, but for tables whose rows are large
AT_ONCE = "copied_at_once"  # key of `Table.info`, for tables with large rows
CONNECT = 10.0  # seconds
ANSWER = 300.0  # seconds for one statement
PROGRESS = (
    "CREATE TABLE IF NOT EXISTS copy_progress"
    " (name text PRIMARY KEY, source text NOT NULL, done bigint NOT NULL, last text NOT NULL)"
)

#: Called with a table's name, the rows done and the rows in all.
Watcher = Callable[[str, int, int], None]


class CopyRefused(DatabaseFailure):
    """The copy cannot begin, or what arrived is not what was sent; its message says what to do."""


class Digest:
    """A number that two tables share only if they hold the same rows in the same order of keys."""

    def __init__(self, table: Table) -> None:
        self.flags = flags_of(table)
        self.rows = 0
        self.sum = sha256()

    def add(self, row: Iterable[Any]) -> None:
        values = list(row)
        for place in self.flags:
            values[place] = int(values[place])
        self.rows += 1
        self.sum.update(repr(values).encode())


def key_of(table: Table, *, on_target: bool = False) -> list[str]:
    """The columns that order a table; on the target text is compared by code point, as SQLite does."""
    return [
        f'{column.name} COLLATE "C"'
        if on_target and type(column.type) is Text and column.type is not ID
        else column.name
        for column in table.primary_key.columns
    ]


def names_of(table: Table) -> list[str]:
    return [column.name for column in table.columns]


def rows_after(source: Any, table: Table, last: list[Any] | None) -> Iterator[list[tuple[Any, ...]]]:
    """The rows of a table in the order of its key, in chunks, behind the row with the key `last`."""
    key, places = key_of(table), key_places(table)
    after = f"WHERE ({', '.join(key)}) > ({', '.join('?' * len(key))})"
    text = f"SELECT {', '.join(names_of(table))} FROM {table.name} {{}} ORDER BY {', '.join(key)} LIMIT {table.info.get(AT_ONCE, CHUNK)}"
    while chunk := source.execute(text.format(after if last else ""), last or ()).fetchall():
        yield chunk
        last = [chunk[-1][place] for place in places]


def key_places(table: Table) -> list[int]:
    names = names_of(table)
    return [names.index(column.name) for column in table.primary_key.columns]


def flags_of(table: Table) -> list[int]:
    """The places of the columns that are numbers in SQLite and booleans in PostgreSQL."""
    return [place for place, column in enumerate(table.columns) if column.type is BOOLEAN]


async def copy(path: str, url: str, watcher: Watcher) -> dict[str, int]:
    """Copies every table and verifies it; answers the rows per table. The caller holds the file's lock, so that no server writes.

    A copy that was interrupted continues where it stopped. Refuses a target that holds anything else.
    """
    source = connect(path)
    if schema_version(source) != latest():
        raise CopyRefused(
            f"{path} has schema {schema_version(source)}, this program's is {latest()}: run `deskbell migrate` first"
        )
    await prepare(url, migrate=True)
    try:
        target = await asyncpg.connect(url, timeout=CONNECT, command_timeout=ANSWER)
        try:
            await set_up(target)
            await refuse_foreign_rows(target, path)
            counts = {
                table.name: await copy_table(source, target, table, path, watcher) for table in schema.sorted_tables
            }
            await target.execute("DROP TABLE copy_progress")  # from now on the target is not empty for anybody
        finally:
            await target.close(timeout=CONNECT)
    except Exception as error:
        reraise(error)
    finally:
        source.close()
    return counts


async def refuse_foreign_rows(target: Any, path: str) -> None:
    """A target with rows is accepted only if this very copy has put them there."""
    await target.execute(PROGRESS)
    begun = {row[0]: row[1] for row in await target.fetch("SELECT name, source FROM copy_progress")}
    for table in schema.sorted_tables:
        if begun.get(table.name) == path:
            continue
        if await target.fetchval(f"SELECT EXISTS (SELECT 1 FROM {table.name})"):
            raise CopyRefused(f"The target is not empty: `{table.name}` has rows. Give an empty database")


async def copy_table(source: Any, target: Any, table: Table, path: str, watcher: Watcher) -> int:
    total: int = source.execute(f"SELECT count(*) FROM {table.name}").get
    begun = await target.fetchrow("SELECT done, last FROM copy_progress WHERE name = $1", table.name)
    done, last = (begun[0], msgspec.json.decode(begun[1])) if begun else (0, None)
    places = key_places(table)
    flags = flags_of(table)
    for chunk in rows_after(source, table, last):
        records = [tuple(bool(value) if place in flags else value for place, value in enumerate(row)) for row in chunk]
        async with target.transaction():
            await put(target, table, records)
            done += len(chunk)
            await target.execute(
                "INSERT INTO copy_progress VALUES ($1, $2, $3, $4) ON CONFLICT (name) DO UPDATE SET done = $3, last = $4",
                table.name,
                path,
                done,
                msgspec.json.encode([chunk[-1][place] for place in places]).decode(),
            )
        watcher(table.name, done, total)
    await verify(source, target, table)
    await target.execute(f"ANALYZE {table.name}")  # the first plans are made before the server looks by itself
    return done


async def put(target: Any, table: Table, records: list[tuple[Any, ...]]) -> None:
    places = ", ".join(f"${place}" for place in range(1, len(table.columns) + 1))
    await target.executemany(f"INSERT INTO {table.name} ({', '.join(names_of(table))}) VALUES ({places})", records)


async def verify(source: Any, target: Any, table: Table) -> None:
    """Compares what arrived with what was sent, row by row through a digest."""
    sent, arrived = Digest(table), Digest(table)
    for chunk in rows_after(source, table, None):
        for row in chunk:
            sent.add(row)
    order = ", ".join(key_of(table, on_target=True))
    async with target.transaction():
        async for row in target.cursor(
            f"SELECT {', '.join(names_of(table))} FROM {table.name} ORDER BY {order}",
            prefetch=table.info.get(AT_ONCE, CHUNK),
        ):
            arrived.add(row)
    if sent.sum.digest() != arrived.sum.digest():
        raise CopyRefused(
            f"`{table.name}` arrived differently: {sent.rows} rows sent, {arrived.rows} found. Drop the target and copy again"
        )
