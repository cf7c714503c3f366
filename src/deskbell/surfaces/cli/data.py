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
from deskbell.foundation.db import DatabaseFailure
from deskbell.foundation.migrations import SchemaTooNew, latest
from deskbell.identity import api_keys, applications
from deskbell.leads import operations as leads
from deskbell.privacy import operations as privacy
from deskbell.settings import Settings
from deskbell.surfaces.cli.database import file_of, is_empty

CHUNK = 100  # rows in one transaction
BESIDE = ("", "-wal", "-shm", ".lock")  # what belongs to a database file


@click.command()
@click.argument("target", metavar="FILE", type=click.Path(dir_okay=False))
@click.option("--force", is_flag=True, help="Replace FILE if it exists.")
@click.pass_obj
def backup(settings: Settings, target: str, force: bool) -> None:
    """Copy the database into FILE, whole and verified. A server may go on writing meanwhile."""
    path = existing(settings)
    refuse_own(path, target)
    if os.path.exists(target) and not os.path.isfile(target):
        raise click.ClickException(f"{target} is no ordinary file.")
    if os.path.exists(target) and not force:
        raise click.ClickException(f"{target} exists already; --force replaces it.")
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
    """Replace the database by the backup FILE. The replaced file is kept beside it.

    No server may run. Whatever was added after the backup is missing from the restored file. Opt-outs, do-not-call entries, erasures
    and the revocation of keys and applications are the exception: they are carried over from the replaced file. Texts that were
    waiting to be sent when the backup was made are not sent, as they may have been sent since.
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
        make_lawful(staged, present)
        sqlite.cut_log(staged)
        # Until here the present file is untouched; from here on the new one is whole.
        kept = set_aside(path) if present else None
        sqlite.swap_in(staged, path)
    click.echo(f"Restored {path} from {source}.")
    if version < latest():
        click.echo(f"Its schema was upgraded from {version} to {latest()}.")
    if kept:
        click.echo(f"The replaced file is {kept}.")


def remove(staged: str) -> None:
    """Clears away what a restore leaves beside the file that it works on."""
    for left in Path(staged).parent.glob(glob.escape(Path(staged).name) + "*"):
        left.unlink()


def make_lawful(path: str, kept: str | None) -> None:
    """What has ended since the backup stays ended: opted-out people are not texted, erased people stay erased, revoked keys stay revoked,
    and no text is sent a second time."""
    restored = sqlite.Guest(path)
    try:
        if ended := restored.write(conversations.cancel_pending):
            click.echo(f"Waiting texts marked as unknown, which will not be sent: {ended}.")
        if kept:
            carry(kept, restored, suppressions.noted_after, suppressions.carry_over, "Opt-outs and do-not-call entries")
            if carry(kept, restored, leads.erasures_after, partial(privacy.carry_over, slices=SLICES), "Erasures"):
                restored.scrub(whole=False)
            carry(kept, restored, api_keys.key_ends_after, api_keys.carry_over_ends, "Revoked or expiring API keys")
            of_keys = (applications.key_ends_after, applications.carry_over_key_ends)
            carry(kept, restored, *of_keys, "Revoked keys of applications")
            carry(kept, restored, applications.ends_after, applications.carry_over_ends, "Revoked applications")
    finally:
        restored.close()


def carry(
    kept: str,
    restored: sqlite.Guest,
    read_after: Callable[..., Coroutine[Any, Any, list[Any]]],
    put: Callable[..., Coroutine[Any, Any, int]],
    what: str,
) -> int:
    """Brings entries of the replaced file into the restored one, as far as they can be read, and says how many changed it."""
    carried, last = 0, None
    try:
        with contextlib.closing(sqlite.Guest(kept)) as replaced:
            while entries := replaced.read(partial(read_after, last=last, most=CHUNK)):
                carried += restored.write(partial(put, entries=entries))
                last = entries[-1]
    except (*sqlite.FAILURES, DatabaseFailure) as error:
        complaint = f"{what} of {kept} cannot all be read ({error}): enter those made since the backup by hand."
        click.echo(complaint, err=True)
    click.echo(f"{what} carried over: {carried}.")
    return carried


@click.command()
@click.pass_obj
def migrate(settings: Settings) -> None:
    """Create the database, or bring its schema up to date; `serve` does the same when it starts.

    No server may run on an SQLite file. On PostgreSQL any number of nodes may try at once: one does it, the others wait.
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
    """A database is neither its own backup nor its source."""
    if os.path.realpath(other) in [os.path.realpath(path + suffix) for suffix in BESIDE]:
        raise click.ClickException(f"{other} belongs to the database in use.")


def check_backup(source: str) -> int:
    """The schema version of a sound backup that this program can use."""
    if os.path.exists(source + "-wal") and os.path.getsize(source + "-wal"):
        raise DatabaseFailure(f"{source} is not a whole copy: {source}-wal holds a part of it. Use `deskbell backup`.")
    sqlite.verify(source)
    version = sqlite.version_of(source)
    if not version:
        raise DatabaseFailure(f"{source} is not a Deskbell database")
    if version > latest():
        raise SchemaTooNew(version)
    return version


def set_aside(path: str) -> str:
    """Renames the present file, with its log where that cannot be moved into it: a damaged file may still be wanted."""
    sqlite.cut_log(path)
    kept = f"{path}.before-restore-{re.sub('[-:.Z]', '', clock.now())}"
    if os.path.exists(kept):
        raise click.ClickException(f"{kept} exists already; move it away.")
    os.rename(path, kept)
    if os.path.exists(path + "-wal"):
        os.rename(path + "-wal", kept + "-wal")
    return kept
