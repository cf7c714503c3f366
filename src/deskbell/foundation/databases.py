"""Which database a URL means. No other module asks."""

from __future__ import annotations

import asyncio
import re
from importlib.util import find_spec

from deskbell.foundation.command_connection import CommandConnection
from deskbell.foundation.db import Database

SUPPORTED = "sqlite:///FILE (relative), sqlite:////FILE (absolute) or postgresql://USER@HOST/NAME"


class Unsupported(Exception):
    """A URL of a database that Deskbell does not support."""

    def __init__(self, url: str) -> None:
        super().__init__(f"The database {redact(url)!r} is not supported. Use {SUPPORTED}.")


class DriverMissing(Exception):
    """PostgreSQL is wanted and its driver is not installed."""

    def __init__(self) -> None:
        super().__init__("PostgreSQL needs one more package: pip install 'deskbell[postgres]'")


def redact(url: str) -> str:
    """A database URL without its password, to be shown."""
    return re.sub(r"(://[^/@:]*:)[^@]*@", r"\1***@", url)


def sqlite_path(url: str) -> str | None:
    """The file of an SQLite URL, or None for another kind."""
    return url.removeprefix("sqlite:///") if url.startswith("sqlite:///") and url != "sqlite:///" else None


def is_postgres(url: str) -> bool:
    return url.startswith(("postgresql://", "postgres://"))


def open_database(url: str) -> Database:
    """The server's database, not yet started. Called inside the running event loop."""
    if (path := sqlite_path(url)) is not None:
        from deskbell.foundation.sqlite import SqliteDatabase

        return SqliteDatabase(path)
    require_postgres(url)
    from deskbell.foundation.postgres.database import PostgresDatabase

    return PostgresDatabase(url)


def without_graphs(url: str) -> str | None:
    """Why a database cannot have graphs of vectors, and what to do; None where it can."""
    if not is_postgres(url):
        return "Only PostgreSQL with pgvector searches such ones on disk: `deskbell copy` moves everything there."
    from deskbell.foundation.postgres.graphs import PostgresGraphs

    return asyncio.run(PostgresGraphs(url).refusal(0))


def command_connection(url: str) -> CommandConnection:
    """Opens a database for a command; its schema must be ready."""
    if (path := sqlite_path(url)) is not None:
        from deskbell.foundation.sqlite import SqliteCommandDatabase

        return CommandConnection(SqliteCommandDatabase(path))
    require_postgres(url)
    from deskbell.foundation.postgres.command_database import PostgresCommandDatabase

    return CommandConnection(PostgresCommandDatabase(url))


def prepare(url: str, *, migrate: bool) -> None:
    """Creates the schema of an empty database; brings an older one up to date if `migrate` is set, else refuses it."""
    if (path := sqlite_path(url)) is not None:
        from deskbell.foundation.sqlite import prepare as prepare_file

        prepare_file(path, migrate=migrate)
        return
    require_postgres(url)
    from deskbell.foundation.postgres.schema import prepare as prepare_server

    asyncio.run(prepare_server(url, migrate=migrate))


def require_postgres(url: str) -> None:
    """Raises Unsupported for anything but a PostgreSQL URL, and DriverMissing."""
    if not is_postgres(url):
        raise Unsupported(url)
    if find_spec("asyncpg") is None:
        raise DriverMissing
