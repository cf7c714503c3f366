"""What the commands share: the file that a URL names, transactions next to a running server, and errors in one line."""

from __future__ import annotations

import contextlib
import os
import shlex
import shutil
import sys
import time
from collections.abc import Callable, Coroutine, Iterator
from typing import Any, TypeVar

import click

from deskbell.errors import Problem
from deskbell.foundation import databases, sqlite
from deskbell.foundation.command_connection import CommandConnection
from deskbell.foundation.db import DatabaseFailure, Session
from deskbell.foundation.migrations import SchemaTooNew
from deskbell.settings import Settings

T = TypeVar("T")
EXPECTED = (
    Problem,
    DatabaseFailure,
    SchemaTooNew,
    sqlite.AlreadyServed,
    sqlite.MigrationNeeded,
    sqlite.MigrationFailed,
    databases.Unsupported,
    databases.DriverMissing,
    OSError,
)


def explained(error: Exception) -> str | None:
    """An expected failure in one line; None for a bug, which should show its traceback."""
    line = str(error) if isinstance(error, EXPECTED) else sqlite.complaint(error)
    return None if line is None else " ".join(line.split())


def file_of(url: str) -> str:
    """The path of a database file: relative in `sqlite:///FILE`, absolute in `sqlite:////FILE`.

    Links are followed, as SQLite does: the lock, the log and a restored file must be next to the real file.
    """
    path = databases.sqlite_path(url)
    if databases.is_postgres(url):
        raise click.ClickException(
            "This command works on SQLite files only; for PostgreSQL use pg_dump and pg_restore."
        )
    if path is None or path == ":memory:":
        raise databases.Unsupported(url)
    if os.path.isdir(path) or not os.path.isdir(os.path.dirname(path) or "."):
        raise click.ClickException(f"The database {url!r} cannot be a file: check that its folder exists.")
    real = os.path.realpath(path)
    return path if real == os.path.abspath(path) else real


def is_empty(path: str) -> bool:
    """Whether there is no schema yet. Refuses a file of another program, to keep our tables out of it."""
    if not os.path.exists(path) or not os.path.getsize(path):
        return True
    connection = sqlite.connect(path)
    try:
        if sqlite.schema_version(connection):
            return False
        tables = connection.execute("SELECT group_concat(name, ', ') FROM sqlite_schema WHERE name <> 'migrations'").get
    finally:
        connection.close()
    if tables:
        raise DatabaseFailure(f"{path} is not a Deskbell database: it has the tables {tables[:80]}")
    return True


def make_ready(url: str) -> None:
    """Creates an empty database's schema, under a lock; refuses one that is older or newer than this program."""
    if databases.is_postgres(url):
        databases.prepare(url, migrate=False)
        return
    path = file_of(url)
    deadline = time.monotonic() + 10
    while is_empty(path):
        try:
            with sqlite.exclusive(path):
                sqlite.prepare(path, migrate=False)
        except sqlite.AlreadyServed:  # another command is creating it right now
            if time.monotonic() > deadline:
                raise
            time.sleep(0.02)
    sqlite.prepare(path, migrate=False)


@contextlib.contextmanager
def connected(settings: Settings) -> Iterator[CommandConnection]:
    """The database of these settings, next to a server that may be running on it."""
    make_ready(settings.database)
    connection = databases.command_connection(settings.database)
    try:
        yield connection
    finally:
        connection.close()


def read(settings: Settings, work: Callable[[Session], Coroutine[Any, Any, T]]) -> T:
    """One reading transaction."""
    with connected(settings) as connection:
        return connection.read(work)


def write(settings: Settings, work: Callable[[Session], Coroutine[Any, Any, T]]) -> T:
    """One writing transaction."""
    with connected(settings) as connection:
        return connection.write(work)


def program(settings: Settings) -> str:
    """How to call this program on the same database, for commands in messages."""
    if shutil.which("deskbell"):
        name = "deskbell"
    elif os.path.basename(sys.argv[0]) == "deskbell":
        name = shlex.quote(os.path.relpath(sys.argv[0]))
    else:
        name = f"{shlex.quote(sys.executable)} -m deskbell"
    context: click.Context | None = click.get_current_context(silent=True)
    while context is not None:
        if context.params.get("database"):
            return f"{name} --database {shlex.quote(settings.database)}"
        context = context.parent
    return name
