"""deskbell doctor: checks of an installation."""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import Any, Literal

import click
import msgspec

from deskbell.foundation import clock, databases, job_control, sqlite
from deskbell.foundation.command_connection import CommandConnection
from deskbell.foundation.job_control import StoredJob
from deskbell.foundation.migrations import latest
from deskbell.knowledge.embedders import minilm
from deskbell.knowledge.embedders.base import EmbedderUnavailable
from deskbell.knowledge.index.disk.build_transactions import large_bases
from deskbell.settings import Settings
from deskbell.surfaces.cli import lookups
from deskbell.surfaces.cli.database import explained, file_of
from deskbell.surfaces.cli.jobs import count_jobs, jobs_of_unknown_kinds
from deskbell.surfaces.cli.output import as_json, show_json

NAMED = 5  # jobs of a finding that are named
LARGE_LOG = 256 * 1024 * 1024  # bytes; a server truncates its log above 64 MiB
LITTLE_SPACE = 512 * 1024 * 1024  # bytes
MARKS = {"ok": "ok   ", "note": "note ", "wrong": "WRONG"}


class Finding(msgspec.Struct):
    """The result of one check. A note is for information; only `wrong` makes the command fail."""

    subject: str
    state: Literal["ok", "note", "wrong"]
    found: str
    fix: str = ""


@click.command()
@as_json
@click.pass_obj
def doctor(settings: Settings, as_json: bool) -> None:
    """Check the database, disk, jobs, keys and clock, and say how to fix what is wrong."""
    findings = list(examine(settings))
    if as_json:
        show_json(findings)
    else:
        for finding in findings:
            click.echo(f"{MARKS[finding.state]}  {finding.subject}: {finding.found}")
            if finding.fix:
                click.echo(f"       {finding.fix}")
    if any(finding.state == "wrong" for finding in findings):
        click.get_current_context().exit(1)


def examine(settings: Settings) -> Iterator[Finding]:
    """Checks where the data is first, and what is in it only if it can be read."""
    yield look_at_clock()
    yield look_at_embedder()
    if databases.is_postgres(settings.database):
        yield from examine_server(settings)
        return
    path = file_of(settings.database)
    if not os.path.exists(path):
        yield Finding(
            "database", "wrong", f"there is no database at {path}", "Run `deskbell serve` or `deskbell org create`."
        )
        return
    yield look_at_disk(path)
    yield look_at_log(path)
    yield look_at_lock(path)
    try:
        connection = sqlite.connect(path)
        version = sqlite.schema_version(connection)
        yield look_at_access(path, connection)
        yield look_at_schema(version)
        yield look_at_integrity(connection)
        connection.close()
        if version == latest():
            yield from look_inside(settings.database)
            yield look_at_large_bases(settings)
    except Exception as error:
        if (line := explained(error)) is None:
            raise
        yield Finding(
            "database",
            "wrong",
            line,
            "If the file is damaged, stop the server and run `deskbell restore` with a backup.",
        )


def examine_server(settings: Settings) -> Iterator[Finding]:
    """PostgreSQL takes care of its own files: checks whether it answers, and what is in it."""
    url = settings.database
    try:
        databases.prepare(url, migrate=False)
        yield Finding("database", "ok", f"{databases.redact(url)} answers")
        yield Finding("schema", "ok", f"version {latest()}")
        yield from look_inside(url)
        yield look_at_large_bases(settings)
    except Exception as error:
        if (line := explained(error)) is None:
            raise
        yield Finding(
            "database", "wrong", line, "Check the address and the user's rights, and that the server is running."
        )


def look_at_clock() -> Finding:
    year = datetime.now(UTC).year
    if 2026 <= year < 2100:
        return Finding("clock", "ok", clock.now()[:19] + "Z")
    return Finding(
        "clock", "wrong", f"it is set to the year {year}", "Set the clock of this machine, for example by NTP."
    )


def look_at_embedder() -> Finding:
    try:
        return Finding("embedder", "ok", f"{minilm.verify(minilm.installed_folder()).parent}")
    except EmbedderUnavailable as error:
        if minilm.model_folder() is None:
            found = "not installed: knowledge bases are searched by keywords only"
            return Finding("embedder", "note", found, minilm.HOW)
        return Finding("embedder", "wrong", str(error), minilm.HOW)


def look_at_large_bases(settings: Settings) -> Finding:
    """Whether knowledge bases that should be searched on disk can be."""
    most = settings.large_base_chunks
    connection = databases.command_connection(settings.database)
    try:
        large = connection.read(partial(large_bases, most=most))
    finally:
        connection.close()
    if not large:
        return Finding("knowledge bases", "ok", f"none has more than {most:,} chunks")
    refusal = databases.without_graphs(settings.database)
    names = ", ".join(f"{each.name} ({each.chunk_count:,} chunks)" for each in large)
    if refusal is None:
        return Finding("knowledge bases", "ok", f"searched on disk: {names}")
    return Finding("knowledge bases", "note", f"large, but searched in memory: {names}", refusal)


def look_at_disk(path: str) -> Finding:
    free, size = shutil.disk_usage(os.path.dirname(os.path.abspath(path))).free, os.path.getsize(path)
    usage = f"{mebibytes(free)} free, the database uses {mebibytes(size)}"
    if free < max(LITTLE_SPACE, size):
        return Finding("disk", "wrong", usage, "Free some space: a backup or upgrade needs as much as the database.")
    return Finding("disk", "ok", usage)


