"""deskbell backup, restore and migrate: the database as a file."""

from __future__ import annotations

import contextlib
import glob
import os
import re
from collections.abc import Callable, Coroutine
from functools import partial
from pathlib import Path
from typing import Any

import click

from deskbell.app import SLICES
from deskbell.compliance import suppressions
from deskbell.conversations import operations as conversations
from deskbell.foundation import clock, databases, sqlite
from deskbell.foundation.command_connection import CommandConnection
from deskbell.foundation.db import DatabaseFailure, Session
from deskbell.foundation.migrations import SchemaTooNew, latest
from deskbell.identity import api_keys, applications
from deskbell.leads import operations as leads
from deskbell.privacy import operations as privacy
from deskbell.settings import Settings
from deskbell.surfaces.cli.database import file_of, is_empty

CHUNK = 100  # rows in one transaction
SUFFIXES = ("", "-wal", "-shm", ".lock")  # of the files of a database


@click.command()
@click.argument("target", metavar="FILE", type=click.Path(dir_okay=False))
@click.option("--force", is_flag=True, help="Replace FILE if it exists.")
@click.pass_obj
def backup(settings: Settings, target: str, force: bool) -> None:
    """Copy the database to FILE and verify the copy. A server may keep running."""
    path = existing(settings)
    refuse_own(path, target)
    if os.path.exists(target) and not os.path.isfile(target):
        raise click.ClickException(f"{target} is not a regular file.")
    if os.path.exists(target) and not force:
        raise click.ClickException(f"{target} already exists; use --force to replace it.")
    unfinished = target + ".partial"
    try:
        sqlite.snapshot(path, unfinished)
        os.replace(unfinished, target)
    finally:
        Path(unfinished).unlink(missing_ok=True)
    click.echo(f"Copied {path} to {target} ({os.path.getsize(target):,} bytes, verified).")


@click.command()
@click.argument("source", metavar="FILE", type=click.Path(exists=True, dir_okay=False))
@click.pass_obj
def restore(settings: Settings, source: str) -> None:
    """Replace the database with the backup FILE. The replaced file is kept next to it.

    Stop the server first. Everything that was added after the backup is lost, except for opt-outs, do-not-call entries, erasures and
    revoked keys and applications, which are carried over from the replaced file. Texts that were waiting to be sent when the backup
    was made are not sent, because they may have been sent since.
    """
    path = file_of(settings.database)
    refuse_own(path, source)
    version = check_backup(source)
    with sqlite.exclusive(path), contextlib.ExitStack() as cleaning:
        present = path if os.path.exists(path) else None
        staged = path + ".restoring"
        cleaning.callback(remove, staged)
        sqlite.stage(source, staged, present)
        sqlite.prepare(staged, migrate=True)
        carry_over_endings(staged, present)
        sqlite.cut_log(staged)
        # Up to here the present file is unchanged; from here on the new one is complete.
        kept = set_aside(path) if present else None
        sqlite.swap_in(staged, path)
    click.echo(f"Restored {path} from {source}.")
    if version < latest():
        click.echo(f"Its schema was upgraded from {version} to {latest()}.")
    if kept:
        click.echo(f"The replaced file is {kept}.")


def remove(staged: str) -> None:
    """Deletes the files that a restore leaves next to the one that it works on."""
    for left in Path(staged).parent.glob(glob.escape(Path(staged).name) + "*"):
        left.unlink()


