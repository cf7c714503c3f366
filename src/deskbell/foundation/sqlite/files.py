"""Files: connections, the lock that a server holds, copies, and the schema's upgrade with its way back."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import apsw

from deskbell.foundation import clock
from deskbell.foundation.db import DatabaseFailure
from deskbell.foundation.migrations import Migration, MigrationNeeded, SchemaTooNew, latest, steps
from deskbell.foundation.sqlite.search import add_functions

FAILURES = (apsw.Error,)  # what a file's state can cause, and OUR_BUGS, which it cannot
OUR_BUGS = (apsw.SQLError, apsw.MisuseError, apsw.RangeError, apsw.BindingsError, apsw.ConstraintError)


BESIDE = ("", "-wal", "-shm")  # a database file and what SQLite keeps beside it


def complaint(error: Exception) -> str | None:
    """What a failure of the driver means for the operator; None for a bug of ours, and for an error that is not the driver's."""
    if isinstance(error, apsw.ReadOnlyError):
        return "The database cannot be written: the file or its folder is read-only."
    if isinstance(error, apsw.NotADBError):
        return "The database is damaged, or another kind of file. `deskbell restore` puts a backup in its place."
    return str(error) if isinstance(error, apsw.Error) and not isinstance(error, OUR_BUGS) else None


def wait_for_lock(tries: int) -> bool:
    """Waits for another process's lock at a steady pace; the default timeout backs off and starves. Gives up after 10 s."""
    time.sleep(0.0005)
    return tries < 20_000


def make_private(path: str) -> None:
    """Makes an empty file that only we may read, if there is none: it will hold customers. SQLite's files beside it get the same mode."""
    os.close(os.open(path, os.O_WRONLY | os.O_CREAT, 0o600))


def connect(path: str, *, create: bool = False) -> apsw.Connection:
    """A connection with this program's settings: durable at every commit, foreign keys on, waiting for other writers."""
    if create:
        make_private(path)
    connection = apsw.Connection(path, flags=apsw.SQLITE_OPEN_READWRITE)
    connection.set_busy_handler(wait_for_lock)
    add_functions(connection)
    # Without this setting SQLite prepares a join again whenever a parameter changes: 38 us instead of 5 for a lead by id.
    connection.config(apsw.SQLITE_DBCONFIG_ENABLE_QPSG, 1)
    for pragma in (
        "journal_mode=WAL",
        "synchronous=FULL",
        "foreign_keys=ON",
        "temp_store=MEMORY",
        "cache_size=-16384",
        "secure_delete=FAST",
    ):
        connection.execute(f"PRAGMA {pragma}")
    return connection


class AlreadyServed(Exception):
    """Another process holds the file."""

    def __init__(self, path: str, pid: str) -> None:
        super().__init__(
            f"{path} is already served by process {pid or 'unknown'}. Stop it first, or use another --database."
        )