def look_at_log(path: str) -> Finding:
    size = os.path.getsize(path + "-wal") if os.path.exists(path + "-wal") else 0
    if size > LARGE_LOG:
        return Finding(
            "write-ahead log",
            "wrong",
            mebibytes(size),
            "A long-running reader keeps it from shrinking: end old processes and restart the server.",
        )
    return Finding("write-ahead log", "ok", mebibytes(size))


def look_at_lock(path: str) -> Finding:
    """Tests the lock without removing the holder's process id from the file."""
    try:
        descriptor = os.open(path + ".lock", os.O_RDONLY)
    except FileNotFoundError:
        return Finding("server", "note", "no server has run on this database yet")
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        return Finding("server", "note", "no server is running; texts wait until one is")
    except BlockingIOError:
        return Finding("server", "ok", f"process {os.pread(descriptor, 32, 0).decode('ascii', 'replace').strip()}")
    finally:
        os.close(descriptor)


def look_at_access(path: str, connection: Any) -> Finding:
    if (refusal := sqlite.refused_write(connection)) is not None:
        return Finding(
            "database", "wrong", f"{path} cannot be written: {refusal}", "Check the owner of the file and its folder."
        )
    return Finding("database", "ok", f"{path} can be read and written")


def look_at_schema(version: int) -> Finding:
    if version == latest():
        return Finding("schema", "ok", f"version {version}")
    found = f"version {version}, this program needs {latest()}"
    if version > latest():
        return Finding("schema", "wrong", found, "Use the newer version of Deskbell that wrote it.")
    return Finding("schema", "wrong", found, "Run `deskbell migrate`, or start `deskbell serve`.")


def look_at_integrity(connection: Any) -> Finding:
    complaint = connection.execute("PRAGMA quick_check(1)").get
    if complaint == "ok":
        return Finding("integrity", "ok", "the file is not damaged")
    return Finding(
        "integrity", "wrong", str(complaint), "Stop the server and run `deskbell restore` with the last good backup."
    )


def look_inside(url: str) -> Iterator[Finding]:
    connection = databases.command_connection(url)
    try:
        yield from look_at_jobs(connection)
        organizations = connection.read(lookups.list_organizations)
        keys = [
            key for one in organizations for key in connection.read(partial(lookups.list_keys, organization_id=one.id))
        ]
    finally:
        connection.close()
    now = clock.now()
    live = [key for key in keys if key.active]
    expired = [key.prefix for key in live if key.expires_at is not None and key.expires_at <= now]
    unused = [key.prefix for key in live if key.last_used_at is None and key.prefix not in expired]
    yield Finding("organizations", "ok" if organizations else "note", f"{len(organizations)}")
    yield Finding("keys", "ok", f"{len(live) - len(expired)} active")
    if expired:
        yield Finding(
            "keys",
            "note",
            f"expired: {', '.join(expired)}",
            "Renew them with `deskbell key update`, or end them with `deskbell key revoke`.",
        )
    if unused:
        yield Finding("keys", "note", f"never used: {', '.join(unused)}", "Revoke those that are not needed.")
    ahead = [one.name for one in organizations if one.updated_at > clock.seconds_from_now(300)]
    if ahead:
        yield Finding(
            "clock",
            "wrong",
            f"some records are dated in the future: {ahead[0]}",
            "Set the clock of this machine, for example by NTP.",
        )


def look_at_jobs(connection: CommandConnection) -> Iterator[Finding]:
    """Jobs that failed for good, recurring ones whose last run failed, and those that this version cannot do."""
    counts = connection.read(count_jobs)
    if counts.failed:
        failed = connection.read(lambda session: session.all(job_control.failed_jobs(NAMED)))
        fix = (
            "Remove the cause, then `deskbell jobs retry ID` or `jobs retry --all-failed`; `jobs drop ID` gives one up."
        )
        yield Finding("jobs", "wrong", f"{counts.failed} failed", f"{fix} {listed(failed, counts.failed)}")
    for job in connection.read(lambda session: session.all(job_control.failing_recurring_jobs())):
        fix = f"Remove the cause. It runs again at {job.due_at[:19]}Z, or at once by `deskbell jobs retry {job.id}`."
        yield Finding("jobs", "wrong", f"the last run of {job.kind} failed: {job.last_line()}", fix)
    if counts.unknown:
        unknown = connection.read(jobs_of_unknown_kinds)[:NAMED]
        fix = "They are kept for a version that can. If none will, `deskbell jobs drop ID` deletes one."
        found = f"{counts.unknown} of a kind that this version of Deskbell cannot do"
        yield Finding("jobs", "wrong", found, f"{fix} {listed(unknown, counts.unknown)}")
    yield Finding("jobs", "ok", f"{counts.live} waiting, running or recurring, {counts.overdue} overdue")


def listed(jobs: Sequence[StoredJob], count: int) -> str:
    """Some of so many jobs: kind, id, and what went wrong."""
    text = "; ".join(f"{job.kind} {job.id}" + (f" ({job.last_line()})" if job.error else "") for job in jobs)
    return text if count <= len(jobs) else f"{text}; and {count - len(jobs)} more in `deskbell jobs list`"


def mebibytes(size: int) -> str:
    return f"{size / 2**20:,.1f} MiB"
