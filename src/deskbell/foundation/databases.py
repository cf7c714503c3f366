"""Which database a URL means. Nobody else asks."""

from __future__ import annotations

from deskbell.foundation.db import Database

SUPPORTED = "sqlite:///FILE (relative), sqlite:////FILE (absolute) or postgresql://USER@HOST/NAME"


class Unsupported(Exception):
    """A database URL that this installation cannot open; says what would help."""


def sqlite_path(url: str) -> str | None:
    """The file of an SQLite URL, or None for another kind."""
    return url.removeprefix("sqlite:///") if url.startswith("sqlite:///") and url != "sqlite:///" else None


def is_postgres(url: str) -> bool:
    return url.startswith(("postgresql://", "postgres://"))


def opened(url: str) -> Database:
    """The server's database, not yet started. Called inside the running event loop."""
    if (path := sqlite_path(url)) is not None:
        from deskbell.foundation.sqlite import SqliteDatabase

        return SqliteDatabase(path)
    if not is_postgres(url):
        raise Unsupported(f"{url.partition('://')[0]!r} is no supported database; use {SUPPORTED}")
    try:
        from deskbell.foundation.postgres.database import PostgresDatabase
    except ModuleNotFoundError as missing:
        raise Unsupported(f"PostgreSQL needs one more package: pip install 'deskbell[postgres]' ({missing})") from None
    return PostgresDatabase(url)