@contextlib.contextmanager
def exclusive(path: str) -> Iterator[None]:
    """Holds `FILE.lock` with our process id in it. It guards serving and migrating, and ends with the process."""
    descriptor = os.open(path + ".lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise AlreadyServed(path, os.pread(descriptor, 32, 0).decode("ascii", "replace").strip()) from None
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
        yield
    finally:
        os.close(descriptor)


def snapshot(path: str, target: str) -> None:
    """A whole and verified copy of a file that may be in use (VACUUM INTO, then an integrity check of the copy)."""
    Path(target).unlink(missing_ok=True)
    make_private(target)
    connection = connect(path)
    connection.execute("VACUUM INTO ?", (target,))
    connection.close()
    verify(target)


def verify(path: str) -> None:
    """Refuses a file that is not a sound database."""
    try:
        connection = apsw.Connection(path, flags=apsw.SQLITE_OPEN_READONLY)
        complaint = connection.execute("PRAGMA integrity_check").get
        connection.close()
    except apsw.Error as error:
        raise DatabaseFailure(f"{path} is not a sound database: {error}") from error
    if complaint != "ok":
        raise DatabaseFailure(f"{path} is damaged: {complaint}")


def put_back(source: str, path: str, like: str | None) -> None:
    """Replaces a database file by a copy of `source`, as readable as `like`, else for us alone."""
    staged = path + ".restoring"
    stage(source, staged, like)
    swap_in(staged, path)


def stage(source: str, staged: str, like: str | None) -> None:
    """A private copy of a file, as readable as `like` where that is given."""
    for suffix in BESIDE:
        Path(staged + suffix).unlink(missing_ok=True)
    make_private(staged)
    shutil.copyfile(source, staged)
    if like:
        shutil.copymode(like, staged)


def swap_in(staged: str, path: str) -> None:
    """Puts a finished file in the place of a database. The old write-ahead log goes first, or it would be played into the new file."""
    with open(staged, "rb") as file:
        os.fsync(file.fileno())
    for suffix in BESIDE[1:]:
        Path(path + suffix).unlink(missing_ok=True)
    os.replace(staged, path)
    folder = os.open(os.path.dirname(os.path.abspath(path)), os.O_RDONLY)
    os.fsync(folder)
    os.close(folder)


def schema_version(connection: apsw.Connection) -> int:
    """The number of the newest migration in a file; 0 for an empty one."""
    if not connection.table_exists(None, "migrations"):
        return 0
    return int(connection.execute("SELECT coalesce(max(number), 0) FROM migrations").get)


def apply(connection: apsw.Connection, pending: list[Migration]) -> None:
    """Runs migrations, each in a transaction of its own that also records it."""
    connection.execute(
        "CREATE TABLE IF NOT EXISTS migrations (number INTEGER PRIMARY KEY, name TEXT NOT NULL, applied_at TEXT NOT NULL) STRICT"
    )
    for step in pending:
        with connection:
            for text in step.statements("sqlite"):
                connection.execute(text)
            connection.execute("INSERT INTO migrations VALUES (?, ?, ?)", (step.number, step.name, clock.now()))


def version_of(path: str) -> int:
    """The schema version of a file that is only looked at."""
    connection = apsw.Connection(path, flags=apsw.SQLITE_OPEN_READONLY)
    try:
        return schema_version(connection)
    finally:
        connection.close()


def cut_log(path: str) -> None:
    """Moves the write-ahead log of a file that no server uses into it, as far as the file is sound."""
    with contextlib.suppress(apsw.Error):
        connection = connect(path)
        connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE)
        connection.close()


def refused_write(connection: apsw.Connection) -> str | None:
    """Why a file cannot be written, or None where it can."""
    try:
        connection.execute("BEGIN IMMEDIATE")
        connection.execute("ROLLBACK")
    except apsw.Error as error:
        return str(error)
    return None


class MigrationFailed(Exception):
    """A migration step failed; the file is as it was before."""


def prepare(path: str, *, migrate: bool) -> None:
    """Makes the file ready for this program: creates it when empty, and brings an older one up to date if `migrate` is set.

    A populated file is copied first, and the copy put back when a step fails. The caller holds `exclusive(path)` if it migrates.
    """
    connection = connect(path, create=True)
    found = schema_version(connection)
    pending = [step for step in steps() if step.number > found]
    if found > latest():
        connection.close()
        raise SchemaTooNew(found)
    if not found:
        apply(connection, pending)
        connection.close()
        return
    connection.close()
    if not pending:
        return
    if not migrate:
        raise MigrationNeeded(found)
    backup = f"{path}.schema-{found}"
    snapshot(path, backup)
    connection = connect(path)
    try:
        apply(connection, pending)
    except Exception as error:
        connection.close()
        put_back(backup, path, path)
        raise MigrationFailed(
            f"Upgrading {path} from schema {found} to {latest()} failed: {error}. The file is as it was; a copy is at {backup}."
        ) from error
    connection.close()