def carry_over_endings(path: str, kept: str | None) -> None:
    """Keeps what has ended since the backup: opted-out people are not texted, erased people stay erased, revoked keys stay revoked,
    and no text is sent a second time."""
    restored = databases.command_connection(f"sqlite:///{path}")
    try:
        if ended := restored.write(conversations.cancel_pending):
            click.echo(f"Waiting texts marked as `unknown`, which will not be sent: {ended}.")
        if kept:
            carry(
                kept,
                restored,
                suppressions.suppressions_after,
                suppressions.carry_over,
                "Opt-outs and do-not-call entries",
            )
            if carry(kept, restored, leads.erasures_after, partial(privacy.carry_over, slices=SLICES), "Erasures"):
                restored.erase_free_pages(whole=False)
            carry(kept, restored, api_keys.key_ends_after, api_keys.carry_over_ends, "Revoked or expiring API keys")
            of_keys = (applications.key_ends_after, applications.carry_over_key_ends)
            carry(kept, restored, *of_keys, "Revoked keys of applications")
            carry(kept, restored, applications.ends_after, applications.carry_over_ends, "Revoked applications")
    finally:
        restored.close()


def carry(
    kept: str,
    restored: CommandConnection,
    read_after: Callable[..., Coroutine[Any, Any, list[Any]]],
    put: Callable[..., Coroutine[Any, Any, int]],
    what: str,
) -> int:
    """Copies entries of the replaced file into the restored one, as far as they can be read. Returns how many changed it."""
    carried, last = 0, None

    def next_chunk(session: Session) -> Coroutine[Any, Any, list[Any]]:
        return read_after(session, last, CHUNK)

    try:
        with contextlib.closing(databases.command_connection(f"sqlite:///{kept}")) as replaced:
            while entries := replaced.read(next_chunk):
                carried += restored.write(partial(put, entries=entries))
                last = entries[-1]
    except (*sqlite.FAILURES, DatabaseFailure) as error:
        complaint = f"{what} in {kept} could not all be read ({error}). Enter those made since the backup by hand."
        click.echo(complaint, err=True)
    click.echo(f"{what} carried over from the replaced file: {carried}.")
    return carried


@click.command()
@click.pass_obj
def migrate(settings: Settings) -> None:
    """Create the database, or bring its schema up to date; `serve` does the same when it starts.

    On SQLite, stop the server first. On PostgreSQL several nodes may run this at once: one migrates, the others wait.
    """
    if databases.is_postgres(settings.database):
        databases.prepare(settings.database, migrate=True)
        click.echo(f"{databases.redact(settings.database)} is up to date (schema {latest()}).")
        return
    path = file_of(settings.database)
    with sqlite.exclusive(path):
        before = sqlite.version_of(path) if not is_empty(path) else 0
        sqlite.prepare(path, migrate=True)
    if before == latest():
        click.echo(f"{path} is up to date (schema {latest()}).")
    else:
        click.echo(f"{path} went from schema {before} to {latest()}.")


def existing(settings: Settings) -> str:
    path = file_of(settings.database)
    if not os.path.exists(path):
        raise click.ClickException(f"There is no database at {path}.")
    return path


def refuse_own(path: str, other: str) -> None:
    """Refuses a file of the database itself as its backup or source."""
    if os.path.realpath(other) in [os.path.realpath(path + suffix) for suffix in SUFFIXES]:
        raise click.ClickException(f"{other} belongs to the database in use.")


def check_backup(source: str) -> int:
    """The schema version of a backup. Refuses one that is damaged, incomplete or newer than this program."""
    if os.path.exists(source + "-wal") and os.path.getsize(source + "-wal"):
        raise DatabaseFailure(
            f"{source} is incomplete: part of the data is in {source}-wal. Make backups with `deskbell backup`."
        )
    sqlite.verify(source)
    version = sqlite.version_of(source)
    if not version:
        raise DatabaseFailure(f"{source} is not a Deskbell database")
    if version > latest():
        raise SchemaTooNew(version)
    return version


def set_aside(path: str) -> str:
    """Renames the present file, and its log if that cannot be merged into it: even a damaged file may still be needed."""
    sqlite.cut_log(path)
    kept = f"{path}.before-restore-{re.sub('[-:.Z]', '', clock.now())}"
    if os.path.exists(kept):
        raise click.ClickException(f"{kept} already exists; move it away first.")
    os.rename(path, kept)
    if os.path.exists(path + "-wal"):
        os.rename(path + "-wal", kept + "-wal")
    return kept
