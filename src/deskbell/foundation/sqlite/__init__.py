"""SQLite: inline reads, one writer thread with group commit, and how several processes share one file.

Reads run in the event loop on one connection, long ones on a small thread pool. Writes queue for one thread, which puts all
that wait into one transaction and answers after the one commit; what fails is undone alone. Other processes (the CLI) are short
visitors: they write in small transactions and raise the epoch, by which this process notices that its caches are stale.
"""

from deskbell.foundation.migrations import MigrationNeeded
from deskbell.foundation.sqlite.command_database import SqliteCommandDatabase
from deskbell.foundation.sqlite.database import SqliteDatabase
from deskbell.foundation.sqlite.files import (
    FAILURES,
    AlreadyServed,
    MigrationFailed,
    complaint,
    connect,
    cut_log,
    exclusive,
    prepare,
    refused_write,
    schema_version,
    snapshot,
    stage,
    swap_in,
    verify,
    version_of,
)
from deskbell.foundation.sqlite.session import DIALECT, SqliteSession, Totals, drive

__all__ = [
    "DIALECT",
    "FAILURES",
    "AlreadyServed",
    "MigrationFailed",
    "MigrationNeeded",
    "SqliteCommandDatabase",
    "SqliteDatabase",
    "SqliteSession",
    "Totals",
    "complaint",
    "connect",
    "cut_log",
    "drive",
    "exclusive",
    "prepare",
    "refused_write",
    "schema_version",
    "snapshot",
    "stage",
    "swap_in",
    "verify",
    "version_of",
]
